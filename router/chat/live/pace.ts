/**
 * When a page is sent what an answer has grown by. Each update costs some 50 bytes beside its text and the rendering of
 * the last block: updates that are too small or too many would cost several times what they bring.
 */

/** Milliseconds between two updates: 20 a second look like one movement. */
export const EVERY_MS = 50;
/** Characters that are worth an update. Fewer wait for more, up to `SMALL_EVERY_MS`. */
const WORTH_LENGTH = 32;
const SMALL_EVERY_MS = 200;
/** After a slow update, the wait is this many times its duration. */
const WORK_TIME_FACTOR = 4;

export class Pace implements Disposable {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #tookMs = 0;

  /** @param update called when an update is due. */
  constructor(readonly update: () => void) {}

  /** @param length how many characters the page does not have. */
  grew(length: number): void {
    clearTimeout(this.#timer);
    const everyMs = Math.max(length < WORTH_LENGTH ? SMALL_EVERY_MS : EVERY_MS, this.#tookMs * WORK_TIME_FACTOR);
    const waitMs = this.#endedMs + everyMs - performance.now();
    if (waitMs <= 0) this.update();
    else this.#timer = setTimeout(this.update, waitMs);
  }

  /** @param beganMs time of `performance.now()` when the update began that has ended now. */
  updated(beganMs: number): void {
    clearTimeout(this.#timer);
    this.#endedMs = performance.now();
    this.#tookMs = this.#endedMs - beganMs;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
