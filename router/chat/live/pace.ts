/**
 * Decides when a page is sent the growth of an answer. Each update costs some 50 bytes beside its text, the rendering of the last
 * block, and a write to each page: many small updates would cost several times as much as their text.
 */

/** Milliseconds between two updates, at least: 20 a second look like one movement. */
export const EVERY_MS = 50;
/** At most, unless an update takes long. */
const LATEST_MS = 200;
/** Few characters wait longer for more: 160 for 50 ms, 80 for 100, which is what a fast model says meanwhile, 40 for 200. */
const WORTH = 8_000;
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
    const worthMs = Math.min(WORTH / length, LATEST_MS);
    const everyMs = Math.max(EVERY_MS, worthMs, this.#tookMs * WORK_TIME_FACTOR);
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
