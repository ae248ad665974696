/** The status of a runner, as code outside of the lifecycle sees it: made from its slot at the time of the question. */
import type { AppError } from '../../lib/errors';
import { type Progress, type RunnerSlot, type RunnerState, STOPPED } from './slot';

/** The wall clock, for dates, and the steady clock, for durations; both in milliseconds. */
export interface Clocks {
  now(): number;
  steady(): number;
}

/** The slot's last activity as a date; 0 before the first work. */
export function lastActiveAtMs({ lastActiveMs }: RunnerSlot, { now, steady }: Clocks): number {
  return lastActiveMs === 0 ? 0 : now() - (steady() - lastActiveMs);
}

/** What a page, the API or the reaper is told of a runner. */
export interface RunnerStatus {
  readonly state: RunnerState;
  readonly progress: Progress;
  /** Present in the state `failed`. */
  readonly failure?: AppError;
  readonly startedAtMs?: number;
  /** Milliseconds since the epoch. */
  readonly lastActiveMs: number;
  /** Milliseconds without a lease; 0 while there is one. */
  readonly idleMs: number;
  readonly leases: number;
  /** How many of the leases are of requests; the others are of the runner's own calls. */
  readonly requests: number;
  /** Its spec differs from the one it would get now; ends when it has no lease. */
  readonly isStale: boolean;
}

/** An agent without a slot never had a runner. */
export function statusOf(slot: RunnerSlot | undefined, clocks: Clocks): RunnerStatus {
  if (!slot)
    return { state: 'stopped', progress: STOPPED, lastActiveMs: 0, idleMs: 0, leases: 0, requests: 0, isStale: false };
  return {
    state: slot.state,
    progress: slot.progress,
    ...(slot.failure && slot.state === 'failed' && { failure: slot.failure.error }),
    ...(slot.runner && { startedAtMs: slot.runner.startedAtMs }),
    lastActiveMs: lastActiveAtMs(slot, clocks),
    idleMs: slot.leases > 0 ? 0 : Math.max(0, clocks.steady() - slot.lastActiveMs),
    leases: slot.leases,
    requests: slot.works.length,
    isStale: slot.isStale,
  };
}
