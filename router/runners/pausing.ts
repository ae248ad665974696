/** Pauses an idle runner, and resumes it, and one that was paused on its platform, when it is needed (decision 41). */
import { AppError } from '../lib/errors';
import { runnersLog } from '../lib/log';
import { onClock } from '../lib/time';
import type { LiveRunner, Progress, RunnerSlot, RunnerState } from './slots/slot';

const PAUSED: Progress = { stage: 'ready', percent: 100, message: 'Paused' };
/** Time limit of the platform to pause or resume a runner. */
const PAUSE_MS = 10_000;

/** How a slot's state changes. */
interface States {
  change(slot: RunnerSlot, state: RunnerState, progress: Progress): void;
  running(slot: RunnerSlot): void;
  unknown(slot: RunnerSlot): void;
}

export function runnerPausing({ change, running, unknown }: States) {
  /** The runner was paused on its platform. Resumes it at once if it has leases, otherwise when it is next needed. */
  async function paused(slot: RunnerSlot, runnerId: string): Promise<void> {
    if (slot.runner?.id !== runnerId) return;
    if (slot.state !== 'paused') change(slot, 'paused', PAUSED);
    if (slot.leases === 0) return;
    await resume(slot, slot.runner).catch((error: unknown) => {
      runnersLog.warn({ agent: slot.agent.id, runner: runnerId, err: error }, 'runner.paused');
    });
  }

  /** Freezes an idle runner until it is needed (decision 41). @returns whether it is paused now. */
  async function pause(slot: RunnerSlot): Promise<boolean> {
    const { runner } = slot;
    if (slot.state !== 'running' || !runner?.driver.pause || !runner.driver.resume) return false;
    // First, so that a request that comes meanwhile waits in the queue for the resume.
    change(slot, 'paused', PAUSED);
    try {
      await onClock(PAUSE_MS, undefined, async (clock) => runner.driver.pause?.(runner.handle, clock));
    } catch (cause) {
      // The runner may be paused or not: the next inspection says it.
      unknown(slot);
      throw new AppError('driver_unavailable', { cause });
    }
    runnersLog.info({ agent: slot.agent.id, runner: runner.id }, 'runner.idle_paused');
    return true;
  }

  async function resume(slot: RunnerSlot, runner: LiveRunner): Promise<LiveRunner> {
    const { driver, handle } = runner;
    const message = 'The agent is paused on its platform.';
    if (!driver.resume) throw new AppError('driver_unavailable', { message, hint: 'Resume it there.' });
    await onClock(PAUSE_MS, undefined, async (clock) => driver.resume?.(handle, clock)).catch((cause: unknown) => {
      throw new AppError('driver_unavailable', { message: `${message} It could not be resumed.`, cause });
    });
    runnersLog.info({ agent: slot.agent.id, runner: runner.id }, 'runner.resumed');
    running(slot);
    return runner;
  }

  return { paused, pause, resume };
}
