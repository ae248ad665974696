/**
 * Generations: answers being produced. One belongs to the router, not to the request that asked for it: it goes on when
 * the client leaves (policy `detach`), is saved while it grows, and ends exactly once (laws 9, 17, 19).
 */

import type { Agent, AgentsStore } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import { type ChatMessage, sessionHeaders, sessionName, sessionVariables, shapeChatBody } from '../backends/shape';
import { usesUpstream } from '../backends/traits';
import type { CredentialsService } from '../credentials/credentials';
import { type Allowance, Share } from '../lib/allowance';
import { AppError, toAppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newTimeId } from '../lib/ids';
import { generationsLog } from '../lib/log';
import { Recent } from '../lib/lru';
import type { MetricsService } from '../metrics/metrics';
import { Relay } from '../relay/relay';
import { Silence } from '../relay/timeouts';
import { callRunner, type RunnerAnswer, refusalOf } from '../runners/call';
import type { RunnersService } from '../runners/runners';
import type { BudgetsService } from '../usage/budgets';
import { HISTORY, titleFrom } from './conversations';
import { Answer, type AnswerOptions } from './recorder';
import type { Conversation, ConversationsStore, Message, ToolResult } from './store';
import type { Beginning } from './store-turns';

/** The predecessor's limit for one message. */
const TEXT_LENGTH_MAX = 200_000;

/** Clients try again within seconds; what is longer ago than so many conversations is begun anew. */
const BEGUN_MAX = 1_000;

/** An answer that is being written now. */
interface Generation {
  readonly conversationId: string;
  readonly userId: string;
  readonly agentId: string;
  readonly answer: Answer;
  stop(): void;
}

/** A turn that comes through `/v1`. Without the `text` that is answered, the answer goes on with the newest turn stored. */
export interface RecordedTurn {
  readonly conversation: Conversation;
  /** Where the conversation begins with this turn. */
  readonly beginning?: Beginning | undefined;
  readonly text?: string;
  /** What the client's tools found since the last answer. */
  readonly results?: readonly ToolResult[];
  /** The answer's id, where it is told before it is stored. */
  readonly answerId?: string;
  /** The conversation's from this turn on. */
  readonly sessionFrom?: number;
  /** An answer that did not end well, which this one replaces. */
  readonly replacesId?: string;
  /** Until when the answer is kept, where nobody has asked for that. */
  readonly expiresAtMs?: number;
}

/** What a door that brings its own client needs to record an answer (`/v1` with a conversation). */
export interface Recording {
  readonly answer: Answer;
}

/** How an answer is recorded that another one relays. */
export interface RecordOptions extends Pick<AnswerOptions, 'isStream' | 'onTooLarge'> {
  /** The user wants it to end. */
  stop(): void;
}

export type GenerationsService = ReturnType<typeof generationsService>;

