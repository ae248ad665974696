/** A hold on a runner, which is not reaped until the hold ends. Most holds are leases of requests. */
import type { Abortable } from '../../lib/abort';
import type { LiveRunner, RunnerSlot, Work } from './slot';

export class Hold {
  /** The runner that is held. Undefined until it is up. */
  runner: LiveRunner | undefined;
  /** False for a request that got no answer: its end does not renew the idle time of the runner. */
  isAnswered = true;
  readonly #slot: RunnerSlot;
  #isOpen = true;

  constructor(
    slot: RunnerSlot,
    /** The request for which the hold is taken. */
    readonly work: Work | undefined,
  ) {
    this.#slot = slot;
  }

  /** To be called when the runner is up. */
  on(runner: LiveRunner): Lease {
    this.runner = runner;
    return this as Lease;
  }

  /** Sets whether the runner has answered; true by default. */
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
