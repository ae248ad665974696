/**
 * What the router knows of one agent's runner: state, leases, progress, and the queue that makes its transitions serial
 * (law 5). One slot per agent, nothing shared between agents (law 1).
 */
import type { Driver, Handle, Health } from '../../drivers/driver';
import type { Agent } from '../agents/store';
import type { AppError } from '../lib/errors';

export type RunnerState = 'stopped' | 'starting' | 'running' | 'stopping' | 'failed' | 'unknown' | 'paused';

export type Stage = 'stopped' | 'queued' | 'creating' | 'image_pull' | 'starting' | 'health_wait' | 'ready' | 'error';

/** How far a start is. `percent` only grows within one start. */
export interface Progress {
  readonly stage: Stage;
  readonly percent: number;
  readonly message: string;
  /** While it is `queued`: how many starts are served up to this one, itself included. */
  readonly place?: number;
}

/** A runner that has been started: where it is and what opens it. */
export interface LiveRunner {
  readonly id: string;
  readonly agentId: string;
  readonly driver: Driver;
  readonly handle: Handle;
  /** Where it is reached now. */
  readonly url: string;
  /** What the router shows to the runner. */
  readonly accessKey: string;
  /** `fingerprint` of the spec it was started with; null when a crash came before it was known. */
  readonly specHash: string | null;
  readonly startedAtMs: number;
}

/** What a runner is known by from the intent to start it on. */
export interface RunnerIdentity {
  readonly id: string;
  /** SHA-256 of the key it shows to the broker. */
  readonly keyHash: string;
}

/** What a request to a runner is for: whom the calls are counted for that the runner makes meanwhile. */
export interface Work {
  /** Known to nobody but the router and the runner, which may send it back with its calls. */
  readonly id?: string | undefined;
  readonly conversationId?: string | undefined;
  readonly keyId?: string | undefined;
}

/** Keeps a runner from being reaped. */
export interface Hold {
  /** Whether the runner has answered, as is assumed. A try that it does not answer does not renew its idle time. */
  answered(hasAnswered: boolean): void;
  /** Idempotent. */
  release(): void;
}

/** A lease that a runner has taken itself. */
export interface HeldRunner {
  readonly agent: Agent;
  /** The request that it is at work on, or those that it may be at work on. */
  readonly works: readonly Work[];
  /** Idempotent. */
  release(): void;
}

/** The end of a runner that had been ready. */
export interface RunnerEnd {
  readonly runnerId: string;
  /** Whether somebody has stopped it, so that nobody wants a new one in its place. */
  readonly isAsked: boolean;
  /** What it means for an answer that was under way. Never rejects. */
  readonly error: Promise<AppError>;
}

/** Why the last start, or the runner itself, ended badly. */
export interface Failure {
  readonly error: AppError;
  /** Starts that failed in a row. */
  readonly count: number;
  /** By the steady clock: until then a request gets the failure at once; an explicit start does not wait. */
  readonly retryAtMs: number;
}

export const STOPPED: Progress = { stage: 'stopped', percent: 0, message: 'Stopped' };

