/** What a client is told while it waits for the answer: comments with the progress of a start, and events where it counts those only. */
import type { Who } from '../accounts/identify';
import { steadyMs } from '../lib/time';
import { QUIET_MS, type Relay } from '../relay/relay';
import { emptyChunk } from './chunks';
import type { OpenaiDeps } from './deps';
import type { Plan } from './plan';

export class Waiting {
  /** When the client was last sent an event only to show that the answer is being made. */
  #aliveAtMs = 0;

  constructor(
    readonly deps: Pick<OpenaiDeps, 'events' | 'runners'>,
    readonly who: Who,
    readonly plan: Plan,
  ) {}

  /** The text of a comment: how far the start of the runner is. */
  progress(): string {
    const { state, progress } = this.deps.runners.status(this.plan.call.agent.id);
    if (state !== 'starting') return 'agent-stack: waiting for the agent';
    const words = progress.place === undefined ? `${progress.message} (${progress.percent}%)` : progress.message;
    return `agent-stack: ${words}`;
  }

  /**
   * Events for clients that count events only: always for those of `responses`, for those of a chat where the key is set
   * so. '' where there is none, or where the last one was sent within `QUIET_MS`: a start may tell its progress many
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

  /** Writes the progress into the relay's stream, and again whenever it changes. @returns how that ends. */
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
