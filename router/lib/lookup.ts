/**
 * Values that are looked up once and read often. Most are there already when they are asked for, and then nobody waits:
 * each wait costs a promise, and its rest of the work a turn in the queue (docs/performance-notes.md).
 */

/** A value that is there, or the promise of one. */
export type Soon<T> = T | Promise<T>;

/** One look-up. A cache drops it as a whole, so that one which began before a change cannot put an old value back. */
export class Lookup<T> {
  #value: { readonly value: T } | undefined;

  constructor(readonly promise: Promise<T>) {
    promise.then(
      (value) => {
        this.#value = { value };
      },
      // Those who wait for it get the error.
      () => undefined,
    );
  }

  get result(): Soon<T> {
    return this.#value ? this.#value.value : this.promise;
  }
}

/** What `next` makes of the value, at once where it is there. */
export function whenThere<T, Result>(value: Soon<T>, next: (value: T) => Soon<Result>): Soon<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
