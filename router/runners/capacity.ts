/**
 * Capacity: how many runners may exist, and which start is next. Starts wait in a queue in which users take turns, so
 * that thirty starts of one user do not delay the first start of another. When no room is left, the runner that has
 * been idle the longest is stopped. Nothing polls: code that frees room calls `wake()`.
 */
import { AppError } from '../lib/errors';
import { FairQueue } from '../lib/fair-queue';
import { runnersLog } from '../lib/log';
import type { RunnerSlot } from './slots/slot';

/**
 * Seconds after which a refused client may retry: between the two numbers, at random, so that clients do not return
 * together.
 */
const RETRY_MIN_SECONDS = 5;
const RETRY_MAX_SECONDS = 15;

/** `Infinity` where there is no limit. */
export interface CapacityLimits {
  /** Runners that exist or start. */
  readonly runners: number;
  readonly runnersOf: (userId: string) => number;
  /** Runners that start at the same time. */
  readonly starts: number;
  /** How long a start may wait for its turn. */
  readonly queueMs: number;
}

/** A runner that exists. Only an `idle` runner, which has no lease, may be stopped to make room. */
interface Occupant {
  readonly agentId: string;
  readonly userId: string;
  readonly state: 'working' | 'idle' | 'ending';
  readonly lastActiveMs: number;
}

/** A slot with a runner, as capacity counts it. */
export function occupant({ agent, state, leases, lastActiveMs }: RunnerSlot): Occupant {
  const isEnding = state === 'stopping' || state === 'failed';
  const isIdle = (state === 'running' || state === 'paused') && leases === 0;
  const kind = isEnding ? 'ending' : isIdle ? 'idle' : 'working';
  return { agentId: agent.id, userId: agent.userId, state: kind, lastActiveMs };
}

export interface Fleet {
  runners(): readonly Occupant[];
  /** Stops a runner if it is still idle when the queue of its agent reaches the stop (laws 4 and 5). */
  stopIdle(agentId: string): Promise<unknown>;
}

interface StartRequest {
  readonly agentId: string;
  readonly userId: string;
  /** Aborting it ends the wait at once. */
  readonly signal: AbortSignal;
  /** Whether a request still waits for the runner. */
  isWanted(): boolean;
  /** Called when the turn comes and no request waits any more: aborts `signal`. */
  abandon(): void;
  /** Called during the wait when the place in the queue changes. The first place is 1. */
  onPlace(place: number): void;
}

interface Waiting extends StartRequest {
  readonly turn: PromiseWithResolvers<void>;
  place: number;
}

export type CapacityService = ReturnType<typeof capacityService>;

export function capacityService({ limits, fleet }: { limits: CapacityLimits; fleet: Fleet }) {
  const queue = new FairQueue<Waiting>();
  /** Agent id → user id of each start that was admitted and has not ended. */
  const starting = new Map<string, string>();
  /** Agents whose idle runner was asked to stop to make room and has not ended yet. */
  const leaving = new Set<string>();
  let isAwake = false;

  function startingOf(userId: string): number {
    return [...starting.values()].filter((one) => one === userId).length;
  }

  /**
   * Whether one more runner fits beside `runners` and `others`, which are starts without a runner yet. If not, asks as
   * many idle runners to stop as are missing, the longest idle first.
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

  /** Begins every start whose turn has come, and reports the places of the others. */
  function serve(): void {
    isAwake = false;
    const runners = fleet.runners();
    /** Earlier starts in the queue that wait for room: in total, and by user. */
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
      const ownRoom = roomFor(own, startingOf(userId) + ownBlocked, limits.runnersOf(userId));
      // A start that waits for another runner of the same user does not block other users.
      if (ownRoom === 'soon') blockedOf.set(userId, ownBlocked + 1);
      if (ownRoom === 'never') refuse(waiting, tooMany(limits.runnersOf(userId)));
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

  /** Serves the queue once, soon, however often it is called. Costs nothing while no start waits. */
  function wake(): void {
    if (isAwake || queue.isEmpty) return;
    isAwake = true;
    queueMicrotask(serve);
  }

  /** Counts the user's busy, starting and queued runners: those that do not end by themselves or on request. */
  function takenBy(userId: string): number {
    const working = fleet.runners().filter((one) => one.userId === userId && one.state === 'working').length;
    const waiting = queue.of(userId).filter((one) => one.isWanted()).length;
    return working + startingOf(userId) + waiting;
  }

  function requireRoom(userId: string): void {
    if (takenBy(userId) >= limits.runnersOf(userId)) throw tooMany(limits.runnersOf(userId));
  }

  return {
    wake,

    /** Throws `too_many_runners` when all runners that the user may have are busy. */
    requireRoom,

    /** The number of starts that wait for their turn. */
    waitingCount: (): number => queue.inTurn().length,

    /**
     * Waits until the start may begin. Throws `too_many_runners` when all runners that the user may have are busy,
     * `start_queue_timeout` when the turn does not come within `queueMs`, and the signal's reason.
     * @returns a function that ends the start: call it when the runner exists or the start has failed.
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
    message: `You have ${runners} busy or starting, which is the limit per user. Stop one, or wait until one is done.`,
    hint: 'MAX_RUNNERS_PER_USER sets the limit.',
    retryAfterSeconds: retryAfterSeconds(),
  });
}

function waitedTooLong(queueMs: number): AppError {
  return new AppError('start_queue_timeout', {
    message: `The agent waited ${queueMs / 1000} s for its turn to start: too many others are starting or busy. Try again in a moment.`,
    hint: 'MAX_RUNNERS and MAX_STARTS set the limits.',
    retryAfterSeconds: retryAfterSeconds(),
  });
}

/** Whole seconds. */
function retryAfterSeconds(): number {
  return RETRY_MIN_SECONDS + Math.floor(Math.random() * (RETRY_MAX_SECONDS - RETRY_MIN_SECONDS + 1));
}
