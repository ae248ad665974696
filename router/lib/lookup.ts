/**
 * Values that are looked up once and read often. Most are known already when they are needed, and are then returned without a
 * promise: each `await` costs a promise and a turn of the microtask queue (docs/performance-notes.md).
 */

/** A value that is known, or the promise of one. */
export type Soon<T> = T | Promise<T>;

/** One look-up. A cache drops it as a whole, so that one which began before a change cannot put an old value back. */
export class Lookup<T> {
  #value: { readonly value: T } | undefined;

  constructor(readonly promise: Promise<T>) {
    promise.then(
      (value) => {
        this.#value = { value };
      },
      // Those that wait for `promise` get the error.
      () => undefined,
    );
  }

  get result(): Soon<T> {
    return this.#value ? this.#value.value : this.promise;
  }
}

/** Applies `next` to the value: at once where the value is known. */
export function whenThere<T, Result>(value: Soon<T>, next: (value: T) => Soon<Result>): Soon<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
