/** Limits an amount that is held at the same time, such as bytes or open requests: in total, and per holder. */
import { AppError } from './errors';

const RETRY_AFTER_SECONDS = 1;
/** Bytes. A share grows in these steps. The first step is not counted: the number of requests bounds it. */
const STEP_BYTES = 65_536;

export interface AllowanceLimits {
  /** Limit for all holders together. */
  readonly total: number;
  readonly perHolder: number;
}

export class Allowance {
  readonly #limits: AllowanceLimits;
  /** Holder → amount. Contains only holders with an amount above 0, so its size is bounded by the limits. */
  readonly #byHolder = new Map<string, number>();
  #total = 0;

  constructor(limits: AllowanceLimits) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  heldBy(holder: string): number {
    return this.#byHolder.get(holder) ?? 0;
  }

  /**
   * Takes `amount` for the holder.
   * @returns undefined; or the error `too_much_at_once` or `overloaded`, and then nothing was taken.
   */
  refusal(holder: string, amount: number): AppError | undefined {
    const held = this.heldBy(holder) + amount;
    const code =
      held > this.#limits.perHolder
        ? 'too_much_at_once'
        : this.#total + amount > this.#limits.total
          ? 'overloaded'
          : '';
    if (code !== '') return new AppError(code, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    this.#total += amount;
    if (held > 0) this.#byHolder.set(holder, held);
    return undefined;
  }

  /** Takes `amount` for the holder, until the share is ended. Throws `too_much_at_once` or `overloaded`. */
  take(holder: string, amount = 1): Share {
    const share = new Share(this, holder);
    const refusal = share.grow(amount);
    if (refusal) throw refusal;
    return share;
  }

  giveBack(holder: string, amount: number): void {
    this.#total -= amount;
    const left = this.heldBy(holder) - amount;
    if (left > 0) this.#byHolder.set(holder, left);
    else this.#byHolder.delete(holder);
  }
}

/** The part of an allowance that one piece of work holds. The part can grow; `end()` gives all of it back. */
export class Share {
  #held = 0;
  #hasEnded = false;

  constructor(
    readonly allowance: Allowance,
    readonly holder: string,
  ) {}

  /**
   * Has no effect after the end: aborted work may go on for a moment, and would hold its amount for ever.
   * @returns undefined; or the error why the share cannot grow, and then it is unchanged.
   */
  grow(amount: number): AppError | undefined {
    if (this.#hasEnded) return undefined;
    const refusal = this.allowance.refusal(this.holder, amount);
    if (!refusal) this.#held += amount;
    return refusal;
  }

  /**
   * Returns a function to call with the number of bytes of something that grows: it makes the share grow with it.
   * @param copies How many times it is in memory.
   */
  measure(copies = 1): (bytes: number) => AppError | undefined {
    let heldBytes = STEP_BYTES;
    return (bytes) => {
      let refusal: AppError | undefined;
      for (; !refusal && bytes > heldBytes; heldBytes += STEP_BYTES) refusal = this.grow(copies * STEP_BYTES);
      return refusal;
    };
  }

  /**
   * Ends this share, and returns a new one with `amount`. The amount is never given back in between, so that nobody else can take
   * it; this share grows first if it holds less. Throws `too_much_at_once` or `overloaded`, and is then unchanged.
   */
  handOn(amount: number): Share {
    const refusal = amount > this.#held ? this.grow(amount - this.#held) : undefined;
    if (refusal) throw refusal;
    const next = new Share(this.allowance, this.holder);
    next.#held = Math.min(amount, this.#held);
    this.#held -= next.#held;
    this.end();
    return next;
  }

  /** Idempotent. */
  end(): void {
    this.#hasEnded = true;
    if (this.#held > 0) this.allowance.giveBack(this.holder, this.#held);
    this.#held = 0;
  }
}
