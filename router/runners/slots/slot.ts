/**
 * The router's knowledge of one agent's runner: state, leases, progress, and the queue that makes its transitions
 * serial (law 5). One slot per agent; agents share nothing (law 1).
 */
import type { Driver, Handle, Health } from '../../../drivers/driver';
import type { Agent } from '../../agents/store';
import type { AppError } from '../../lib/errors';
import { within } from '../../lib/time';
import { Hold } from './hold';
import type { Slots } from './slots';

export type RunnerState = 'stopped' | 'starting' | 'running' | 'stopping' | 'failed' | 'unknown' | 'paused';

type Stage = 'stopped' | 'queued' | 'creating' | 'image_pull' | 'starting' | 'health_wait' | 'ready' | 'error';

/** The progress of a start. `percent` only grows within one start. */
export interface Progress {
  readonly stage: Stage;
  readonly percent: number;
  readonly message: string;
  /** In the stage `queued`: the place in the queue, from 1. */
  readonly place?: number;
}

/** A runner that has been started: its address and its key. */
export interface LiveRunner {
  readonly id: string;
  readonly agentId: string;
  readonly driver: Driver;
  readonly handle: Handle;
  /** The address at which the router reaches it now. */
  readonly url: string;
  /** The key that the router sends to the runner. */
  readonly accessKey: string;
  /** `fingerprint` of the spec with which it was started; null when the router crashed before it was stored. */
  readonly specHash: string | null;
  readonly startedAtMs: number;
}

/** A runner from an earlier life of the router, and the SHA-256 of the key that it sends to the broker. */
export interface Adopted {
  readonly runner: LiveRunner;
  readonly keyHash: string;
  /** SHA-256 of the token that it sends with its callbacks; null for a runner without one. */
  readonly callbackHash: string | null;
}

/** The ids of a runner, from the intent to start it on. */
export interface RunnerIdentity {
  readonly id: string;
  /** SHA-256 of the key that the runner sends to the broker. */
  readonly keyHash: string;
  /** SHA-256 of the token that the runner sends with its callbacks; null for a runner without one. */
  readonly callbackHash: string | null;
}

/** Attribution for the upstream calls that a runner makes during a request. */
export interface Work {
  /** Known only to the router and the runner, which may send it back with its upstream calls. */
  readonly id?: string | undefined;
  readonly conversationId?: string | undefined;
  readonly keyId?: string | undefined;
  /** Headers of the trace that the work belongs to, while tracing is on. */
  trace?: Readonly<Record<string, string>> | undefined;
}

/** A hold that the router takes for a request of the runner itself. */
interface OwnHold {
  readonly agent: Agent;
  readonly hold: Hold;
}

/** A hold for an upstream call. It has no list of the open requests, because there may be as many calls as requests. */
export interface HeldRunner extends OwnHold {
  /** The request that the call serves, where that is certain: the one that the runner named, or the only open one. */
  readonly work: Work | undefined;
  /** The keys of the requests that the call may serve, each once. */
  readonly keyIds: readonly string[];
}

/** A hold for a callback. */
export interface HeldSender extends OwnHold {
  /** The open requests. */
  readonly works: readonly Work[];
}

/** The end of a runner that had been ready. */
export interface RunnerEnd {
  readonly runnerId: string;
  /** Whether the end was requested; then no new runner is started in its place. */
  readonly isAsked: boolean;
  /** The error for an answer that was under way. Never rejects. */
  readonly error: Promise<AppError>;
}

/** Why the last start failed, or why the runner ended. */
export interface Failure {
  readonly error: AppError;
  /** Starts that failed in a row. */
  readonly count: number;
  /** By the steady clock: until then requests are refused with the error; an explicit start does not wait. */
  readonly retryAtMs: number;
}

export const STOPPED: Progress = { stage: 'stopped', percent: 0, message: 'Stopped' };

