/** Aborting a request without the platform's `AbortController`. */
import { safely } from './safely';

/** A function, or an object as for the platform's `addEventListener`, which saves a closure. */
type AbortListener = (() => void) | { handleEvent(): void };

/** Something that is aborted at most once. The subset of `AbortSignal` that the router uses; an `AbortSignal` is one. */
export interface Abortable {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(event: 'abort', listener: AbortListener, options?: { readonly once: true }): void;
  removeEventListener(event: 'abort', listener: AbortListener): void;
}

/**
 * An `AbortController` and its signal in one object, for requests that are relayed. The platform's are native objects,
 * and so is a listener; they cost a request 2 of 60 µs (docs/performance-notes.md).
 */
export class Abort implements Abortable {
  aborted = false;
  reason: unknown;
  #listeners: AbortListener[] = [];
  /** Made when it is needed. */
  #platform: AbortController | undefined;

  /** Only the first call has an effect. The default reason is an `AbortError`. */
  abort(reason: unknown = new DOMException('The operation was aborted.', 'AbortError')): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) {
      safely('abort', {}, () => (typeof listener === 'function' ? listener() : listener.handleEvent()));
    }
    this.#platform?.abort(reason);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Like a signal, calls no listener that is added after the abort. */
  addEventListener(_: 'abort', listener: AbortListener): void {
    if (!this.aborted) this.#listeners.push(listener);
  }

  removeEventListener(_: 'abort', listener: AbortListener): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener);
  }

  /** A signal of the platform that aborts with this. */
  get signal(): AbortSignal {
    if (!this.#platform) {
      this.#platform = new AbortController();
      if (this.aborted) this.#platform.abort(this.reason);
    }
    return this.#platform.signal;
  }
}

/** The signal for an API of the platform, such as `fetch`. */
export function signalOf(abortable: Abortable): AbortSignal {
  return abortable instanceof Abort ? abortable.signal : (abortable as AbortSignal);
}
