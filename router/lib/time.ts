/** The clock for durations, and functions that repeat work, give it a deadline, or end it by a signal. */
import type { Abortable } from './abort';
import { processLog } from './log';

/**
 * How long aborted work may take to clean up. A driver must honour an abort within one second (driver law 12); this is
 * twice that.
 */
const ABORT_GRACE_MS = 2_000;

/**
 * Returns whole milliseconds of a monotonic clock. Measure durations with it: the wall clock may be set by a person or by
 * the network, and a duration measured with it would be wrong. The value is close to milliseconds since the epoch, but do
 * not use it as a date.
 */
export function steadyMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}

export const DAY_MS = 86_400_000;

/** Unix time, as the predecessor's API has it, of milliseconds since the epoch. */
export function unixSeconds(ms: number): number;
export function unixSeconds(ms: number | null): number | null;
export function unixSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

/** Runs `work` at this interval until disposed. Never runs it twice at the same time. */
export function every(intervalMs: number, work: () => Promise<unknown>): AsyncDisposable {
  let running: Promise<unknown> = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = Promise.try(work)
      .catch((error: unknown) => processLog.error({ err: error }, 'clock.failed'))
      .finally(() => {
        busy = false;
      });
  }, intervalMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}

/** Thrown when work exceeds its time limit. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
  constructor(readonly timeoutMs: number) {
    super(`There was no end after ${timeoutMs / 1000} s`);
  }
}

/**
 * Runs `work` and returns its result. After `timeoutMs`, or when `outer` aborts, aborts the signal of the work and gives it
 * `ABORT_GRACE_MS` to clean up; a result that arrives in that time is returned. Otherwise throws `TimedOut`, or the reason
 * of `outer`.
 */
export async function onClock<T>(
  timeoutMs: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted();
  const clock = new AbortController();
  const signal = outer ? AbortSignal.any([outer, clock.signal]) : clock.signal;
  const given = Promise.withResolvers<never>();
  let patience: Timer | undefined;
  const onAbort = () => {
    patience = setTimeout(() => given.reject(signal.reason), ABORT_GRACE_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => clock.abort(new TimedOut(timeoutMs)), timeoutMs);
  try {
    return await Promise.race([work(signal), given.promise]);
  } catch (error) {
    // After an abort, the reason of the abort replaces the error that the driver throws for it.
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
    clearTimeout(patience);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Returns the result of the promise, or rejects with the signal's reason if the signal aborts first. Does not stop the
 * work behind the promise.
 */
export function orAbort<T>(promise: Promise<T>, signal: Abortable): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort));
}

/** Returns the result of the promise, or `undefined` after `ms` milliseconds; from then on it may reject unnoticed. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const { promise: first, resolve, reject } = Promise.withResolvers<T | undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  promise.then(
    (value) => {
      clearTimeout(timer);
      resolve(value);
    },
    (error: unknown) => {
      clearTimeout(timer);
      reject(error);
    },
  );
  return first;
}
