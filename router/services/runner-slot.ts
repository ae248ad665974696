/**
 * What the router knows of one agent's runner: state, leases, progress, and the queue that makes its transitions serial
 * (law 5). One slot per agent, nothing shared between agents (law 1).
 */
import type { Driver, Handle, Health } from '../../drivers/driver';
import type { AppError } from '../errors';
import type { Agent } from '../stores/agents';

export type RunnerState = 'stopped' | 'starting' | 'running' | 'stopping' | 'failed' | 'unknown';

export type Stage = 'stopped' | 'creating' | 'image_pull' | 'starting' | 'health_wait' | 'ready' | 'error';

/** How far a start is. `percent` only grows within one start. */
export interface Progress {
  readonly stage: Stage;
  readonly percent: number;
  readonly message: string;
}

/** A runner that has been started: where it is and what opens it. */
export interface LiveRunner {
  readonly id: string;
  readonly agentId: string;
  readonly driver: Driver;
  readonly handle: Handle;
  readonly url: string;
  /** What the router shows to the runner. */
  readonly accessKey: string;
  readonly startedAtMs: number;
}

/** What a runner is known by from the intent to start it on. */
export interface RunnerIdentity {
  readonly id: string;
  /** SHA-256 of the key it shows to the broker. */
  readonly keyHash: string;
}

/** Why the last start, or the runner itself, ended badly. */
export interface Failure {
  readonly error: AppError;
  readonly atMs: number;
  /** Starts that failed in a row. */
  readonly count: number;
  /** Until then a request gets the failure at once; an explicit start does not wait. */
  readonly retryAtMs: number;
}

export class RunnerSlot {
  state: RunnerState = 'stopped';
  progress: Progress = { stage: 'stopped', percent: 0, message: 'Stopped' };
  runner: LiveRunner | undefined;
  failure: Failure | undefined;
  /** The start under way; everybody who needs the runner waits for this one. */
  starting: { readonly runner: Promise<LiveRunner>; readonly abort: AbortController } | undefined;
  /** Told when the platform reports that the runner which is being started has ended. */
  onExit: ((health: Health) => void) | undefined;
  /** Of the runner that exists or is being started. */
  identity: RunnerIdentity | undefined;
  leases = 0;
  lastActiveMs = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly agent: Agent) {}

  /** Runs `work` after all earlier transitions of this agent have ended, however they ended. */
  serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
