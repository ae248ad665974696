/**
 * Runners: one per agent, started when somebody needs it, held by leases while work lasts, stopped when idle, taken
 * back after a restart. The warm path is `lease()` on a running slot: no driver, no probe, no database (law 1).
 */
import type { Health } from '../../drivers/driver';
import { AppError, toAppError } from '../errors';
import { runnersLog } from '../log';
import type { Agent } from '../stores/agents';
import type { Events } from './events';
import { describeExit } from './readiness';
import { type LiveRunner, type Progress, type RunnerIdentity, RunnerSlot, type RunnerState } from './runner-slot';
import { logTail, type StartDeps, startRunner } from './runner-start';

/** After failed starts in a row: 1 s, 2 s, 4 s … 60 s in which a request gets the failure at once. */
const BACK_OFF_MS = 1_000;
const BACK_OFF_MAX_MS = 60_000;

export interface Lease {
  readonly runner: LiveRunner;
  /** Idempotent. */
  release(): void;
}

/** A runner as others may see it. */
export interface RunnerStatus {
  readonly agentId: string;
  readonly state: RunnerState;
  readonly progress: Progress;
  readonly failure?: AppError;
  readonly startedAtMs?: number;
  readonly lastActiveMs: number;
  readonly leases: number;
}

export interface RunnersDeps extends StartDeps {
  readonly events: Events;
}

export type RunnersService = ReturnType<typeof runnersService>;

