/** The clock for durations, and work on a clock: repeated, with a deadline, or until a signal. */
import { processLog } from './log';

/** A driver has to honour an abort within a second; twice that is waited for. */
const ABORT_GRACE_MS = 2_000;

/**
 * Whole milliseconds that only ever grow, by the pace of the system's monotonic clock: what durations are measured with. The
 * clock that tells the date may be set, by a person or by the network, and then a minute lasts a day or no time at all. Near
 * milliseconds since the epoch, but no date.
 */
export function steadyMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}

/** Does `work` again and again, never two at once, until disposed. */
export function every(intervalMs: number, work: () => Promise<unknown>): AsyncDisposable {
  let running: Promise<unknown> = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = work()
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

/** The time allowed is over. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
  constructor(readonly timeoutMs: number) {
    super(`There was no end after ${timeoutMs / 1000} s`);
  }
}

/**
 * Does `work` until it ends, until `timeoutMs` have passed (throws `TimedOut`) or until `outer` aborts (throws its
 * reason). Then the work is told by its signal and gets a moment to clear up, so that what it leaves can be found; a
 * result that still arrives counts.
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
    // Whatever the driver calls it: it was told to end.
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
    clearTimeout(patience);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The promise's result, or the signal's reason when that comes first. The promise goes on either way, and may fail. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort));
}

/** The promise's result, or `undefined` after `ms`. The promise must not reject. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, undefined);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
