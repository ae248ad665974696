/**
 * Capacity: how many runners there may be, and whose turn it is to start one. A start that has to wait does so in a
 * queue in which users take turns, so that nobody's thirty starts delay another's first. Where all room is taken, the
 * runner that has been idle the longest makes some. Nothing polls: whoever changes something that a start could wait
 * for calls `wake()`.
 */
import { AppError } from '../lib/errors';
import { FairQueue } from '../lib/fair-queue';
import { runnersLog } from '../lib/log';
import type { RunnerSlot } from './slot';

/** Refused clients come back after so many seconds, each at another moment. */
const RETRY_MIN_SECONDS = 5;
const RETRY_MAX_SECONDS = 15;

/** `Infinity` where there is no limit. */
export interface CapacityLimits {
  /** Runners that exist or start. */
  readonly runners: number;
  readonly runnersPerUser: number;
  /** Runners that start at the same time. */
  readonly starts: number;
  /** How long a start may wait for its turn. */
  readonly queueMs: number;
}

/** A runner that exists. Only an `idle` one, which nobody holds, may be asked to make room. */
export interface Occupant {
  readonly agentId: string;
  readonly userId: string;
  readonly state: 'working' | 'idle' | 'ending';
  readonly lastActiveMs: number;
}

/** A slot with a runner, as capacity sees it. */
export function occupant({ agent, state, leases, lastActiveMs }: RunnerSlot): Occupant {
  const isEnding = state === 'stopping' || state === 'failed';
  const isIdle = (state === 'running' || state === 'paused') && leases === 0;
  const kind = isEnding ? 'ending' : isIdle ? 'idle' : 'working';
  return { agentId: agent.id, userId: agent.userId, state: kind, lastActiveMs };
}

export interface Fleet {
  runners(): readonly Occupant[];
  /** Stops a runner if it is still idle when its agent's queue comes to it (laws 4 and 5). */
  stopIdle(agentId: string): Promise<unknown>;
}

export interface StartRequest {
  readonly agentId: string;
  readonly userId: string;
  /** Its abort ends the waiting at once. */
  readonly signal: AbortSignal;
  /** Whether somebody still waits for the runner. */
  isWanted(): boolean;
  /** Called when its turn has come and nobody wants it: aborts `signal`. */
  abandon(): void;
  /** Called while it waits, whenever its place in the queue has changed. The first is 1. */
  onPlace(place: number): void;
}

interface Waiting extends StartRequest {
  readonly turn: PromiseWithResolvers<void>;
  place: number;
}

export type CapacityService = ReturnType<typeof capacityService>;

