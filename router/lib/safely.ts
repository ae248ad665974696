/**
 * Calls callbacks of timers, events and streams safely. An error that such a callback throws would otherwise reach the
 * process, although it belongs to only one request.
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
    processLog.error({ hook, ...of, err: error }, 'hook.threw');
    return undefined;
  }
}
