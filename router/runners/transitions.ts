/**
 * The transitions of one agent's runner: start, end, exit. Each runs in the slot's queue, so never two at once (law 5).
 */
import type { Health } from '../../drivers/driver';
import { AppError, toAppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { runnersLog } from '../lib/log';
import type { MetricsService } from '../metrics/metrics';
import type { CapacityService } from './capacity';
import { clearEarlier, runnerLeft, stopRunner } from './cleanup';
import { exitError, isRunnersOwn, startFailure, stoppedError, unreachableError } from './health/failure';
import { runnerReach } from './health/reach';
import { logTail } from './output';
import { runnerPausing } from './pausing';
import { type LiveRunner, type Progress, type RunnerSlot, type RunnerState, STOPPED } from './slots/slot';
import { CREATING, fetchImage, requireStartable, type StartDeps, startRunner } from './start/start';

export interface TransitionDeps extends StartDeps {
  readonly events: Events;
  readonly capacity: CapacityService;
  readonly metrics: MetricsService;
  /** Milliseconds of a clock that is never set back, for durations. */
  readonly steady: () => number;
}

const READY: Progress = { stage: 'ready', percent: 100, message: 'Ready' };
const SILENT: Progress = { stage: 'ready', percent: 100, message: 'The platform does not answer' };
const STOPPING: Progress = { stage: 'stopped', percent: 0, message: 'Stopping' };

/** Rises as the place nears 1; stays below CREATING. */
function queued(place: number): Progress {
  const message = `Waiting for its turn, number ${place} in the queue`;
  return { stage: 'queued', percent: Math.max(0, CREATING.percent - place), message, place };
}

export type RunnerTransitions = ReturnType<typeof runnerTransitions>;

export function runnerTransitions(deps: TransitionDeps) {
  const { events, capacity, metrics, steady } = deps;

  function change(slot: RunnerSlot, state: RunnerState, progress: Progress): void {
    slot.state = state;
    slot.progress = progress;
    events.publish(slot.agent.userId, { kind: 'runner', agentId: slot.agent.id });
    // Any change may free room for a waiting start; a step of a start never does.
    if (state !== 'starting') capacity.wake();
  }

  function running(slot: RunnerSlot): void {
    change(slot, 'running', READY);
  }

  /** The platform does not answer. The runner may still exist, so everything is kept. */
  function unknown(slot: RunnerSlot): void {
    change(slot, 'unknown', SILENT);
  }

  const { paused, pause, resume } = runnerPausing({ change, running, unknown });
  const { moved, requireReachable } = runnerReach({ ...deps, end });

  async function start(slot: RunnerSlot, signal: AbortSignal): Promise<LiveRunner> {
    // An earlier end in the queue may have failed, or the runner was adopted meanwhile.
    if (slot.runner) return slot.state === 'paused' ? resume(slot, slot.runner) : slot.runner;
    signal.throwIfAborted();
    const watch = metrics.startBegun(slot.agent.backend);
    let open = true;
    const report = (progress: Progress) => {
      // Ignores reports of a driver after the start has ended.
      if (!open) return;
      watch.enter(progress.stage);
      // The percent that is shown never falls within one start.
      const percent = Math.max(progress.percent, slot.state === 'starting' ? slot.progress.percent : 0);
      change(slot, 'starting', { ...progress, percent });
    };
    let release: (() => void) | undefined;
    try {
      // Checked before the queue, so that a start that cannot succeed takes no turn and makes no room.
      const { backend, driver } = await requireStartable(deps, slot, signal);
      capacity.requireRoom(slot.agent.userId);
      await fetchImage(deps, { backend, driver, signal, report });
      release = await capacity.admit({
        agentId: slot.agent.id,
        userId: slot.agent.userId,
        signal,
        isWanted: () => slot.leases > 0,
        abandon: () =>
          void slot.abortStart(new AppError('conflict', { message: 'No request waited for the start any more.' })),
        onPlace: (place) => report(queued(place)),
      });
      // A start that comes from the image stage has already passed CREATING's percent.
      if (slot.progress.stage !== 'image_pull') report(CREATING);
      const begunMs = steady();
      const runner = await startRunner(deps, slot, signal, report);
      slot.runner = runner;
      slot.failure = undefined;
      slot.lastActiveMs = steady();
      running(slot);
      watch.ready();
      runnersLog.info({ agent: slot.agent.id, runner: runner.id, ms: steady() - begunMs }, 'runner.started');
      return runner;
    } catch (thrown) {
      slot.identity = undefined;
      const error = toAppError(signal.aborted ? signal.reason : thrown);
      watch.failed(error.code, signal.aborted);
      throw startFailed(slot, error, signal.aborted);
    } finally {
      open = false;
      slot.onExit = undefined;
      release?.();
    }
  }

  /** Shows and remembers why the start failed. A missing setting or a stop on request does not count as a failure. */
  function startFailed(slot: RunnerSlot, error: AppError, isStopped: boolean): AppError {
    const progress: Progress = { stage: 'error', percent: 100, message: error.message };
    if (isStopped || !isRunnersOwn(error)) {
      change(slot, 'stopped', progress);
      return error;
    }
    slot.failure = startFailure(error, slot.failure, steady());
    const { count, error: failed } = slot.failure;
    runnersLog.warn({ agent: slot.agent.id, code: error.code, err: error.cause, count }, 'runner.start_failed');
    change(slot, 'failed', progress);
    return failed;
  }

  /** Ends the slot's runner on the platform and in the database. @returns whether there was one. */
  async function end(slot: RunnerSlot, why: string): Promise<boolean> {
    const { runner } = slot;
    if (!runner) return false;
    const isAsked = why !== 'unreachable';
    const error = isAsked ? stoppedError() : unreachableError();
    slot.end = { runnerId: runner.id, isAsked, error: Promise.resolve(error) };
    change(slot, 'stopping', STOPPING);
    try {
      await stopRunner(runner.driver, runner.handle, deps.backends.find(slot.agent.backend)?.timeouts.stopGraceMs);
    } catch (cause) {
      slot.end = undefined;
      unknown(slot);
      throw new AppError('driver_unavailable', { cause });
    }
    runnersLog.info({ agent: slot.agent.id, runner: runner.id, why }, 'runner.stopped');
    metrics.runnerEnded(slot.agent.backend, why);
    await forget(slot, runner, () => change(slot, 'stopped', STOPPED));
    return true;
  }

  /**
   * The platform reports that a runner no longer exists (`health/` asks it and is told). A runner that was removed, as by
   * `docker rm -f`, becomes `stopped`, one that ended by itself `failed`; in both cases the next message starts a new one.
   */
  async function exited(slot: RunnerSlot, runnerId: string, health: Health): Promise<void> {
    const { runner } = slot;
    if (!runner || runner.id !== runnerId) return;
    runnersLog.warn({ agent: slot.agent.id, runner: runnerId, health }, 'runner.exited');
    metrics.runnerEnded(slot.agent.backend, causeOf(health));
    const told = health.state === 'gone' ? Promise.resolve('') : logTail(runner.driver, runner.handle);
    slot.end = { runnerId, isAsked: false, error: told.then((tail) => exitError(health, tail)) };
    if (health.state === 'gone') return forget(slot, runner, () => change(slot, 'stopped', STOPPED));
    const error = await slot.end.error;
    const isCleanedUp = await stopRunner(runner.driver, runner.handle, 0).then(
      () => true,
      async (cause: unknown) => {
        await runnerLeft(deps, runner.driver, runnerId, cause);
        return false;
      },
    );
    // The runner had been ready, so the next message may start it without a back-off.
    slot.failure = { error, count: 0, retryAtMs: steady() };
    const progress: Progress = { stage: 'error', percent: 100, message: error.message };
    await forget(slot, runner, () => change(slot, 'failed', progress), isCleanedUp);
  }

  /**
   * Clears the slot first: the next start deletes a row that cannot be deleted now.
   * @param isGone otherwise the row stays, and adoption or the next start stops the runner.
   */
  async function forget(slot: RunnerSlot, runner: LiveRunner, show: () => void, isGone = true): Promise<void> {
    slot.runner = undefined;
    slot.identity = undefined;
    show();
    if (isGone) await deps.runners.delete(runner.id);
  }

  /** Stops a runner that could not be stopped before. Throws `driver_unavailable` when it still cannot. */
  async function requireNoneLeft(agentId: string): Promise<void> {
    const left = await deps.runners.findByAgent(agentId);
    if (!left) return;
    await clearEarlier(deps, left).catch((cause: unknown) => {
      throw new AppError('driver_unavailable', { cause });
    });
  }

  /** The cause of the last failure is mended: the next start does not wait. */
  function forgetFailure(slot: RunnerSlot): void {
    slot.failure = undefined;
    if (slot.state === 'failed') change(slot, 'stopped', STOPPED);
  }

  return {
    running,
    unknown,
    paused,
    pause,
    moved,
    requireReachable,
    start,
    end,
    exited,
    requireNoneLeft,
    forgetFailure,
  };
}

/** The cause of an end, as a label of the metrics. */
function causeOf(health: Health): 'vanished' | 'out_of_memory' | 'exited' {
  if (health.state !== 'exited') return 'vanished';
  return health.outOfMemory ? 'out_of_memory' : 'exited';
}
