/** How long a runner may be silent: before its answer begins, within it, and how long an answer may take in all. */
import { AppError, type Code } from '../lib/errors';
import { type Beating, startBeat, stopBeat } from '../lib/heartbeat';
import { steadyMs } from '../lib/time';

/** Milliseconds; a limit is noticed up to a second late. */
export interface SilenceLimits {
  readonly firstByteMs: number;
  readonly betweenChunksMs: number;
  readonly totalMs: number;
}

/** The clocks of one answer. They run from the moment its runner is asked: a start has clocks of its own (law 3). */
export class Silence implements Beating {
  #askedMs: number | undefined;
  #hasBegun = false;
  #hasEnded = false;
  #isAwaited = false;
  /** Since when, to a beat: the time is not asked for with every chunk. */
  #awaitedSinceMs: number | undefined;
  place: number | undefined;

  /** @param onTooLong told why once, when a limit is passed. */
  constructor(
    readonly limits: SilenceLimits,
    readonly onTooLong: (error: AppError) => void,
  ) {}

  /** The runner is asked, or asked again. */
  asked(): void {
    if (this.#hasEnded) return;
    this.#askedMs = steadyMs();
    startBeat(this);
  }

  /** Somebody wants the answer, or more of it. */
  awaited(): void {
    this.#isAwaited = true;
    this.#awaitedSinceMs = undefined;
  }

  /** Whoever reads takes nothing for now: that is no silence of the runner's. */
  unawaited(): void {
    this.#isAwaited = false;
  }

  /** Something came, and more is wanted. */
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
    this.onTooLong(new AppError(code, { hint }));
  }
}
