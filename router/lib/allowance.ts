/** How much of something may be held at once, in total and by one holder: bytes, or requests that are open. */
import { AppError } from './errors';

const RETRY_AFTER_SECONDS = 1;

export interface AllowanceLimits {
  /** Of all holders together. */
  readonly total: number;
  readonly perHolder: number;
}

export class Allowance {
  readonly #limits: AllowanceLimits;
  /** Only of those who hold something, so that it is bounded by what is held. */
  readonly #byHolder = new Map<string, number>();
  #total = 0;

  constructor(limits: AllowanceLimits) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** @returns why so much more cannot be held, and takes nothing then. */
  refusal(holder: string, amount: number): AppError | undefined {
    const held = (this.#byHolder.get(holder) ?? 0) + amount;
    const code =
      held > this.#limits.perHolder
        ? 'too_much_at_once'
        : this.#total + amount > this.#limits.total
          ? 'overloaded'
          : '';
    if (code !== '') return new AppError(code, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    this.#total += amount;
    this.#byHolder.set(holder, held);
    return undefined;
  }

  /** Throws `too_much_at_once` or `overloaded`. @returns what gives it back, once however often it is called. */
  take(holder: string, amount = 1): () => void {
    const refusal = this.refusal(holder, amount);
    if (refusal) throw refusal;
    let isHeld = true;
    return () => {
      if (isHeld) this.giveBack(holder, amount);
      isHeld = false;
    };
  }

  giveBack(holder: string, amount: number): void {
    this.#total -= amount;
    const left = (this.#byHolder.get(holder) ?? 0) - amount;
    if (left > 0) this.#byHolder.set(holder, left);
    else this.#byHolder.delete(holder);
  }
}

/** What one piece of work holds of an allowance: it grows, and is given back as a whole. */
export class Share {
  #held = 0;

  constructor(
    readonly allowance: Allowance,
    readonly holder: string,
  ) {}

  /** @returns why it cannot grow, and leaves it as it was then. */
  grow(amount: number): AppError | undefined {
    const refusal = this.allowance.refusal(this.holder, amount);
    if (!refusal) this.#held += amount;
    return refusal;
  }

  /** Idempotent. */
  end(): void {
    if (this.#held > 0) this.allowance.giveBack(this.holder, this.#held);
    this.#held = 0;
  }
}
