/** Follows the reports of drivers, with one loop per driver, so that a crash is known at once without polling. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Driver } from '../../../drivers/driver';
import { driversLog, runnersLog } from '../../lib/log';
import { orAbort } from '../../lib/time';
import type { DriverRegistry } from '../../platforms/drivers';
import type { RunnersService } from '../runners';

/** A driver's watch reconnects by itself. If it ends anyway, it is restarted after this many milliseconds. */
const RETRY_MS = 5_000;

interface Watches extends AsyncDisposable {
  /** Follows the drivers that are not followed yet. */
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
        // Checks for changes that happened before the watch was connected.
        void recheck(driver);
        for await (const { runnerId, health } of untilAborted(changes, signal)) {
          // Not awaited, so that a slow end of one runner does not delay the reports about the next one.
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

/** Ends with the signal even if the driver does not: the router waits for it when it stops. */
async function* untilAborted<T>(changes: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = changes[Symbol.asyncIterator]();
  try {
    while (!signal.aborted) {
      const next = await orAbort(iterator.next(), signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited, because it waits for the driver as well.
    Promise.try(() => iterator.return?.()).catch(() => undefined);
  }
}
