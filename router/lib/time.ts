/** What is done again and again while the router runs. */
import { processLog } from './log';

/** Does `work` again and again, never two at once, until disposed. */
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
