/** The end of the router in order: nothing new is begun, and what is under way gets some time to end by itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../lib/errors';

/** How often the router looks whether everything has ended. */
const LOOK_MS = 50;
/** A service manager has started the next router by then. */
const RETRY_AFTER_SECONDS = 5;

export type Draining = ReturnType<typeof createDraining>;

export function createDraining() {
  let isDraining = false;
  return {
    get isDraining(): boolean {
      return isDraining;
    },
    /** Throws `shutting_down` for a request that may begin or change something, once the router drains. */
    check({ method }: Pick<Request, 'method'>): void {
      if (!isDraining || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
      throw new AppError('shutting_down', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    },
    /**
     * From now on refuses new work. Resolves when nothing is under way, after `limitMs`, or when `hurry` aborts.
     * @param underWay how much has not ended.
     */
    async drain(underWay: () => number, limitMs: number, hurry: AbortSignal): Promise<void> {
      isDraining = true;
      const endsMs = performance.now() + limitMs;
      while (underWay() > 0 && performance.now() < endsMs && !hurry.aborted) await delay(LOOK_MS);
    },
  };
}
