/** Time limits for a runner's answer: until its first byte, between chunks, and in total. */
import { AppError, type Code } from '../lib/errors';
import { type Beating, startBeat, stopBeat } from '../lib/heartbeat';
import { steadyMs } from '../lib/time';

/** Milliseconds. An exceeded limit is noticed up to a second late. */
export interface SilenceLimits {
  readonly firstByteMs: number;
  readonly betweenChunksMs: number;
  readonly totalMs: number;
}

/**
 * The timers of one answer. They start when the request is sent to the runner: a start has timers of its own (law 3).
 */
export class Silence implements Beating {
  #askedMs: number | undefined;
  #hasBegun = false;
  #hasEnded = false;
  #isAwaited = false;
  /** Start of the wait, in heartbeats. Counting heartbeats avoids reading the clock for every chunk. */
  #awaitedSinceMs: number | undefined;
  place: number | undefined;
  group: Beating['group'];

  /** @param closable Closed once, with the reason, when a limit is exceeded. */
  constructor(
    readonly limits: SilenceLimits,
    readonly closable: { close(why: AppError): void },
  ) {}

  /** The request is sent to the runner, or sent again. */
  asked(): void {
    if (this.#hasEnded) return;
    this.#askedMs = steadyMs();
    startBeat(this);
  }

  /** The client or the recorder waits for more of the answer. */
  awaited(): void {
    this.#isAwaited = true;
    this.#awaitedSinceMs = undefined;
  }

  /** The reader is not ready for more, so the runner's silence does not count. */
  unawaited(): void {
    this.#isAwaited = false;
  }

  /** A chunk arrived, and more is wanted. */
  heard(): void {
    this.#hasBegun = true;
    this.#awaitedSinceMs = undefined;
  }

  /** The answer has ended. Idempotent. */
  end(): void {
    this.#hasEnded = true;
    stopBeat(this);
  }

  beat(nowMs: number): void {
    if (this.#hasEnded || this.#askedMs === undefined) return;
    const { firstByteMs, betweenChunksMs, totalMs } = this.limits;
    if (this.#isAwaited) this.#awaitedSinceMs ??= nowMs;
    const askedForMs = nowMs - this.#askedMs;
    const awaitedForMs = this.#isAwaited ? nowMs - (this.#awaitedSinceMs ?? nowMs) : 0;
    if (askedForMs >= totalMs) this.#tooLong('total_timeout', 'total_seconds', totalMs);
    else if (!this.#hasBegun && askedForMs >= firstByteMs) {
      this.#tooLong('first_byte_timeout', 'first_byte_seconds', firstByteMs);
    } else if (this.#hasBegun && awaitedForMs >= betweenChunksMs) {
      this.#tooLong('chunk_timeout', 'between_chunks_seconds', betweenChunksMs);
    }
  }

  #tooLong(code: Extract<Code, `${string}_timeout`>, setting: string, limitMs: number): void {
    this.end();
    const hint = `The limit is ${limitMs / 1000} s: timeouts.${setting} in backends.json.`;
    this.closable.close(new AppError(code, { hint }));
  }
}