export class RunnerSlot {
  #state: RunnerState = 'stopped';
  progress: Progress = STOPPED;
  runner: LiveRunner | undefined;
  failure: Failure | undefined;
  /** The start under way; all requests that need the runner wait for this one. */
  starting: { readonly runner: Promise<LiveRunner>; readonly abort: AbortController } | undefined;
  /** Called when the platform reports the end of the runner that is being started. */
  onExit: ((health: Health) => void) | undefined;
  #identity: RunnerIdentity | undefined;
  /** The last end: one that has happened or is under way. */
  end: RunnerEnd | undefined;
  /** Id of a runner that is known to be stale: its spec differs from the one it would get now. */
  staleId: string | undefined;
  leases = 0;
  /** How many of the leases got no answer: they do not keep an unreachable runner from being ended. */
  unanswered = 0;
  /** The open requests among the leases. */
  readonly works: Work[] = [];
  /** By the steady clock; 0 before the first work. */
  lastActiveMs = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #quiet: PromiseWithResolvers<void> | undefined;

  /** @param agent as it is in the database. */
  constructor(
    public agent: Agent,
    readonly among: Pick<Slots, 'census' | 'identities' | 'steady' | 'onFree'>,
  ) {
    among.census.moved(agent.backend, undefined, 'stopped');
  }

  get state(): RunnerState {
    return this.#state;
  }

  set state(next: RunnerState) {
    this.among.census.moved(this.agent.backend, this.#state, next);
    this.#state = next;
  }

  /** The runner that exists or is being started. */
  get identity(): RunnerIdentity | undefined {
    return this.#identity;
  }

  set identity(next: RunnerIdentity | undefined) {
    this.among.identities.changed(this, this.#identity, next);
    this.#identity = next;
  }

  /** The agent has been deleted: the slot leaves the census, is found no more and is not used again. */
  retire(): void {
    this.identity = undefined;
    this.among.census.moved(this.agent.backend, this.#state, undefined);
  }

  /** Runs `work` after all earlier transitions of this agent have ended, whether they succeeded or failed. */
  serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  hold(work?: Work): Hold {
    this.leases += 1;
    if (work) this.works.push(work);
    return new Hold(this, work);
  }

  /** Called when a hold that counted as answered got no answer, or the reverse. */
  count(hasAnswered: boolean): void {
    this.unanswered += hasAnswered ? -1 : 1;
    this.#tellQuiet();
  }

  /** Called at the end of a hold. */
  leave({ work, isAnswered }: Hold): void {
    this.leases -= 1;
    if (work) this.works.splice(this.works.indexOf(work), 1);
    if (isAnswered) this.lastActiveMs = this.among.steady();
    else this.unanswered -= 1;
    this.#tellQuiet();
    if (this.leases === 0) this.among.onFree(this);
  }

  /** Whether an answer may be under way: there is a lease that is not known to have got none. */
  get isAtWork(): boolean {
    return this.leases > this.unanswered;
  }

  /** Waits until no answer may be under way, at most `ms`. @returns whether that is so. */
  async quiet(ms: number): Promise<boolean> {
    if (!this.isAtWork) return true;
    this.#quiet ??= Promise.withResolvers<void>();
    await within(ms, this.#quiet.promise);
    return !this.isAtWork;
  }

  #tellQuiet(): void {
    if (this.isAtWork) return;
    this.#quiet?.resolve();
    this.#quiet = undefined;
  }

  /** The runner to which requests may go now. In the state `unknown` the runner probably still works. */
  get warm(): LiveRunner | undefined {
    const isUp = this.state === 'running' || this.state === 'unknown';
    // The state of a runner that ended by itself stays `running` until its last output is read.
    return isUp && this.end?.runnerId !== this.runner?.id ? this.runner : undefined;
  }

  /** Whether the runner ends as soon as it has no lease, because it would be started with another spec now. */
  get isStale(): boolean {
    return this.runner !== undefined && this.runner.id === this.staleId;
  }

  /** Aborts a start under way. A request that comes later gets a new start, after this one has ended. */
  abortStart(reason: AppError): boolean {
    const { starting } = this;
    this.starting = undefined;
    starting?.abort.abort(reason);
    return starting !== undefined;
  }
}
