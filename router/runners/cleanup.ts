/** Stops runners that are left behind: by a failed start, or by the router before its restart. */
import type { Driver, Handle, Owned } from '../../drivers/driver';
import type { Backend } from '../backends/backends';
import { runnersLog } from '../lib/log';
import { onClock } from '../lib/time';
import type { DriverRegistry } from '../platforms/drivers';
import { RunnerExited } from './health/failure';
import { logTail } from './output';
import type { RunnerRow, RunnersStore } from './store';

const LIST_MS = 10_000;
/** Milliseconds that a stop may take in addition to the runner's grace period. */
const STOP_MS = 20_000;
const STRAY_GRACE_MS = 10_000;

interface CleanupDeps {
  readonly runners: RunnersStore;
  readonly drivers: DriverRegistry;
  readonly settled: Settled;
}

/** Names of the drivers that host no runner beside those that this process holds. Adoption asks the others. */
export type Settled = Set<string>;

/** A runner of this driver may be left behind: adoption looks for it when the platform answers. */
export function lookAgain({ drivers, settled }: Pick<CleanupDeps, 'drivers' | 'settled'>, driver: Driver): void {
  for (const name of drivers.names()) if (drivers.find(name) === driver) settled.delete(name);
}

/**
 * A runner that is to go could not be stopped. Its row says so, also after a restart: adoption stops it when the platform
 * answers, and never takes it back. Never throws.
 */
export async function runnerLeft(deps: CleanupDeps, driver: Driver, runnerId: string, cause: unknown): Promise<void> {
  lookAgain(deps, driver);
  runnersLog.warn({ runner: runnerId, err: cause }, 'runner.cleanup_failed');
  await deps.runners.update(runnerId, { state: 'leaving' }).catch((error: unknown) => {
    runnersLog.error({ runner: runnerId, err: error }, 'runner.not_marked');
  });
}

/**
 * Lists every runner of the driver that carries the label of this installation. Throws when the platform does not
 * answer.
 */
export function listRunners(driver: Driver): Promise<readonly Owned[]> {
  return onClock(LIST_MS, undefined, (signal) => driver.list(signal));
}

/** Throws when the platform does not answer. */
export function stopRunner(driver: Driver, handle: Handle, graceMs = STRAY_GRACE_MS): Promise<void> {
  return onClock(graceMs + STOP_MS, undefined, () => driver.stop(handle, { graceMs }));
}

/**
 * Reads the last lines of a failed start, then removes its runner and row. Never throws: when the platform does not
 * answer, the row stays, and the next start or adoption finds the runner by its label (law 2).
 * @returns the runner's last output.
 */
export async function cleanUp(
  deps: CleanupDeps,
  failed: { driver: Driver; backend: Backend; runnerId: string; error: unknown },
): Promise<string> {
  const { driver, backend, runnerId, error } = failed;
  let tail = '';
  try {
    const owned = (await listRunners(driver)).find((one) => one.runnerId === runnerId);
    if (owned) {
      tail = await logTail(driver, owned.handle);
      // A runner that has ended by itself needs no grace period.
      await stopRunner(driver, owned.handle, error instanceof RunnerExited ? 0 : backend.timeouts.stopGraceMs);
    }
    await deps.runners.delete(runnerId);
  } catch (cause) {
    await runnerLeft(deps, driver, runnerId, cause);
  }
  return tail;
}

/**
 * Stops the runner of an earlier start of the agent, if it still exists, and deletes its row: two runners never share a
 * home. Throws the driver's error when the platform does not answer.
 */
export async function clearEarlier(deps: CleanupDeps, row: RunnerRow): Promise<void> {
  const driver = deps.drivers.find(row.driver);
  if (driver) {
    const owned = (await listRunners(driver)).find((one) => one.runnerId === row.id);
    if (owned) await stopRunner(driver, owned.handle);
  } else {
    // No backend uses that driver any more. If a backend uses it again, adoption stops the runner as a stray.
    runnersLog.warn({ runner: row.id, driver: row.driver }, 'runner.abandoned');
  }
  await deps.runners.delete(row.id);
}
