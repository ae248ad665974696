/** Follows what drivers report by themselves, one loop for each: so a crash is known at once and nobody polls. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Driver } from '../../drivers/driver';
import { driversLog, runnersLog } from '../lib/log';
import type { DriverRegistry } from '../platforms/drivers';
import type { RunnersService } from './runners';

/** A watch reconnects by itself. One that ends all the same is begun again after this. */
const RETRY_MS = 5_000;

export interface Watches extends AsyncDisposable {
  /** Begins with the drivers that are not followed yet. */
  follow(): void;
}

/** Follows until `signal` aborts. */
export function createWatches(deps: {
  drivers: DriverRegistry;
  runners: RunnersService;
  signal: AbortSignal;
  retryMs?: number;
}): Watches {
  const { drivers, runners, signal, retryMs = RETRY_MS } = deps;
  const loops = new Map<string, Promise<void>>();

  async function follow(name: string, driver: Driver): Promise<void> {
    while (!signal.aborted) {
      try {
        const changes = driver.watch?.(signal);
        if (!changes) return;
        // What happened while nobody watched.
        void recheck(driver);
        for await (const { runnerId, health } of changes) {
          // Not awaited: a slow end of one runner does not hide the next one's.
          runners.healthChanged(runnerId, health).catch(failed(runnerId));
        }
        if (!signal.aborted) driversLog.error({ driver: name }, 'watch.ended');
      } catch (error) {
        driversLog.error({ driver: name, err: error }, 'watch.ended');
      }
      await delay(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async function recheck(driver: Driver): Promise<void> {
    const followed = runners.running().filter(({ runner }) => runner.driver === driver);
    await Promise.all(followed.map(({ runner }) => runners.isLost(runner).catch(failed(runner.id))));
  }

  const failed = (runner: string) => (error: unknown) => void runnersLog.warn({ runner, err: error }, 'watch.failed');

  return {
    follow() {
      for (const name of drivers.names()) {
        const driver = drivers.find(name);
        if (driver && !loops.has(name)) loops.set(name, follow(name, driver));
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(loops.values());
    },
  };
}
