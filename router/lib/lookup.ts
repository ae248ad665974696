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

/**
 * Calls `next` with the value: at once if it is known, and otherwise when its promise resolves.
 * @param of a second argument for `next`. A closure over it would cost a scope in each call, even if the value is known.
 */
export function whenThere<T, Result>(value: Soon<T>, next: (value: T) => Soon<Result>): Soon<Result>;
export function whenThere<T, Of, Result>(
  value: Soon<T>,
  next: (value: T, of: Of) => Soon<Result>,
  of: Of,
): Soon<Result>;
export function whenThere<T, Of, Result>(
  value: Soon<T>,
  next: (value: T, of: Of | undefined) => Soon<Result>,
  of?: Of,
): Soon<Result> {
  return value instanceof Promise ? whenItComes(value, next, of) : next(value, of);
}

/** A function of its own, because a closure in `whenThere` would cost a scope in each call. */
function whenItComes<T, Of, Result>(
  value: Promise<T>,
  next: (value: T, of: Of) => Soon<Result>,
  of: Of,
): Promise<Result> {
  return value.then((there) => next(there, of));
}
