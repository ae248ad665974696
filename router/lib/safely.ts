/**
 * Callbacks that others make: of a timer, an event, a stream that ends. What one of them throws has nobody to catch it
 * but the process, and belongs to one request only.
 */
import { processLog } from './log';

/** Calls `work`. What it throws is logged with `of`, what it belonged to, and the result is `undefined` then. */
export function safely<T>(hook: string, of: object, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    processLog.error({ hook, ...of, err: error }, 'hook.threw');
    return undefined;
  }
}
