/**
 * Runners: one per agent, started when a request needs it, held by leases during work, stopped when idle, adopted after
 * a restart. The warm path is `lease()` on a running slot: no driver, no probe, no database (law 1).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import { AppError } from '../lib/errors';
import { runnersLog } from '../lib/log';
import type { Soon } from '../lib/lookup';
import { orAbort } from '../lib/time';
import { type CapacityLimits, capacityService, occupant } from './capacity';
import { refusal } from './health/failure';
import { runnerHealth } from './health/health';
import { ownHosts } from './redact';
import type { Hold, Lease, LeaseOptions } from './slots/hold';
import { runnerHolds } from './slots/holds';
import { runnerLookups } from './slots/lookups';
import type { Adopted, LiveRunner, RunnerSlot } from './slots/slot';
import { Slots } from './slots/slots';
import { lastActiveAtMs, type RunnerStatus, statusOf } from './slots/status';
import { staleness } from './start/stale';
import { runnerTransitions, type TransitionDeps } from './transitions';

export type { Progress } from './slots/slot';
export type { RunnerStatus } from './slots/status';

/** On shutdown, milliseconds in which starts under way may clean up; the next boot finds what is left (law 2). */
const CLOSE_MS = 5_000;

export type RunnersService = ReturnType<typeof runnersService>;

interface RunnersDeps extends Omit<TransitionDeps, 'capacity'> {
  readonly limits: CapacityLimits;
}

