/** How many answers ended, and how many of them failed, in the last hour and the last day: a fixed number of counters, for a look now. */
const SPAN_MS = 300_000;
const HOUR_SPANS = 12;
const DAY_SPANS = 288;

interface AnswerCount {
  readonly ended: number;
  readonly failed: number;
}

export class RecentAnswers {
  readonly #ended = new Uint32Array(DAY_SPANS);
  readonly #failed = new Uint32Array(DAY_SPANS);
  /** The span that is counted now, since the epoch of the clock. */
  #span: number;

  /** @param now milliseconds of a clock that is never set. */
  constructor(readonly now: () => number) {
    this.#span = Math.floor(now() / SPAN_MS);
  }

  count(isFailed: boolean): void {
    const at = this.#moveOn() % DAY_SPANS;
    this.#ended[at] = (this.#ended[at] ?? 0) + 1;
    if (isFailed) this.#failed[at] = (this.#failed[at] ?? 0) + 1;
  }

  /** The hour and the day that end now, to five minutes. */
  counts(): { readonly hour: AnswerCount; readonly day: AnswerCount } {
    this.#moveOn();
    return { hour: this.#of(HOUR_SPANS), day: this.#of(DAY_SPANS) };
  }

  #of(spans: number): AnswerCount {
    let [ended, failed] = [0, 0];
    for (let back = 0; back < spans; back += 1) {
      const at = (this.#span - back + DAY_SPANS) % DAY_SPANS;
      ended += this.#ended[at] ?? 0;
      failed += this.#failed[at] ?? 0;
    }
    return { ended, failed };
  }

  /** Empties the spans that have begun since the last call. @returns the span of now. */
  #moveOn(): number {
    const span = Math.floor(this.now() / SPAN_MS);
    const begun = Math.min(span - this.#span, DAY_SPANS);
    for (let back = 0; back < begun; back += 1) {
      this.#ended[(span - back) % DAY_SPANS] = 0;
      this.#failed[(span - back) % DAY_SPANS] = 0;
    }
    this.#span = span;
    return span;
  }
}