export function runnersService(deps: RunnersDeps) {
  const { events, now } = deps;
  const slots = new Map<string, RunnerSlot>();

  function slotOf(agent: Agent): RunnerSlot {
    const slot = slots.get(agent.id) ?? new RunnerSlot(agent);
    slots.set(agent.id, slot);
    return slot;
  }

  function change(slot: RunnerSlot, state: RunnerState, progress: Progress): void {
    slot.state = state;
    slot.progress = progress;
    events.publish(slot.agent.userId, { kind: 'runner', agentId: slot.agent.id });
  }

  /** @returns an idempotent release. */
  function hold(slot: RunnerSlot): () => void {
    slot.leases += 1;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      slot.leases -= 1;
      slot.lastActiveMs = now();
    };
  }

  /** The start under way, or a new one. */
  function ensure(slot: RunnerSlot, explicit: boolean): Promise<LiveRunner> {
    if (slot.starting) return slot.starting.runner;
    if (slot.failure && !explicit && now() < slot.failure.retryAtMs) {
      const retryAfterSeconds = Math.ceil((slot.failure.retryAtMs - now()) / 1000);
      const { code, message, hint } = slot.failure.error;
      const error = new AppError(code, { message, ...(hint !== undefined && { hint }), retryAfterSeconds });
      return Promise.reject(error);
    }
    const abort = new AbortController();
    const runner = slot
      .serial(() => start(slot, abort.signal))
      .finally(() => {
        slot.starting = undefined;
      });
    slot.starting = { runner, abort };
    return runner;
  }

  async function start(slot: RunnerSlot, signal: AbortSignal): Promise<LiveRunner> {
    // A reap or stop before us in the queue may have changed nothing.
    if (slot.state === 'running' && slot.runner) return slot.runner;
    signal.throwIfAborted();
    const report = (progress: Progress) => {
      // What is shown never goes back within one start.
      const percent = Math.max(progress.percent, slot.state === 'starting' ? slot.progress.percent : 0);
      change(slot, 'starting', { ...progress, percent });
    };
    try {
      slot.runner = await startRunner(deps, slot, signal, report);
      slot.failure = undefined;
      slot.lastActiveMs = now();
      change(slot, 'running', { stage: 'ready', percent: 100, message: 'Ready' });
      runnersLog.info(
        { agent: slot.agent.id, runner: slot.runner.id, ms: now() - slot.runner.startedAtMs },
        'runner.started',
      );
      return slot.runner;
    } catch (thrown) {
      slot.identity = undefined;
      if (signal.aborted) {
        change(slot, 'stopped', { stage: 'stopped', percent: 0, message: 'Stopped' });
        throw signal.reason;
      }
      throw failed(slot, toAppError(thrown));
    } finally {
      slot.onExit = undefined;
    }
  }

  /** Remembers a failed start. What the user must do first (credentials) is no failure of the runner. */
  function failed(slot: RunnerSlot, error: AppError): AppError {
    const message = error.message;
    if (error.status < 500) {
      change(slot, 'stopped', { stage: 'error', percent: 100, message });
      return error;
    }
    const count = (slot.failure?.count ?? 0) + 1;
    const backOffMs = Math.min(BACK_OFF_MS * 2 ** (count - 1), BACK_OFF_MAX_MS);
    slot.failure = { error, atMs: now(), count, retryAtMs: now() + backOffMs };
    runnersLog.warn({ agent: slot.agent.id, code: error.code, err: error.cause, count }, 'runner.start_failed');
    change(slot, 'failed', { stage: 'error', percent: 100, message });
    return error;
  }

  /** Ends a slot's runner on the platform and in the database. Runs inside the slot's queue. */
  async function end(slot: RunnerSlot, why: string): Promise<void> {
    const { runner } = slot;
    if (!runner) return;
    const graceMs = deps.backends.find(slot.agent.backend)?.timeouts.stopGraceMs ?? 10_000;
    change(slot, 'stopping', { stage: 'stopped', percent: 0, message: 'Stopping' });
    try {
      await runner.driver.stop(runner.handle, { graceMs });
    } catch (cause) {
      change(slot, 'unknown', { stage: 'ready', percent: 100, message: 'The platform does not answer' });
      throw new AppError('driver_unavailable', { cause });
    }
    await forget(slot);
    runnersLog.info({ agent: slot.agent.id, runner: runner.id, why }, 'runner.stopped');
    change(slot, 'stopped', { stage: 'stopped', percent: 0, message: 'Stopped' });
  }

  async function forget(slot: RunnerSlot): Promise<void> {
    if (slot.identity) await deps.runners.delete(slot.identity.id);
    slot.runner = undefined;
    slot.identity = undefined;
  }

  /** The platform says that a runner has ended by itself: a normal transition, the next message starts a new one. */
  async function exited(slot: RunnerSlot, runnerId: string, health: Health): Promise<void> {
    await slot.serial(async () => {
      const { runner } = slot;
      if (!runner || runner.id !== runnerId) return;
      const tail = await logTail(runner.driver, runner.handle, [runner.accessKey]).catch(() => '');
      await runner.driver.stop(runner.handle, { graceMs: 0 }).catch((error: unknown) => {
        runnersLog.warn({ runner: runnerId, err: error }, 'runner.cleanup_failed');
      });
      await forget(slot);
      const message = `The agent stopped: ${describeExit(health)}.`;
      const error = new AppError('runner_lost', { message, ...(tail && { hint: `Its last output:\n${tail}` }) });
      // It had been ready, so the next message may start it at once.
      slot.failure = { error, atMs: now(), count: 0, retryAtMs: now() };
      runnersLog.warn({ agent: slot.agent.id, runner: runnerId, health }, 'runner.exited');
      change(slot, 'failed', { stage: 'error', percent: 100, message });
    });
  }

  return {
    /**
     * Holds the agent's runner, started first if need be. While the lease is open the runner is not reaped.
     * Throws what made the start fail. The caller's abort ends its waiting, not a start that others wait for too.
     */
    async lease(agent: Agent, options: { signal: AbortSignal; explicit?: boolean }): Promise<Lease> {
      const slot = slotOf(agent);
      const release = hold(slot);
      try {
        const warm = slot.state === 'running' || slot.state === 'unknown' ? slot.runner : undefined;
        const runner = warm ?? (await orAbort(ensure(slot, options.explicit ?? false), options.signal));
        return { runner, release };
      } catch (error) {
        release();
        throw error;
      }
    },

    /** Whether a lease would be had at once. */
    isWarm(agentId: string): boolean {
      const slot = slots.get(agentId);
      return slot?.runner !== undefined && (slot.state === 'running' || slot.state === 'unknown');
    },

    /** Stops the agent's runner, also one that is starting. @returns whether there was one. */
    async stop(agentId: string, why: string): Promise<boolean> {
      const slot = slots.get(agentId);
      if (!slot) return false;
      const wasStarting = slot.starting !== undefined;
      slot.starting?.abort.abort(new AppError('conflict', { message: 'The start was stopped.' }));
      return slot.serial(async () => {
        const there = slot.runner !== undefined;
        await end(slot, why);
        return there || wasStarting;
      });
    },

    /** Stops the runner if `isIdle` still holds when its turn comes; nobody can take a lease in between (law 4). */
    async reap(agentId: string, isIdle: (status: RunnerStatus) => boolean): Promise<boolean> {
      const slot = slots.get(agentId);
      if (!slot) return false;
      return slot.serial(async () => {
        if (!slot.runner || slot.leases > 0 || !isIdle(status(slot))) return false;
        await end(slot, 'idle');
        return true;
      });
    },

    /**
     * A runner did not answer on its address: asks the platform, and clears up when it is gone.
     * @returns whether it is gone, so that the request may be sent to a new one.
     */
    async isLost(runner: LiveRunner): Promise<boolean> {
      const health = await runner.driver
        .inspect(runner.handle, AbortSignal.timeout(5_000))
        .catch((error: unknown): Health => ({ state: 'unknown', reason: String(error) }));
      if (health.state !== 'exited' && health.state !== 'gone') return false;
      const slot = slots.get(runner.agentId);
      if (slot) await exited(slot, runner.id, health);
      return true;
    },

    /** The platform reports a change of health. */
    async healthChanged(runnerId: string, health: Health): Promise<void> {
      if (health.state !== 'exited' && health.state !== 'gone') return;
      const slot = [...slots.values()].find((one) => one.identity?.id === runnerId);
      if (!slot) return;
      slot.onExit?.(health);
      if (slot.runner?.id === runnerId && slot.state !== 'stopping') await exited(slot, runnerId, health);
    },

    /** Takes back a runner of an earlier life of the router. Its idle time starts anew (law 2). */
    adopt(agent: Agent, runner: LiveRunner, identity: RunnerIdentity): void {
      const slot = slotOf(agent);
      slot.runner = runner;
      slot.identity = identity;
      slot.lastActiveMs = now();
      change(slot, 'running', { stage: 'ready', percent: 100, message: 'Ready' });
    },

    /**
     * The agent whose runner holds the key with this SHA-256, and a lease on it for the work that the runner itself
     * asks for. A runner may ask while it is still starting.
     */
    holdByKey(keyHash: string): { agent: Agent; release(): void } | undefined {
      const slot = [...slots.values()].find((one) => one.identity?.keyHash === keyHash);
      return slot && { agent: slot.agent, release: hold(slot) };
    },

    status(agentId: string): RunnerStatus {
      const slot = slots.get(agentId);
      return slot ? status(slot) : { agentId, state: 'stopped', progress: STOPPED, lastActiveMs: 0, leases: 0 };
    },

    /** Every runner that exists, with its agent. */
    running(): readonly { agent: Agent; runner: LiveRunner; status: RunnerStatus }[] {
      return [...slots.values()].flatMap((slot) =>
        slot.runner ? [{ agent: slot.agent, runner: slot.runner, status: status(slot) }] : [],
      );
    },

    /** Writes when runners last worked. */
    async flush(): Promise<void> {
      const active = [...slots.values()].filter((slot) => slot.runner);
      await deps.runners.touch(new Map(active.map((slot) => [slot.identity?.id ?? '', slot.lastActiveMs])));
    },
  };
}

const STOPPED: Progress = { stage: 'stopped', percent: 0, message: 'Stopped' };

function status(slot: RunnerSlot): RunnerStatus {
  return {
    agentId: slot.agent.id,
    state: slot.state,
    progress: slot.progress,
    ...(slot.failure && slot.state === 'failed' && { failure: slot.failure.error }),
    ...(slot.runner && { startedAtMs: slot.runner.startedAtMs }),
    lastActiveMs: slot.lastActiveMs,
    leases: slot.leases,
  };
}

/** The promise's result, or the signal's reason when that comes first. The promise goes on either way. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort));
}
