/** The reaper: stops runners that have been idle for their idle time, a few at once. */

import type { UsersStore } from '../accounts/users/store';
import type { IdleService } from '../agents/idle';
import type { Agent } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import { runnersLog } from '../lib/log';
import { inParallel } from '../lib/parallel';
import type { RunnerStatus, RunnersService } from './runners';

const PARALLEL = 8;
/**
 * A stale runner ends with its last lease. An adopted runner may be at work without a lease, so a stale one is given
 * this long.
 */
const STALE_IDLE_SECONDS = 60;

interface ReaperDeps {
  readonly runners: RunnersService;
  readonly idle: IdleService;
  readonly backends: BackendRegistry;
  readonly users: Pick<UsersStore, 'find'>;
  /** Milliseconds without work after which a runner is paused; `Infinity`: never. */
  readonly pauseIdleMs: number;
}

/**
 * One sweep: inspects runners whose driver does not report changes, whose state is unknown or paused, or which have
 * leases (such a runner may be paused without a report); then stops the idle ones, and pauses those that have been idle for
 * a shorter time. A runner that fails to stop does not keep the others from being stopped.
 */
export async function sweep(deps: ReaperDeps): Promise<void> {
  await inParallel(deps.runners.running(), PARALLEL, async ({ agent, runner, status }) => {
    try {
      const isUnsure = status.state === 'unknown' || status.state === 'paused';
      if (!runner.driver.watch || isUnsure || status.leases > 0) await deps.runners.isLost(runner);
      await reapIfIdle(deps, agent);
    } catch (error) {
      runnersLog.warn({ agent: agent.id, err: error }, 'reap.failed');
    }
  });
  await deps.runners.flush();
}

async function reapIfIdle(deps: ReaperDeps, agent: Agent): Promise<void> {
  const { runners, idle, pauseIdleMs } = deps;
  const limitSeconds = (await getsWork(deps, agent)) ? await idle.secondsFor(agent) : 1;
  const limitMs = (limitSeconds === 0 ? Number.POSITIVE_INFINITY : limitSeconds) * 1000;
  const isIdle = ({ idleMs, isStale }: RunnerStatus) =>
    idleMs >= (isStale ? Math.min(limitMs, STALE_IDLE_SECONDS * 1000) : limitMs);
  // Checked before the agent's queue is entered, so that a busy agent's queue is left alone.
  if (isIdle(runners.status(agent.id))) return void (await runners.reap(agent.id, isIdle));
  const isResting = ({ state, idleMs, isStale }: RunnerStatus) =>
    state === 'running' && idleMs >= pauseIdleMs && !isStale;
  if (isResting(runners.status(agent.id))) await runners.pause(agent.id, isResting);
}

/**
 * Whether the runner may be asked again: not that of a backend that is no longer configured, nor that of a disabled user,
 * whose platform was silent when it was to be stopped.
 */
async function getsWork({ backends, users }: ReaperDeps, { backend, userId }: Agent): Promise<boolean> {
  return backends.find(backend) !== undefined && (await users.find(userId))?.disabledAtMs === null;
}
