/**
 * Messages for a client that waits: comments with the progress of a start, and events for clients that count only
 * events.
 */
import type { Caller } from '../accounts/identify';
import { steadyMs } from '../lib/time';
import { QUIET_MS, type Relay } from '../relay/relay';
import { emptyChunk } from './chunks';
import type { OpenaiDeps } from './deps';
import type { Plan } from './plan';

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
