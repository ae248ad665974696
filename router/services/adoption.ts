/**
 * After a restart: what the database says and what the platform shows are brought together (law 2). Runners that run are
 * taken back with a grace period, strays are stopped, rows without a runner go.
 */
import type { Driver, Owned } from '../../drivers/driver';
import type { BackendRegistry } from '../backends';
import type { DriverRegistry } from '../drivers';
import { driversLog, runnersLog } from '../log';
import type { AgentsStore } from '../stores/agents';
import type { RunnerRow, RunnersStore } from '../stores/runners';
import type { Vault } from '../vault';
import { notReadyBecause } from './readiness';
import type { RunnersService } from './runners';

const LIST_TIMEOUT_MS = 10_000;
const STRAY_GRACE_MS = 10_000;

export interface AdoptionDeps {
  readonly runners: RunnersService;
  readonly rows: RunnersStore;
  readonly agents: AgentsStore;
  readonly backends: BackendRegistry;
  readonly drivers: DriverRegistry;
  readonly vault: Vault;
}

/**
 * Adopts the runners of every driver that answers. @returns the names of the drivers that did not: what they run is
 * unknown, which is not gone, so their rows stay and the call is to be made again.
 */
export async function adoptRunners(deps: AdoptionDeps, driverNames: Iterable<string>): Promise<readonly string[]> {
  const rows = await deps.rows.list();
  const silent: string[] = [];
  for (const name of driverNames) {
    const driver = deps.drivers.find(name);
    if (!driver) continue;
    try {
      const owned = await driver.list(AbortSignal.timeout(LIST_TIMEOUT_MS));
      await adoptFrom(
        deps,
        driver,
        owned,
        rows.filter((row) => row.driver === name),
      );
    } catch (error) {
      driversLog.warn({ driver: name, err: error }, 'adoption.failed');
      silent.push(name);
    }
  }
  return silent;
}

async function adoptFrom(
  deps: AdoptionDeps,
  driver: Driver,
  owned: readonly Owned[],
  rows: readonly RunnerRow[],
): Promise<void> {
  const rowById = new Map(rows.map((row) => [row.id, row]));
  await Promise.all(
    owned.map(async (found) => {
      const row = rowById.get(found.runnerId);
      rowById.delete(found.runnerId);
      if (row && (await adopt(deps, driver, found, row))) return;
      await driver.stop(found.handle, { graceMs: STRAY_GRACE_MS });
      if (row) await deps.rows.delete(row.id);
      runnersLog.info({ runner: found.runnerId, known: row !== undefined }, 'stray.stopped');
    }),
  );
  // What is left was started once and is not there any more.
  for (const row of rowById.values()) await deps.rows.delete(row.id);
}

/** @returns whether the runner runs, answers with its key, and is ours again. */
async function adopt(deps: AdoptionDeps, driver: Driver, found: Owned, row: RunnerRow): Promise<boolean> {
  const agent = await deps.agents.find(row.agentId);
  const backend = deps.backends.find(row.backend);
  const { url } = found;
  if (!agent || !backend || found.health.state !== 'running' || url === undefined) return false;
  const accessKey = deps.vault.open(row.accessKeySealed, row.id);
  const reason = await notReadyBecause({ url, backend, accessKey, signal: AbortSignal.timeout(LIST_TIMEOUT_MS) });
  if (reason !== undefined) {
    runnersLog.warn({ runner: row.id, reason }, 'adoption.refused');
    return false;
  }
  await deps.rows.update(row.id, { state: 'running', handle: found.handle, url });
  deps.runners.adopt(
    agent,
    { id: row.id, agentId: agent.id, driver, handle: found.handle, url, accessKey, startedAtMs: row.startedAtMs },
    { id: row.id, keyHash: row.runnerKeyHash },
  );
  runnersLog.info({ agent: agent.id, runner: row.id }, 'runner.adopted');
  return true;
}
