/**
 * What stands between a call and its upstream: budgets, and the tokens per minute of keys. A call holds what it may use
 * at most from the check on until it has ended, so that calls side by side do not pass a limit together which each of
 * them would keep. Everything is in memory, and nothing is held for those who have no limit.
 */

import type { Source } from '../credentials/tiers';
import { AppError } from '../lib/errors';
import type { Charged, PricesService } from './prices';

/**
 * So long a call waits where only calls under way stand in its way. Longer, and a runtime that makes one call within
 * another would stand still.
 */
const WAIT_MS = 2_000;

/** Whom a call counts for: a user, and the keys whose requests it may serve. */
export interface Counted {
  readonly userId: string;
  readonly keyIds?: readonly string[] | undefined;
}

/** What a call uses, or may use. `cost` is 0 for a model without a price. */
export interface Amount {
  readonly tokens: number;
  readonly cost: number;
}

export interface Refusal {
  readonly error: AppError;
  /** Only what calls under way hold is in the way, and most of them use less. */
  readonly isHeld: boolean;
}

/** Counts what is used, and says when it is enough. Nothing here waits or throws. */
export interface Limiter {
  refusalOf(who: Counted): Refusal | undefined;
  /** @returns an idempotent release. */
  hold(who: Counted, amount: Amount): () => void;
  add(use: Counted & Amount): void;
  /** In what a hard limit counts that stands over them. */
  unitsOf(who: Counted): readonly ('tokens' | 'money')[];
}

/** A call that asks to be made. */
export interface AskedCall extends Counted {
  /** Below `/v1/`. */
  readonly path: string;
  readonly model: string;
  /** Whose credentials pay. */
  readonly source: Exclude<Source, 'unset'>;
  /** Whether an answer tells its tokens, or they can be guessed: of pictures and sounds neither is certain. */
  readonly isCountable: boolean;
  /** Whether its answer comes later, at another address, and what it has used with it. */
  readonly isBackground: boolean;
  /** What it may use at most. Only asked where there is a limit. */
  most(): Charged;
}

export type LimitsService = ReturnType<typeof limitsService>;

export function limitsService(deps: { limiters: readonly Limiter[]; prices: PricesService }) {
  const { limiters, prices } = deps;
  /** Those who wait for a call to end, the first first. */
  const waiting = new Set<() => void>();

  function wake(): void {
    const woken = [...waiting];
    waiting.clear();
    for (const wakeOne of woken) wakeOne();
  }

  /** Until a call has ended; throws the signal's reason. @returns whether one has, within `ms`. */
  function anEnd(ms: number, signal: AbortSignal): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const onEnd = () => resolve(true);
    const onAbort = () => reject(signal.reason);
    const timer = setTimeout(resolve, ms, false);
    waiting.add(onEnd);
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      waiting.delete(onEnd);
      signal.removeEventListener('abort', onAbort);
    });
  }

  const refusalOf = (who: Counted): Refusal | undefined => {
    const refusals = limiters.flatMap((limiter) => limiter.refusalOf(who) ?? []);
    // What is used up comes first: that does not pass by waiting.
    return refusals.find(({ isHeld }) => !isHeld) ?? refusals[0];
  };

  return {
    /**
     * Lets a call pass and holds what it may use at most.
     * Throws `insufficient_quota` or `rate_limit_exceeded` where a limit is reached, and `invalid_request` for a call that
     * no limit over it could count.
     * @returns an idempotent release, for the end of the call.
     */
    async admit(call: AskedCall, signal: AbortSignal): Promise<() => void> {
      if (call.source === 'shared') prices.requireShared(call.model);
      const units = limiters.flatMap((limiter) => limiter.unitsOf(call));
      if (units.length === 0) return () => undefined;
      requireCountable(call, units, prices);
      const sinceMs = performance.now();
      for (;;) {
        const refusal = refusalOf(call);
        if (!refusal) break;
        const restMs = refusal.isHeld ? WAIT_MS - (performance.now() - sinceMs) : 0;
        if (restMs <= 0 || !(await anEnd(restMs, signal))) throw refusal.error;
      }
      const most = call.most();
      const tokens = most.tokens.prompt + most.tokens.completion;
      const amount = { tokens, cost: prices.costOf(call.model, most.tokens, most.calls) ?? 0 };
      const releases = limiters.map((limiter) => limiter.hold(call, amount));
      return () => {
        for (const release of releases) release();
        wake();
      };
    },
  };
}

/** Throws for a call whose use would stay unknown to a limit over it: then that limit would be none. */
function requireCountable(call: AskedCall, units: readonly ('tokens' | 'money')[], prices: PricesService): void {
  const { model, path } = call;
  const price = prices.find(model);
  const name = model === '' ? 'a model that the request does not name' : `the model "${model}"`;
  if (units.includes('money') && call.source === 'shared' && !price) {
    throw uncounted(
      `There is no price for ${name}, and a budget of money counts what is used of the shared key. Use a model that has one or a key of your own, or ask the administrator to set a price for it.`,
    );
  }
  if (call.isBackground) {
    throw new AppError('invalid_request', {
      message: 'An answer with "background": true is not counted, so that a limit closes it. Ask without it.',
      param: 'background',
    });
  }
  if (call.isCountable) return;
  if (units.includes('tokens')) {
    throw uncounted(
      `${path} is not counted in tokens, so that a limit of tokens closes it. Ask the administrator for a budget of money in its place, and for a price per call of ${name}.`,
    );
  }
  if (price?.perCall == null) {
    throw uncounted(
      `There is no price per call for ${name}, and without one a budget of money does not count ${path}. Ask the administrator to set it.`,
    );
  }
}

function uncounted(message: string): AppError {
  return new AppError('invalid_request', { message, param: 'model' });
}
