/**
 * Keeps errors of callbacks of timers, events and streams from reaching the process: such an error belongs to one request
 * only.
 */
import { processLog } from './log';

/**
 * Calls `work`. If it throws, logs the error with `of` (the request or object that it belongs to) and returns
 * `undefined`.
 */
export function safely<T>(hook: string, of: object, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    return threw(hook, of, error);
  }
}

/** Logs a caught error as `safely` does, for code that every request runs: the closure for `safely` would cost two objects. */
export function threw(hook: string, of: object, error: unknown): undefined {
  processLog.error({ hook, ...of, err: error }, 'hook.threw');
}
