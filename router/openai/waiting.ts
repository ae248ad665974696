/**
 * What a client is sent that waits in an open stream: comments with the progress of a start, events for clients that count
 * only events, and then the runner's answer or the reason why there is none.
 */
import type { Caller } from '../accounts/identify';
import type { Share } from '../lib/allowance';
import { AppError, toAppError } from '../lib/errors';
import { steadyMs, within } from '../lib/time';
import { QUIET_MS, type Relay } from '../relay/relay';
import type { RunnerAnswer } from '../runners/call';
import { refusalOf } from '../runners/refusals';
import { isEventStream } from '../web/answers/headers';
import { emptyChunk, eventsOfCompletion } from './chunks';
import type { OpenaiDeps } from './deps';
import type { Plan } from './plan';

/** Milliseconds that a streaming client waits for the runner's status; then it gets 200 and comments with progress (law 11). */
const START_PATIENCE_MS = 2_000;
/** Where no start has to be shown: longer than the broker goes on trying (`TRIES_MS`), so that a refusal keeps its status. */
const WARM_PATIENCE_MS = 3_500;

export class Waiting {
  /** Time of the last event that was sent only to show that the answer is in progress. */
  #aliveAtMs = 0;

  constructor(
    readonly deps: Pick<OpenaiDeps, 'events' | 'runners'>,
    readonly who: Caller,
    readonly plan: Plan,
  ) {}

  /** Returns the text of a comment: the progress of the runner's start. */
  progress(): string {
    const { state, progress } = this.deps.runners.status(this.plan.call.agent.id);
    if (state !== 'starting') return 'agent-stack: waiting for the agent';
    const words = progress.place === undefined ? `${progress.message} (${progress.percent}%)` : progress.message;
    return `agent-stack: ${words}`;
  }

  /**
   * Returns events for clients that count only events: always for `responses`, for a chat if the key is set so. Returns
   * '' if there is none, or if the last one was sent within `QUIET_MS`, because a start may report its progress many
   * times a second.
   */
  aliveEvents(): string {
    const { translation, path, call } = this.plan;
    const isChat = path === 'chat/completions' && this.who.key?.eventsWhileWaiting === true;
    const nowMs = steadyMs();
    if ((!translation && !isChat) || nowMs - this.#aliveAtMs < QUIET_MS) return '';
    this.#aliveAtMs = nowMs;
    return translation?.alive() ?? emptyChunk(call.backend.name);
  }

  /** Writes the progress into the relay's stream, now and whenever it changes. @returns Function that ends this. */
  tell(relay: Relay): () => void {
    let told = '';
    const tell = () => {
      const progress = this.progress();
      if (progress !== told) relay.comment(progress);
      told = progress;
    };
    const unsubscribe = this.deps.events.subscribe(this.who.user.id, ({ kind }) => kind === 'runner' && tell());
    tell();
    return unsubscribe;
  }
}

/** The answer; undefined if it does not come in time, or if it failed in a way that the client is told in a stream. */
export function inTime(
  asking: Promise<RunnerAnswer>,
  { translation }: Pick<Plan, 'translation'>,
  isCold: boolean,
): Promise<RunnerAnswer | undefined> {
  const soon = within(isCold ? START_PATIENCE_MS : WARM_PATIENCE_MS, asking);
  return translation ? soon.catch(unlessLasting) : soon;
}

/** Programs that ignore `x-should-retry` retry on such a status without showing the reason; they do show a failed response. */
function unlessLasting(thrown: unknown): undefined {
  const { isLasting, status } = toAppError(thrown);
  if (!isLasting || status < 500) throw thrown;
}

/** How the wait for a runner's answer has ended. */
export type Outcome = { readonly answer: RunnerAnswer } | { readonly error: AppError };

const NO_STREAM = 'A stream was asked for, and the agent sent something else.';

/** Lets the open stream go on with what was waited for. @param share is charged for an answer that is read whole. */
export async function attachOutcome(
  relay: Relay,
  outcome: Outcome,
  { translation, wantsUsage }: Pick<Plan, 'translation' | 'wantsUsage'>,
  share: Share,
): Promise<void> {
  if ('error' in outcome) return relay.fail(outcome.error);
  const { answer } = outcome;
  if (answer.status >= 400) return relay.fail(await refusalOf(answer));
  // A whole completion becomes the events of one.
  const body = isEventStream(answer.headers)
    ? answer.body
    : await eventsOfCompletion(answer.body, { share, wantsUsage });
  if (!body) return relay.fail(new AppError('runner_lost', { message: NO_STREAM }));
  relay.attach(translation?.body(body, true) ?? body);
}
