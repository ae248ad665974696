/** Keeps a runner from being reaped, until its end. */
import type { Abortable } from '../../lib/abort';
import type { LiveRunner, RunnerSlot, Work } from './slot';

export class Hold {
  /** The runner that is held. Undefined until it is up. */
  runner: LiveRunner | undefined;
  /** Whether the runner has answered. A request without an answer does not renew the idle time. */
  isAnswered = true;
  readonly #slot: RunnerSlot;
  #isOpen = true;

  constructor(
    slot: RunnerSlot,
    /** The open request that it is taken for. */
    readonly work: Work | undefined,
  ) {
    this.#slot = slot;
  }

  /** The runner is up. */
  on(runner: LiveRunner): Lease {
    this.runner = runner;
    return this as Lease;
  }

  /** Says whether the runner has answered; yes by default. */
  answered(hasAnswered: boolean): void {
    const hasChanged = hasAnswered !== this.isAnswered;
    this.isAnswered = hasAnswered;
    if (this.#isOpen && hasChanged) this.#slot.count(hasAnswered);
  }

  /** Idempotent. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#slot.leave(this);
  }
}

/** A hold on a runner that is up. */
export interface Lease extends Hold {
  readonly runner: LiveRunner;
}

/** How a lease is taken. */
export interface LeaseOptions {
  readonly signal: Abortable;
  /** A person asked for this start: the back-off after failed starts does not apply. */
  readonly explicit?: boolean;
  readonly work?: Work;
}
