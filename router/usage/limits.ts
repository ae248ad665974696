/**
 * The limits between a call and its upstream: budgets, and the tokens per minute of keys. From its check to its end a
 * call holds the most that it may use, so that parallel calls do not together exceed a limit that each of them alone
 * would keep. Everything is in memory, and nothing is held for users and keys without limits.
 */

import type { Source } from '../credentials/tiers';
import type { Abortable } from '../lib/abort';
import { AppError } from '../lib/errors';
import type { Soon } from '../lib/lookup';
import type { Charged, PricesService } from './prices/prices';

/**
 * Milliseconds that a call waits when only calls under way block it. A longer wait could block a runtime that makes one
 * call within another (decision 0011).
 */
const WAIT_MS = 2_000;
const NOTHING = () => undefined;

/** The subjects that a call counts for: a user, and the keys whose requests it may serve. */
export interface Counted {
  readonly userId: string;
  readonly keyIds?: readonly string[] | undefined;
}

/** The amount that a call uses, or may use. `cost` is 0 for a model without a price. */
export interface Amount {
  readonly tokens: number;
  readonly cost: number;
}

export interface Refusal {
  readonly error: AppError;
  /** Only amounts that calls under way hold block the call; most calls use less than they hold. */
  readonly isHeld: boolean;
}

/**
 * Counts usage and says when a limit is reached: of budgets in `budgets/budgets.ts`, of keys in `accounts/keys/limits.ts`.
 * Nothing here waits or throws.
 */
export interface Limiter {
  refusalOf(who: Counted): Refusal | undefined;
  /** @returns an idempotent release. */
  hold(who: Counted, amount: Amount): () => void;
  add(use: Counted & Amount): void;
  /** The units of the hard limits that apply. */
  unitsOf(who: Counted): readonly ('tokens' | 'money')[];
}

/** A call that asks for permission. */
interface AskedCall extends Counted {
  /** The path below `/v1/`. */
  readonly path: string;
  readonly model: string;
  /** The owner of the credentials that pay. */
  readonly source: Exclude<Source, 'unset'>;
  /** Whether the answer reports its tokens, or they can be estimated: neither is certain for pictures and sounds. */
  readonly isCountable: boolean;
  /** Whether the answer, with its usage, comes later at another address. */
  readonly isBackground: boolean;
  /** The most that the call may use. Only called when a limit applies. */
  most(): Charged;
}

export type LimitsService = ReturnType<typeof limitsService>;

export function limitsService(deps: { limiters: readonly Limiter[]; prices: PricesService }) {
  const { limiters, prices } = deps;
  /** The waiting calls, the first one first. */
  const waiting = new Set<() => void>();

  function wake(): void {
    const woken = [...waiting];
    waiting.clear();
    for (const wakeOne of woken) wakeOne();
  }

  /** Waits until a call has ended; throws the signal's reason. @returns whether one has ended within `ms`. */
  function anEnd(ms: number, signal: Abortable): Promise<boolean> {
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
    // A used-up limit comes first: waiting does not help there.
    return refusals.find(({ isHeld }) => !isHeld) ?? refusals[0];
  };

  /** Holds the most that the call may use. Waits for calls under way that alone block it. */
  async function held(call: AskedCall, signal: Abortable): Promise<() => void> {
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
  }

  return {
    /**
     * Admits a call and holds the most that it may use. Throws `insufficient_quota` or `rate_limit_exceeded` when a
     * limit is reached, and `invalid_request` for a call that an applying limit could not count.
     * @returns an idempotent release, to be called at the end of the call.
     */
    admit(call: AskedCall, signal: Abortable): Soon<() => void> {
      if (call.source === 'shared') prices.requireShared(call.model);
      const units = limiters.flatMap((limiter) => limiter.unitsOf(call));
      if (units.length === 0) return NOTHING;
      requireCountable(call, units, prices);
      return held(call, signal);
    },
  };
}

/** Throws for a call whose usage an applying limit could not count: the limit would have no effect. */
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
      message:
        'A hard limit refuses "background": true, because the answer cannot be counted. Send the request without it.',
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