export class RunnerSlot {
  state: RunnerState = 'stopped';
  progress: Progress = STOPPED;
  runner: LiveRunner | undefined;
  failure: Failure | undefined;
  /** The start under way; everybody who needs the runner waits for this one. */
  starting: { readonly runner: Promise<LiveRunner>; readonly abort: AbortController } | undefined;
  /** Told when the platform reports that the runner which is being started has ended. */
  onExit: ((health: Health) => void) | undefined;
  /** Of the runner that exists or is being started. */
  identity: RunnerIdentity | undefined;
  /** Of the last runner that has ended, or is about to. */
  end: RunnerEnd | undefined;
  /** Id of the runner that is known to have been started with another spec than it would get now. */
  staleId: string | undefined;
  leases = 0;
  /** Of the leases, those whose runner did not answer: they are no work that it must not be ended for. */
  unanswered = 0;
  /** Of the requests among the leases. */
  readonly works: Work[] = [];
  /** By the steady clock; 0 before it has worked. */
  lastActiveMs = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly agent: Agent) {}

  /** Runs `work` after all earlier transitions of this agent have ended, however they ended. */
  serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** @param steady the steady clock. @param onFree called when the last hold is released. */
  hold(steady: () => number, work: Work | undefined, onFree: () => void): Hold {
    this.leases += 1;
    if (work) this.works.push(work);
    let isOpen = true;
    let isAnswered = true;
    return {
      answered: (hasAnswered) => {
        if (isOpen && hasAnswered !== isAnswered) this.unanswered += hasAnswered ? -1 : 1;
        isAnswered = hasAnswered;
      },
      release: () => {
        if (!isOpen) return;
        isOpen = false;
        this.leases -= 1;
        if (work) this.works.splice(this.works.indexOf(work), 1);
        if (isAnswered) this.lastActiveMs = steady();
        else this.unanswered -= 1;
        if (this.leases === 0) onFree();
      },
    };
  }

  /** The runner that requests may go to right now. One that cannot be asked about is likely to be there. */
  get warm(): LiveRunner | undefined {
    const isUp = this.state === 'running' || this.state === 'unknown';
    // One that has ended by itself is shown as running until its last words are read.
    return isUp && this.end?.runnerId !== this.runner?.id ? this.runner : undefined;
  }

  /** Whether the runner is to end as soon as nobody holds it, because it would be started with another spec now. */
  get isStale(): boolean {
    return this.runner !== undefined && this.runner.id === this.staleId;
  }

  /** Ends a start under way. Who asks for the runner from now on gets a start of their own, after this one's end. */
  abortStart(reason: AppError): boolean {
    const { starting } = this;
    this.starting = undefined;
    starting?.abort.abort(reason);
    return starting !== undefined;
  }
}

/** The clock of dates and the one of durations, both in milliseconds. */
export interface Clocks {
  now(): number;
  steady(): number;
}

/** The date for what a slot knows as a duration; 0 before it has worked. */
export function lastActiveAtMs({ lastActiveMs }: RunnerSlot, { now, steady }: Clocks): number {
  return lastActiveMs === 0 ? 0 : now() - (steady() - lastActiveMs);
}

/** A runner as others may see it. */
export interface RunnerStatus {
  readonly state: RunnerState;
  readonly progress: Progress;
  /** While the state is `failed`. */
  readonly failure?: AppError;
  readonly startedAtMs?: number;
  /** A date. */
  readonly lastActiveMs: number;
  /** Since when nobody has used it; 0 while somebody does. */
  readonly idleMs: number;
  readonly leases: number;
  /** Started with another spec than it would get now; ends when nobody holds it. */
  readonly isStale: boolean;
}

/** An agent without a slot has had no runner yet. */
export function statusOf(slot: RunnerSlot | undefined, clocks: Clocks): RunnerStatus {
  if (!slot) return { state: 'stopped', progress: STOPPED, lastActiveMs: 0, idleMs: 0, leases: 0, isStale: false };
  return {
    state: slot.state,
    progress: slot.progress,
    ...(slot.failure && slot.state === 'failed' && { failure: slot.failure.error }),
    ...(slot.runner && { startedAtMs: slot.runner.startedAtMs }),
    lastActiveMs: lastActiveAtMs(slot, clocks),
    idleMs: slot.leases > 0 ? 0 : Math.max(0, clocks.steady() - slot.lastActiveMs),
    leases: slot.leases,
    isStale: slot.isStale,
  };
}

/** The state of each agent's runner, also of those that have none now, without whose they are. */
export function statesOf(slots: Iterable<RunnerSlot>): readonly { backend: string; state: RunnerState }[] {
  return Array.from(slots, ({ agent, state }) => ({ backend: agent.backend, state }));
}
