/**
 * Values that are shown once, such as a new key: a form makes one, and the page to which the form redirects takes it. No URL
 * contains it.
 */
import { Recent } from './lru';

/** Long enough for a redirect over a slow line. */
const KEPT_MS = 60_000;
const KEPT_MAX = 1_000;

export class Once<Value> {
  readonly #kept = new Recent<string, { readonly value: Value; readonly untilMs: number }>(KEPT_MAX);

  /** @param now milliseconds since the epoch. */
  constructor(readonly now: () => number) {}

  put(holder: string, value: Value): void {
    this.#kept.set(holder, { value, untilMs: this.now() + KEPT_MS });
  }

  /** The value, for the first call. */
  take(holder: string): Value | undefined {
    const kept = this.#kept.get(holder);
    this.#kept.delete(holder);
    return kept && kept.untilMs > this.now() ? kept.value : undefined;
  }
}