export function runnersService(deps: RunnersDeps) {
  const { steady, events } = deps;
  const slots = new Slots(steady, (slot) => {
    capacity.wake();
    recycle(slot);
  });
  const capacity = capacityService({
    limits: deps.limits,
    fleet: {
      runners: () => slots.withRunner().map(occupant),
      stopIdle: (agentId) => reap(agentId, ({ state }) => state === 'running' || state === 'paused', 'room'),
    },
  });
  const transitions = runnerTransitions({ ...deps, capacity });
  const health = runnerHealth({ transitions, events, findByAgent: slots.find, findByRunner: slots.identities.find });
  const stale = staleness(deps);
  let closed = false;

  /** Returns the start under way, or begins a new one. */
  function ensure(slot: RunnerSlot, explicit: boolean): Promise<LiveRunner> {
    if (slot.starting) return slot.starting.runner;
    const refused = closed ? new AppError('shutting_down') : explicit ? undefined : refusal(slot.failure, steady());
    if (refused) return Promise.reject(refused);
    const abort = new AbortController();
    const runner = slot
      .serial(async () => {
        const started = await transitions.start(slot, abort.signal);
        // The owner's values may have changed during the start.
        await refresh([slot]);
        return started;
      })
      .finally(() => {
        if (slot.starting?.abort === abort) slot.starting = undefined;
      });
    slot.starting = { runner, abort };
    return runner;
  }

  /** Waits until the runner is up, and returns the lease. An abort of the caller ends only the wait. */
  async function leaseLater(slot: RunnerSlot, hold: Hold, { signal, explicit = false }: LeaseOptions): Promise<Lease> {
    try {
      return hold.on(await orAbort(ensure(slot, explicit), signal));
    } catch (error) {
      hold.end();
      throw error;
    }
  }

  /**
   * Ends or pauses the runner, if it has no lease and `isIdle` still holds when the queue of its agent reaches this; no
   * lease can be taken in between (law 4).
   */
  async function whenIdle(
    agentId: string,
    isIdle: (status: RunnerStatus) => boolean,
    work: (slot: RunnerSlot) => Promise<boolean>,
  ): Promise<boolean> {
    const slot = slots.find(agentId);
    if (!slot) return false;
    return slot.serial(async () => slot.leases === 0 && isIdle(statusOf(slot, deps)) && work(slot));
  }

  /** Stops an idle runner. @returns whether it was stopped. */
  const reap = (agentId: string, isIdle: (status: RunnerStatus) => boolean, why = 'idle'): Promise<boolean> =>
    whenIdle(agentId, isIdle, (slot) => transitions.end(slot, why));

  /** Ends a stale runner without leases. If the stop fails, the reaper tries again. */
  function recycle(slot: RunnerSlot): void {
    if (!slot.isStale || slot.leases > 0 || closed) return;
    reap(slot.agent.id, ({ isStale }) => isStale, 'stale').catch((error: unknown) => {
      runnersLog.warn({ agent: slot.agent.id, err: error }, 'recycle.failed');
    });
  }

  /** Stops the agent's runner, also during its start. @returns whether there was one. */
  async function stop(agentId: string, why: string): Promise<boolean> {
    const slot = slots.find(agentId);
    if (!slot) return false;
    const wasStarting = slot.abortStart(new AppError('conflict', { message: 'The start was stopped.' }));
    return (await slot.serial(() => transitions.end(slot, why))) || wasStarting;
  }

  /**
   * Ends the runner, or its start, and does `work` before the next start. Throws `driver_unavailable`, without `work`, when
   * the runner cannot be stopped, be it one that a failed start has left.
   */
  async function whileStopped(slot: RunnerSlot, work: () => Promise<void>): Promise<void> {
    slot.abortStart(new AppError('conflict', { message: 'The agent was deleted or reset.' }));
    await slot.serial(async () => {
      await transitions.end(slot, 'asked');
      await transitions.requireNoneLeft(slot.agent.id);
      await work();
    });
  }

  async function refresh(changed: readonly RunnerSlot[]): Promise<void> {
    await stale.mark(changed);
    for (const slot of changed) recycle(slot);
  }

  return {
    /**
     * Holds the agent's runner, and starts it first if necessary. While the lease is open the runner is not reaped.
     * Throws the error that made the start fail. The caller's abort ends only the wait, not a start that others also
     * wait for. A runner that is up is there at once.
     */
    lease(agent: Agent, options: LeaseOptions): Soon<Lease> {
      options.signal.throwIfAborted();
      const slot = slots.of(agent);
      const hold = slot.hold(options.work);
      const { warm } = slot;
      return warm ? hold.on(warm) : leaseLater(slot, hold, options);
    },

    /** Begins a start that a person asked for, and does not wait for it. If it fails, the runner's state says why. */
    begin(agent: Agent): void {
      const slot = slots.of(agent);
      const hold = slot.hold();
      void Promise.allSettled([slot.warm ?? ensure(slot, true)]).then(() => hold.end());
    },

    stop,
    /** Stops the agent's runner, then has the agent deleted by `erase`, without a start in between. */
    async remove(agentId: string, erase: () => Promise<void>): Promise<void> {
      const slot = slots.find(agentId);
      if (!slot) return transitions.requireNoneLeft(agentId).then(erase);
      await whileStopped(slot, async () => {
        await erase();
        slots.leave(slot);
      });
    },

    /**
     * Stops the agent's runner, then has its home replaced by `renew`, without a start in between. A request that comes
     * meanwhile gets a runner with the new home.
     */
    async renew(agent: Agent, renew: () => Promise<void>): Promise<void> {
      const slot = slots.of(agent);
      await whileStopped(slot, async () => {
        await renew();
        transitions.forgetFailure(slot);
      });
    },

    /** Call this when the name or the model of an agent has changed. */
    async agentChanged(agent: Agent): Promise<void> {
      const slot = slots.find(agent.id);
      if (!slot) return;
      slot.agent = agent;
      await refresh([slot]);
    },

    reap,

    /** Like `reap`, but pauses the runner. @returns whether it is paused now. */
    pause: (agentId: string, isIdle: (status: RunnerStatus) => boolean): Promise<boolean> =>
      whenIdle(agentId, isIdle, transitions.pause),

    ...health,
    ...runnerHolds(slots),
    ...runnerLookups({ slots, capacity, clocks: deps }),

    /**
     * Adopts the runner that `find` returns, unless the agent has a runner by now. Its idle time starts anew (law 2).
     * `find` runs in the agent's queue: no start happens in between.
     * @param state `unknown` when its platform does not answer, `paused` when it was paused on its platform.
     * @returns whether a runner was adopted.
     */
    async adopt(
      agent: Agent,
      state: 'running' | 'unknown' | 'paused',
      find: () => Promise<Adopted | undefined>,
    ): Promise<boolean> {
      const slot = slots.of(agent);
      return slot.serial(async () => {
        if (slot.runner && slot.state !== 'unknown') return false;
        const found = await find();
        if (!found) return false;
        if (slot.runner?.id !== found.runner.id) deps.metrics.runnerAdopted(agent.backend);
        slot.runner = found.runner;
        slot.identity = { id: found.runner.id, keyHash: found.keyHash, callbackHash: found.callbackHash };
        slot.lastActiveMs = steady();
        if (state === 'paused') await transitions.paused(slot, found.runner.id);
        else transitions[state](slot);
        // A stale runner is not ended at once: it may be at work without a lease.
        await stale.mark([slot]);
        return true;
      });
    },

    ownHosts: (agent: Agent, backend: Backend) => ownHosts(deps.credentials, agent, backend),
    /**
     * Call this when values have changed: those of one user, or without `userId` of any. Resolves when the stale
     * runners are marked; they end as soon as they have no lease (laws 4 and 5).
     */
    valuesChanged: (userId?: string): Promise<void> =>
      refresh(slots.all().filter(({ agent }) => userId === undefined || agent.userId === userId)),

    /** Writes the time of each runner's last work to the database. */
    async flush(): Promise<void> {
      await deps.runners.markActive(
        new Map(slots.withRunner().map((slot) => [slot.runner.id, lastActiveAtMs(slot, deps)])),
      );
    },

    /** On shutdown: ends the starts under way. Runners keep running. */
    async close(): Promise<void> {
      closed = true;
      for (const slot of slots.all()) slot.abortStart(new AppError('shutting_down'));
      const settled = Promise.all(slots.all().map((slot) => slot.serial(async () => undefined)));
      await Promise.race([settled, delay(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}
