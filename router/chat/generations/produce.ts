/** Produces an answer without a client: readers watch the events. `relay/lifecycle.ts` determines when it ends. */

import type { Agent } from '../../agents/store';
import type { Backend, BackendRegistry } from '../../backends/backends';
import { backendHeaders, requestVariables, runtimeSessionName } from '../../backends/runtime-session';
import { type ChatMessage, shapeChatBody } from '../../backends/shape';
import { usesUpstream } from '../../backends/traits';
import type { CredentialsService } from '../../credentials/credentials';
import { type Allowance, Share } from '../../lib/allowance';
import type { AppError } from '../../lib/errors';
import { answerFacts, callerWith } from '../../lib/tracing';
import type { MetricsService } from '../../metrics/metrics';
import { Lifecycle } from '../../relay/lifecycle';
import type { Ending } from '../../relay/relay';
import { callRunner, type RunnerAnswer } from '../../runners/call';
import { refusalOf } from '../../runners/refusals';
import type { RunnersService } from '../../runners/runners';
import type { BudgetsService } from '../../usage/budgets/budgets';
import type { AttachmentsService } from '../attachments/attachments';
import { HISTORY } from '../messages';
import type { Conversation, ConversationsStore } from '../store/conversations';
import type { Answer, AnswerOptions } from './recorder';
import { type ToldFiles, toldMessages, toldThoughts } from './told';

export interface ProduceDeps {
  readonly attachments: AttachmentsService;
  readonly conversations: ConversationsStore;
  readonly backends: BackendRegistry;
  readonly runners: RunnersService;
  readonly credentials: CredentialsService;
  readonly budgets: BudgetsService;
  readonly metrics: MetricsService;
  /** The memory for long requests and answers. */
  readonly held: Allowance;
}

/** The recorder of an answer that a relay passes on. */
export interface RecordOptions extends Pick<AnswerOptions, 'isStream' | 'onTooLarge'> {
  /** Aborts when the user stops the answer. */
  stop(): void;
}

/** The newest message of a conversation, which is answered. */
export interface Turn {
  readonly conversation: Conversation;
  readonly agent: Agent;
  /** The message into which the answer is written. */
  readonly messageId: string;
  /** A person requested this start, so the back-off after failed starts does not apply. */
  readonly explicit: boolean;
}

/**
 * Produces an answer.
 * @param track Makes its recorder.
 * @param share of the limit of answers under way; ended with the answer.
 */
export function produce(
  deps: ProduceDeps,
  turn: Turn,
  { track, share }: { track(options: RecordOptions): Answer; readonly share: Share },
): void {
  new Production(deps, turn, share).begin(track);
}

class Production extends Lifecycle {
  constructor(
    readonly deps: ProduceDeps,
    readonly turn: Turn,
    share: Share,
  ) {
    super('detach', { message: turn.messageId });
    this.hold(share);
  }

  begin(track: (options: RecordOptions) => Answer): void {
    this.recorder = track({
      isStream: true,
      stop: () => this.stop(),
      onTooLarge: (error) => this.close(error),
    });
    const limits = this.deps.backends.find(this.turn.agent.backend)?.timeouts;
    if (limits) this.watch(limits);
    const relay = this.open({ events: true, expectDone: true });
    relay.drain();
    void this.#ask()
      .then((found) => {
        this.answered(found);
        relay.attach(found.body);
      })
      .catch((thrown: unknown) => this.fail(this.toError(thrown)));
  }

  /** Requests the next answer of the conversation from the agent's runner. */
  async #ask(): Promise<RunnerAnswer> {
    const { backends, budgets, runners } = this.deps;
    const { conversation, agent, explicit } = this.turn;
    const backend = backends.of(agent);
    if (usesUpstream(backend)) budgets.refuseUsedUp({ userId: agent.userId });
    const variables = requestVariables(agent.userId, agent.id, runtimeSessionName(conversation));
    const { messages, files, isKnown } = await history(this.deps, backend, conversation);
    const body = { model: backend.name, messages, stream: true };
    const model = await modelOf(this.deps, agent);
    const facts = answerFacts(agent, { path: 'chat/completions', isCold: !runners.isWarm(agent.id) });
    const trace = this.trace('answer', 'server', callerWith(), facts);
    const request = {
      agent,
      backend,
      work: {
        id: variables.work,
        conversationId: conversation.id,
        trace,
      },
      method: 'POST',
      path: '/v1/chat/completions',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...backendHeaders(backend, variables),
      },
      body: await files.write(shapeChatBody(backend, body, { variables, model, isKnown }) ?? body, this.#share()),
      explicit,
    };
    const answered = await callRunner(runners, request, this);
    if (answered.status >= 200 && answered.status < 300) return answered;
    throw await refusalOf(answered);
  }

  /** What the request takes of the memory for long bodies, until the answer has ended. */
  #share(): Share {
    const share = new Share(this.deps.held, this.turn.agent.userId);
    this.hold(share);
    return share;
  }

  protected override report(ending: Ending, _bytes: number, error?: AppError): void {
    const status = this.status ?? error?.status;
    const ended = { ending, status, firstByteMs: this.answeredMs, totalMs: this.elapsedMs };
    this.deps.metrics.relayed(this.turn.agent.backend, ended);
  }
}

/**
 * Returns the messages so far, and whether the runtime session knows those before the newest. Calls of a client's
 * tools are left out: a page offers no tools, and some LLMs refuse calls of tools that they are not offered.
 */
async function history(
  { attachments, conversations }: Pick<ProduceDeps, 'attachments' | 'conversations'>,
  backend: Backend,
  { id, sessionFrom }: Conversation,
): Promise<{ messages: ChatMessage[]; files: ToldFiles; isKnown: boolean }> {
  const said = await conversations.page(id, HISTORY);
  const isKnown =
    sessionFrom === 0 ||
    said.some(
      ({ role, content, callbackId, position }) =>
        role === 'assistant' && content !== '' && callbackId === null && position > sessionFrom,
    );
  const thoughts = await toldThoughts(conversations, backend, said);
  return { ...(await toldMessages(attachments, said, thoughts)), isKnown };
}

/** The model for a backend with `forward_model_env`. */
export async function modelOf(
  { backends, credentials }: Pick<ProduceDeps, 'backends' | 'credentials'>,
  agent: Agent,
): Promise<string | undefined> {
  const backend = backends.find(agent.backend);
  if (!backend?.forwardModelEnv) return undefined;
  const values = await credentials.resolve(agent, backend);
  return values.find((value) => value.name === backend.forwardModelEnv)?.value;
}