export function capacityService({ limits, fleet }: { limits: CapacityLimits; fleet: Fleet }) {
  const queue = new FairQueue<Waiting>();
  /** The user of each agent that starts. */
  const starting = new Map<string, string>();
  /** Agents whose idle runner was asked to make room and has not ended yet. */
  const leaving = new Set<string>();
  let isAwake = false;

  function startingOf(userId: string): number {
    return [...starting.values()].filter((one) => one === userId).length;
  }

  /**
   * Whether one more fits beside `runners` and `others` that have no runner yet. Where it does not, as many of the idle
   * ones as are missing are asked to end, the longest idle first.
   */
  function roomFor(runners: readonly Occupant[], others: number, max: number): 'now' | 'soon' | 'never' {
    const over = runners.length + others + 1 - max;
    if (over <= 0) return 'now';
    const isEnding = ({ agentId, state }: Occupant) => state === 'ending' || leaving.has(agentId);
    const missing = over - runners.filter(isEnding).length;
    const idle = runners
      .filter((one) => one.state === 'idle' && !leaving.has(one.agentId))
      .sort((a, b) => a.lastActiveMs - b.lastActiveMs);
    for (const { agentId } of idle.slice(0, Math.max(0, missing))) makeRoom(agentId);
    return missing > idle.length ? 'never' : 'soon';
  }

  function makeRoom(agentId: string): void {
    leaving.add(agentId);
    fleet
      .stopIdle(agentId)
      .catch((error: unknown) => runnersLog.warn({ agent: agentId, err: error }, 'room.failed'))
      .finally(() => {
        leaving.delete(agentId);
        wake();
      });
  }

  function refuse(waiting: Waiting, why: unknown): void {
    queue.remove(waiting);
    waiting.turn.reject(why);
    wake();
  }

  /** Begins every start whose turn has come, and tells the others their places. */
  function serve(): void {
    isAwake = false;
    const runners = fleet.runners();
    /** Starts before the one looked at that wait for room: in total, and by user. */
    let blocked = 0;
    const blockedOf = new Map<string, number>();
    let free = limits.starts - starting.size;
    for (const waiting of queue.inTurn()) {
      if (free <= 0) break;
      if (!waiting.isWanted()) {
        waiting.abandon();
        continue;
      }
      const { userId, agentId } = waiting;
      const ownBlocked = blockedOf.get(userId) ?? 0;
      const own = runners.filter((one) => one.userId === userId);
      const ownRoom = roomFor(own, startingOf(userId) + ownBlocked, limits.runnersPerUser);
      // Who waits for a runner of their own to end keeps nobody else from starting.
      if (ownRoom === 'soon') blockedOf.set(userId, ownBlocked + 1);
      if (ownRoom === 'never') refuse(waiting, tooMany(limits.runnersPerUser));
      if (ownRoom !== 'now') continue;
      free -= 1;
      if (roomFor(runners, starting.size + blocked, limits.runners) === 'now') {
        starting.set(agentId, userId);
        queue.serve(waiting);
        waiting.turn.resolve();
      } else {
        blocked += 1;
      }
    }
    tellPlaces();
  }

  function tellPlaces(): void {
    queue.inTurn().forEach((waiting, index) => {
      const place = index + 1;
      if (waiting.place === place) return;
      waiting.place = place;
      waiting.onPlace(place);
    });
  }

  /** Soon and once, however many call. Costs nothing while no start waits. */
  function wake(): void {
    if (isAwake || queue.isEmpty) return;
    isAwake = true;
    queueMicrotask(serve);
  }

  /** What a user has that does not end by itself or for the asking, and what of theirs waits already. */
  function takenBy(userId: string): number {
    const working = fleet.runners().filter((one) => one.userId === userId && one.state === 'working').length;
    const waiting = queue.of(userId).filter((one) => one.isWanted()).length;
    return working + startingOf(userId) + waiting;
  }

  function requireRoom(userId: string): void {
    if (takenBy(userId) >= limits.runnersPerUser) throw tooMany(limits.runnersPerUser);
  }

  return {
    wake,

    /** Throws `too_many_runners` when all that the user may have are at work. */
    requireRoom,

    /** How many starts wait for their turn. */
    waitingCount: (): number => queue.inTurn().length,

    /**
     * Waits until the start may begin. Throws `too_many_runners` when all that the user may have are at work,
     * `start_queue_timeout` when its turn has not come in time, and the signal's reason.
     * @returns the end of the start, to be called once its runner exists or it has failed.
     */
    async admit(request: StartRequest): Promise<() => void> {
      const { agentId, userId, signal } = request;
      signal.throwIfAborted();
      requireRoom(userId);
      const waiting: Waiting = { ...request, turn: Promise.withResolvers<void>(), place: 0 };
      const onAbort = () => refuse(waiting, signal.reason);
      const timer = setTimeout(() => refuse(waiting, waitedTooLong(limits.queueMs)), limits.queueMs);
      signal.addEventListener('abort', onAbort, { once: true });
      queue.add(waiting);
      wake();
      try {
        await waiting.turn.promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      }
      return () => {
        starting.delete(agentId);
        wake();
      };
    },
  };
}

function tooMany(count: number): AppError {
  const runners = count === 1 ? '1 runner' : `${count} runners`;
  return new AppError('too_many_runners', {
    message: `You have ${runners} at work or about to start, the most that one user may have. Stop one, or wait until one is done.`,
    hint: 'MAX_RUNNERS_PER_USER sets how many.',
    retryAfterSeconds: retryAfterSeconds(),
  });
}

function waitedTooLong(queueMs: number): AppError {
  return new AppError('start_queue_timeout', {
    message: `The agent waited ${queueMs / 1000} s for its turn to start: too many others start or are at work. Try again in a moment.`,
    hint: 'MAX_RUNNERS and MAX_STARTS set how many there may be.',
    retryAfterSeconds: retryAfterSeconds(),
  });
}

/** Whole seconds. */
function retryAfterSeconds(): number {
  return RETRY_MIN_SECONDS + Math.floor(Math.random() * (RETRY_MAX_SECONDS - RETRY_MIN_SECONDS + 1));
}
