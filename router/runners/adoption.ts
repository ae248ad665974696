/**
 * After a restart, and when a runner was left behind: reconciles the rows of the database with the runners that the
 * platforms list (law 2). Adopts running runners with a grace period, stops strays and what could not be stopped before,
 * deletes rows without a runner. Starts may happen at the same time: adoption skips the runners that this process already
 * holds, and adopts a runner in the queue of its agent.
 */
import type { Driver, Handle, Owned } from '../../drivers/driver';
import type { AgentsStore } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import { ownerOf } from '../database/sealing';
import { driversLog, runnersLog } from '../lib/log';
import type { Vault } from '../lib/vault';
import { isDriverFailure } from '../platforms/driver-error';
import type { DriverRegistry } from '../platforms/drivers';
import { listRunners, type Settled, stopRunner } from './cleanup';
import type { RunnersService } from './runners';
import type { Adopted } from './slots/slot';
import { answersToKey, notReadyBecause } from './start/readiness';
import type { RunnerRow, RunnersStore } from './store';

interface AdoptionDeps {
  readonly runners: RunnersService;
  readonly rows: RunnersStore;
  readonly agents: AgentsStore;
  readonly backends: BackendRegistry;
  readonly drivers: DriverRegistry;
  readonly vault: Vault;
  readonly settled: Settled;
}

export function adoptionService(deps: AdoptionDeps) {
  const { runners, rows, agents, drivers, settled } = deps;

  async function adoptFrom(name: string, driver: Driver): Promise<void> {
    // First: a runner that is left behind meanwhile needs another look.
    settled.add(name);
    let known: readonly RunnerRow[] = [];
    let owned: readonly Owned[];
    try {
      // Read before the platform is asked: a row that is written later belongs to a start that is under way.
      known = (await rows.list()).filter((row) => row.driver === name);
      owned = await listRunners(driver);
    } catch (error) {
      // An unanswered question does not prove that the runners are gone. The platform's health check logs the silence
      // once.
      settled.delete(name);
      const isSilent = isDriverFailure(error) && error.fault === 'unavailable';
      driversLog[isSilent ? 'debug' : 'warn']({ driver: name, err: error }, 'adoption.delayed');
      await Promise.all(known.map((row) => adoptUnseen(driver, row)));
      return;
    }
    const byId = new Map(known.map((row) => [row.id, row]));
    const foundIds = new Set(owned.map(({ runnerId }) => runnerId));
    const done = await Promise.allSettled([
      ...owned.map((found) => settleFound(driver, found, byId.get(found.runnerId))),
      settleMissing(known.filter(({ id }) => !foundIds.has(id))),
    ]);
    const failed = done.find((one) => one.status === 'rejected');
    if (!failed) return;
    settled.delete(name);
    driversLog.warn({ driver: name, err: failed.reason }, 'adoption.delayed');
  }

  /** The platform does not answer, but the router can still reach a runner that had been ready. */
  async function adoptUnseen(driver: Driver, row: RunnerRow): Promise<void> {
    const { handle, url } = row;
    if (row.state !== 'running' || !handle || url === null || runners.stateOf(row.id)) return;
    const agent = await agents.find(row.agentId);
    if (!agent) return;
    await runners.adopt(agent, 'unknown', async () => {
      const adopted = live(driver, row, { handle: handle as Handle, url });
      return adopted && (await isThere(adopted, row)) ? adopted : undefined;
    });
  }

  async function settleFound(driver: Driver, found: Owned, row: RunnerRow | undefined): Promise<void> {
    const state = runners.stateOf(found.runnerId);
    if (state && state !== 'unknown') return;
    if (row && (await takeBack(driver, found, row))) return;
    if (state) return runners.healthChanged(found.runnerId, found.health);
    await stopRunner(driver, found.handle);
    await rows.delete(found.runnerId);
    runnersLog.info({ runner: found.runnerId, known: row !== undefined }, 'stray.stopped');
  }

  /** The runners of these rows were started once, and the platform no longer lists them. */
  async function settleMissing(missing: readonly RunnerRow[]): Promise<void> {
    const ids = missing.map(({ id }) => id);
    // One statement: after a reboot of the machine they are all gone.
    await rows.delete(...ids.filter((id) => runners.stateOf(id) === undefined));
    const unseen = ids.filter((id) => runners.stateOf(id) === 'unknown');
    await Promise.all(unseen.map((id) => runners.healthChanged(id, { state: 'gone' })));
  }

  /** @returns whether the runner runs and was adopted. */
  async function takeBack(driver: Driver, { health, handle, url }: Owned, row: RunnerRow): Promise<boolean> {
    const agent = await agents.find(row.agentId);
    const { state } = health;
    // A backend that moved to another driver gets a new runner there: two runners would share the home.
    const isHostedHere = deps.backends.find(row.backend)?.driver === row.driver;
    if (!agent || !isHostedHere || url === undefined) return false;
    if (state !== 'running' && state !== 'paused') return false;
    return runners.adopt(agent, state, async () => {
      const latest = await rows.findByAgent(agent.id);
      // A start in this process may have deleted the row, or failed to remove the runner.
      if (latest?.id !== row.id || latest.state === 'leaving') return undefined;
      const adopted = live(driver, row, { handle, url });
      if (!adopted || (state === 'running' && !(await isThere(adopted, row)))) return undefined;
      await rows.update(row.id, { state: 'running', handle, url });
      runnersLog.info({ agent: agent.id, runner: row.id }, 'runner.adopted');
      return adopted;
    });
  }

  /**
   * A runner that had been ready may be busy now and only has to accept its key; a runner whose start was interrupted
   * has to be ready.
   */
  async function isThere({ runner }: Adopted, row: RunnerRow): Promise<boolean> {
    const backend = deps.backends.find(row.backend);
    if (!backend) return false;
    const { url, accessKey } = runner;
    if (row.state === 'running') {
      const isItself = await answersToKey({ url, backend, accessKey });
      if (!isItself) runnersLog.warn({ runner: row.id, reason: 'it does not answer' }, 'adoption.refused');
      return isItself;
    }
    const reason = await notReadyBecause({
      url,
      backend,
      accessKey,
      signal: AbortSignal.timeout(2 * backend.timeouts.healthMs),
    });
    if (reason !== undefined) runnersLog.warn({ runner: row.id, reason }, 'adoption.refused');
    return reason === undefined;
  }

  function live(driver: Driver, row: RunnerRow, at: { handle: Handle; url: string }): Adopted | undefined {
    try {
      const accessKey = deps.vault.open(row.accessKeySealed, ownerOf({ kind: 'access_key', runnerId: row.id }));
      const { id, agentId, specHash, startedAtMs } = row;
      return {
        runner: { id, agentId, driver, ...at, accessKey, specHash, startedAtMs },
        keyHash: row.runnerKeyHash,
        callbackHash: row.callbackTokenHash,
      };
    } catch (error) {
      runnersLog.warn({ runner: row.id, err: error }, 'adoption.refused');
      return undefined;
    }
  }

  return {
    /**
     * Adopts from every driver that has not answered yet: all of them at boot, later those that were silent or that a
     * new `backends.json` added, or on which a runner was left behind. Call it repeatedly, but never twice at once; does
     * nothing when all drivers have answered.
     */
    async run(): Promise<void> {
      const open = drivers.names().filter((name) => !settled.has(name));
      await Promise.all(
        open.map(async (name) => {
          const driver = drivers.find(name);
          if (driver) await adoptFrom(name, driver);
        }),
      );
    },
  };
}
