/** What a runner leaves: its last output, and itself where a start failed or the router was not there. */
import type { Driver, Handle, Owned } from '../../drivers/driver';
import type { Backend } from '../backends/backends';
import { runnersLog } from '../lib/log';
import { onClock } from '../lib/time';
import type { DriverRegistry } from '../platforms/drivers';
import { RunnerExited } from './failure';
import { withoutKeys } from './redact';
import type { RunnerRow, RunnersStore } from './store';

const LIST_MS = 10_000;
const LOGS_MS = 5_000;
/** On top of the grace a runner is given. */
const STOP_MS = 20_000;
const STRAY_GRACE_MS = 10_000;
const TAIL_LINES = 20;
/** An error carries no more: a line may be as long as the whole output. */
const TAIL_CHARS_MAX = 4_000;

interface RemainsDeps {
  readonly runners: RunnersStore;
  readonly drivers: DriverRegistry;
}

/** Every runner of the driver that carries our label. Throws when the platform does not answer. */
export function listRunners(driver: Driver): Promise<readonly Owned[]> {
  return onClock(LIST_MS, undefined, (signal) => driver.list(signal));
}

/** Throws when the platform does not answer. */
export function stopRunner(driver: Driver, handle: Handle, graceMs = STRAY_GRACE_MS): Promise<void> {
  return onClock(graceMs + STOP_MS, undefined, () => driver.stop(handle, { graceMs }));
}

/** The end of a runner's output, without keys: at most 20 lines and 4,000 characters. Empty when there is none to be had. */
export async function logTail(driver: Driver, handle: Handle): Promise<string> {
  const lines = await onClock(
    LOGS_MS,
    undefined,
    async (signal) => driver.logs?.(handle, { tailLines: TAIL_LINES, signal }) ?? [],
  ).catch(() => []);
  // Cut when no key is left in it, so that no half of one is.
  const tail = withoutKeys(lines.join('\n')).trim();
  return tail.length <= TAIL_CHARS_MAX ? tail : `…${tail.slice(-TAIL_CHARS_MAX).toWellFormed()}`;
}

/**
 * Takes away what a failed start has left, after reading its last lines. Never throws: when the platform does not answer
 * the row stays, and the next start or boot finds the runner by its label (law 2).
 * @returns the runner's last output.
 */
export async function cleanUp(
  deps: RemainsDeps,
  remains: { driver: Driver; backend: Backend; runnerId: string; error: unknown },
): Promise<string> {
  const { driver, backend, runnerId, error } = remains;
  let tail = '';
  try {
    const owned = (await listRunners(driver)).find((one) => one.runnerId === runnerId);
    if (owned) {
      tail = await logTail(driver, owned.handle);
      // What has ended by itself is not waited for.
      await stopRunner(driver, owned.handle, error instanceof RunnerExited ? 0 : backend.timeouts.stopGraceMs);
    }
    await deps.runners.delete(runnerId);
  } catch (cause) {
    runnersLog.warn({ runner: runnerId, err: cause }, 'runner.cleanup_failed');
  }
  return tail;
}

/**
 * Stops what an earlier start of an agent may have left, and drops its row: two runners never share a home. Throws what
 * the driver does when it does not answer.
 */
export async function clearEarlier(deps: RemainsDeps, row: RunnerRow): Promise<void> {
  const driver = deps.drivers.find(row.driver);
  if (driver) {
    const owned = (await listRunners(driver)).find((one) => one.runnerId === row.id);
    if (owned) await stopRunner(driver, owned.handle);
  } else {
    // No backend uses that driver any more. When one does again, the runner is a stray.
    runnersLog.warn({ runner: row.id, driver: row.driver }, 'runner.abandoned');
  }
  await deps.runners.delete(row.id);
}