export function generationsService(deps: {
  conversations: ConversationsStore;
  agents: AgentsStore;
  backends: BackendRegistry;
  runners: RunnersService;
  credentials: CredentialsService;
  budgets: BudgetsService;
  events: Events;
  metrics: MetricsService;
  /** Of what long answers are held. */
  held: Allowance;
  /** How many answers without a client there may be. */
  requests: Allowance;
  /** Of what is recorded of one answer. */
  maxAnswerBytes: number;
  now: () => number;
}) {
  const { conversations, agents, backends, runners, credentials, budgets, events, metrics, now } = deps;
  const { held, requests, maxAnswerBytes } = deps;
  const live = new Map<string, Generation>();
  /** Conversations of `/v1` by the agent and the message that they began with. */
  const begun = new Recent<string, string>(BEGUN_MAX);

  /** Writes the turn before anything is asked of a runner, and tells the watchers. */
  async function beginTurn(conversation: Conversation, turn: Omit<RecordedTurn, 'conversation'>): Promise<Message> {
    const { text, results, replacesId, answerId = newTimeId(), sessionFrom, expiresAtMs, beginning } = turn;
    const written = await conversations.insertTurn({
      conversationId: conversation.id,
      ...(text !== undefined && { user: { id: newTimeId(), content: text } }),
      answerId,
      results,
      ...(beginning && { beginning }),
      ...(sessionFrom !== undefined && { sessionFrom }),
      ...(replacesId !== undefined && { replacesId }),
      expiresAtMs,
      title: titleFrom(text ?? ''),
      nowMs: now(),
    });
    if (!written) throw new AppError('answer_running');
    const { userId, id: conversationId } = conversation;
    if (replacesId) events.publish(userId, { kind: 'message.removed', conversationId, messageId: replacesId });
    for (const message of [written.user, written.answer]) {
      if (message) events.publish(userId, { kind: 'message.added', conversationId, messageId: message.id });
    }
    events.publish(userId, { kind: 'conversation', conversationId });
    return written.answer;
  }

  function track(conversation: Conversation, message: Message, how: RecordOptions): Answer {
    const ids = { userId: conversation.userId, conversationId: conversation.id, messageId: message.id };
    const { stop, ...rest } = how;
    const options = { ...rest, maxBytes: maxAnswerBytes, share: new Share(held, conversation.userId) };
    const answer = new Answer({ conversations, events, now }, ids, options);
    live.set(message.id, { ...ids, agentId: conversation.agentId, answer, stop });
    void answer.saved.then(() => live.delete(message.id));
    return answer;
  }

  /**
   * Produces an answer without a client: whoever wants to see it watches the events.
   * @param leave called when it has ended.
   */
  function produce(
    turn: { conversation: Conversation; agent: Agent; message: Message; explicit: boolean },
    leave: () => void,
  ) {
    const { conversation, agent, message, explicit } = turn;
    const abort = new AbortController();
    const begunMs = performance.now();
    let answered: RunnerAnswer | undefined;
    let answeredMs: number | undefined;
    const answer = track(conversation, message, {
      isStream: true,
      stop: () => relay.stop(),
      onTooLarge: (error) => relay.fail(error),
    });
    const limits = backends.find(agent.backend)?.timeouts;
    const silence = limits && new Silence(limits, (error) => relay.fail(error));
    const relay = new Relay({
      events: true,
      expectDone: true,
      onClientGone: 'detach',
      abort,
      recorder: answer,
      lost: (cause) => answered?.lost(cause) ?? new AppError('runner_lost', { cause }),
      ...(silence && { silence }),
      onEnd: (ending, _, error) => {
        silence?.end();
        answered?.lease.release();
        leave();
        const status = answered?.status ?? error?.status;
        metrics.relayed(agent.backend, ending, status, answeredMs, performance.now() - begunMs);
      },
    });
    void relay.drain();
    void ask(conversation, agent, { signal: abort.signal, explicit, ...(silence && { silence }) })
      .then((found) => {
        answered = found;
        answeredMs = performance.now() - begunMs;
        // Stopped in between: the relay has ended and will not call back.
        if (abort.signal.aborted) found.lease.release();
        relay.attach(found.body);
      })
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        const shown = toAppError(error);
        if (shown.code === 'internal') generationsLog.error({ message: message.id, err: error }, 'generation.broke');
        relay.fail(shown);
      });
  }

  /** Asks the agent's runner for the next answer of a conversation. */
  async function ask(
    conversation: Conversation,
    agent: Agent,
    how: { signal: AbortSignal; explicit: boolean; silence?: Silence },
  ) {
    const backend = backends.find(agent.backend);
    if (!backend)
      throw new AppError('not_found', { message: `The backend "${agent.backend}" is no longer configured.` });
    if (usesUpstream(backend)) budgets.check({ userId: agent.userId });
    const session = sessionVariables(agent.userId, agent.id, sessionName(conversation));
    const { messages, isKnown } = await history(conversation);
    const body = { model: backend.name, messages, stream: true };
    const model = await modelOf(agent.userId, agent.backend);
    const answered = await callRunner(runners, {
      agent,
      backend,
      work: { id: session.work, conversationId: conversation.id },
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...sessionHeaders(backend, session) },
      body: JSON.stringify(shapeChatBody(backend, body, { session, model, isKnown }) ?? body),
      ...how,
    });
    if (answered.status >= 200 && answered.status < 300) return answered;
    throw await refusalOf(answered);
  }

  /**
   * The messages so far, and whether the session that the runtime keeps has been told those before the newest. Calls of
   * a client's tools are not told: a page offers no tools, and some LLMs refuse calls of what they are not offered.
   */
  async function history({ id, sessionFrom }: Conversation): Promise<{ messages: ChatMessage[]; isKnown: boolean }> {
    const said = (await conversations.page(id, HISTORY)).filter(({ content }) => content !== '');
    const isKnown =
      sessionFrom === 0 || said.some(({ role, position }) => role === 'assistant' && position > sessionFrom);
    return { messages: said.map(({ role, content }) => ({ role, content })), isKnown };
  }

  /** The model that a backend with `forward_model_env` is sent. */
  async function modelOf(userId: string, backendName: string): Promise<string | undefined> {
    const backend = backends.find(backendName);
    if (!backend?.forwardModelEnv) return undefined;
    const values = await credentials.resolve(userId, backend);
    return values.find((value) => value.name === backend.forwardModelEnv)?.value;
  }

  async function agentOf(conversation: Conversation): Promise<Agent> {
    const agent = await agents.find(conversation.agentId);
    if (!agent) throw new AppError('not_found');
    return agent;
  }

  /** A turn whose answer has no client. Throws `too_much_at_once` before anything is stored. */
  async function begin(
    conversation: Conversation,
    turn: { text?: string; replacesId?: string; beginning?: Beginning },
    explicit: boolean,
  ): Promise<Message> {
    const agent = await agentOf(conversation);
    const leave = requests.take(conversation.userId);
    try {
      const message = await beginTurn(conversation, turn);
      produce({ conversation, agent, message, explicit }, leave);
      return message;
    } catch (error) {
      leave();
      throw error;
    }
  }

  return {
    modelOf,

    /** Stores the user's message, with the conversation where it begins, and starts the answer. Throws `answer_running` while another is being written. */
    async start(conversation: Conversation, text: string, beginning?: Beginning): Promise<Message> {
      if (text.trim() === '') throw new AppError('invalid_fields', { fields: { text: 'Write a message first' } });
      if (text.length > TEXT_LENGTH_MAX) {
        throw new AppError('invalid_fields', { fields: { text: `At most ${TEXT_LENGTH_MAX} characters` } });
      }
      return begin(conversation, { text, ...(beginning && { beginning }) }, false);
    },

    /** Replaces the conversation's last answer, which did not end well, by a new one. */
    async retry(conversation: Conversation, message: Message): Promise<Message> {
      if (message.role !== 'assistant' || message.status === 'streaming' || message.status === 'done') {
        throw new AppError('conflict', { message: 'Only an answer that did not end well can be asked for again.' });
      }
      if (message.position !== conversation.lastPosition) {
        throw new AppError('conflict', { message: 'Only the last answer can be asked for again.' });
      }
      return begin(conversation, { replacesId: message.id }, true);
    },

    /** Stores a turn that comes through `/v1`, whose relay does the work. */
    async record(turn: RecordedTurn, options: RecordOptions): Promise<Recording> {
      const { conversation, text } = turn;
      const message = await beginTurn(conversation, turn);
      if (text !== undefined && conversation.lastPosition === 0) {
        begun.set(beginningOf(conversation.agentId, text), conversation.id);
      }
      return { answer: track(conversation, message, options) };
    },

    /** The conversation of `/v1` that this message has begun last. */
    begunWith: (agentId: string, text: string): string | undefined => begun.get(beginningOf(agentId, text)),

    /** Stops an answer; what was written stays. Nothing happens when it has ended already. */
    async stop(messageId: string): Promise<void> {
      const generation = live.get(messageId);
      generation?.stop();
      await generation?.answer.saved;
    },

    /** Stops what is being written in a conversation. */
    async stopIn(conversationId: string): Promise<void> {
      const there = [...live.values()].filter((generation) => generation.conversationId === conversationId);
      for (const generation of there) generation.stop();
      await Promise.all(there.map((generation) => generation.answer.saved));
    },

    /** How many answers are being written. */
    get size(): number {
      return live.size;
    },

    /** The text so far of an answer that is being written. */
    textOf: (messageId: string): string | undefined => live.get(messageId)?.answer.text,

    /** On shutdown: ends what is being written as interrupted, with its text saved. */
    async interruptAll(): Promise<void> {
      const all = [...live.values()];
      for (const { answer } of all) answer.end('failed', interrupted());
      await Promise.all(all.map(({ answer }) => answer.saved));
    },

    /** On start: ends what a crash left open (law 19). */
    async endOrphans(): Promise<void> {
      const { code, message } = interrupted();
      const count = await conversations.endOrphans({ code: INTERRUPTED, message }, now());
      if (count > 0) generationsLog.warn({ count, code }, 'orphans.ended');
    },
  };
}

function beginningOf(agentId: string, text: string): string {
  return `${agentId} ${Bun.hash(text)}`;
}

/** The code that an answer keeps when the router itself ended in the middle of it. */
export const INTERRUPTED = 'shutting_down';

function interrupted(): AppError {
  return new AppError(INTERRUPTED, { message: 'The router was restarted in the middle of this answer.' });
}
