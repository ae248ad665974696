/**
 * Limits of a key per minute and at once. Counted in memory, because every request is checked; a restart of the router
 * clears the counters. Each limit is a token bucket (`lib/rate.ts`) that holds one minute's worth: a client may spend it
 * at once and then continues at the limit's rate, so that two minutes' worth cannot be spent around the turn of a minute.
 */
import { AppError } from '../../lib/errors';
import { type Bucket, filled } from '../../lib/rate';
import type { Key } from './store';

const MINUTE_MS = 60_000;
/** Counters that are kept before the full ones, which limit nothing, are discarded. */
const COUNTERS_MAX = 10_000;

/** The limits of a key; null means no limit. */
type LimitedKey = Pick<Key, 'id' | 'requestsPerMinute' | 'tokensPerMinute' | 'concurrentMax'>;

/** The current state of a limit. */
export interface LimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until the bucket is full again. */
  readonly resetMs: number;
}

interface LimitStates {
  readonly requests?: LimitState;
  readonly tokens?: LimitState;
}

interface Counter {
  requests?: Bucket;
  /** Below zero when a call used more than was left, because tokens are known only afterwards. */
  tokens?: Bucket;
  /** The key's limit at its last request. */
  tokensPerMinute: number | null;
  /** Tokens that calls under way may use. */
  heldTokens: number;
  /** The key's open requests. */
  open: number;
}

/** The keys whose requests a call may serve. */
interface Served {
  readonly keyIds?: readonly string[] | undefined;
}

export type RateLimitsService = ReturnType<typeof rateLimitsService>;

/** @param deps.now milliseconds of a steady clock: if the clock were set back a day, a minute would last a day. */
export function rateLimitsService({ now }: { readonly now: () => number }) {
  const counters = new Map<string, Counter>();

  function counterOf(keyId: string): Counter {
    const known = counters.get(keyId);
    if (known) return known;
    if (counters.size >= COUNTERS_MAX) forgetIdle();
    const counter: Counter = { tokensPerMinute: null, heldTokens: 0, open: 0 };
    counters.set(keyId, counter);
    return counter;
  }

  function forgetIdle(): void {
    const longAgoMs = now() - MINUTE_MS;
    const isIdle = (bucket?: Bucket) => !bucket || (bucket.level >= 0 && bucket.atMs < longAgoMs);
    for (const [id, { open, heldTokens, requests, tokens }] of counters) {
      if (open === 0 && heldTokens === 0 && isIdle(requests) && isIdle(tokens)) counters.delete(id);
    }
  }

  const filledNow = (bucket: Bucket | undefined, limit: number): Bucket =>
    filled(bucket, { max: limit, perMs: MINUTE_MS }, now());

  function stateOf(bucket: Bucket | undefined, limit: number): LimitState {
    const { level } = filledNow(bucket, limit);
    return {
      limit,
      remaining: Math.max(0, Math.floor(level)),
      resetMs: Math.ceil(((limit - level) * MINUTE_MS) / limit),
    };
  }

  /** The counters of the keys that have a token limit. */
  function limitedOf({ keyIds = [] }: Served): readonly { counter: Counter; limit: number }[] {
    return keyIds.flatMap((id) => {
      const counter = counters.get(id);
      return counter && counter.tokensPerMinute !== null ? [{ counter, limit: counter.tokensPerMinute }] : [];
    });
  }

  return {
    /**
     * Counts one request of the key. Throws `rate_limit_exceeded` when a limit is reached; the refused request does not
     * count.
     * @returns an idempotent release, to be called at the end of the request.
     */
    take(key: LimitedKey): () => void {
      const { requestsPerMinute, tokensPerMinute, concurrentMax } = key;
      if (!isLimited(key)) return () => undefined;
      const counter = counterOf(key.id);
      counter.tokensPerMinute = tokensPerMinute;
      if (concurrentMax !== null && counter.open >= concurrentMax) throw tooManyAtOnce(concurrentMax);
      if (tokensPerMinute !== null) {
        counter.tokens = filledNow(counter.tokens, tokensPerMinute);
        if (counter.tokens.level < 1) throw tooFast('tokens', tokensPerMinute, 1 - counter.tokens.level);
      }
      if (requestsPerMinute !== null) {
        counter.requests = filledNow(counter.requests, requestsPerMinute);
        if (counter.requests.level < 1) throw tooFast('requests', requestsPerMinute, 1 - counter.requests.level);
        counter.requests.level -= 1;
      }
      counter.open += 1;
      let isOpen = true;
      return () => {
        if (isOpen) counter.open -= 1;
        isOpen = false;
      };
    },

    /**
     * The reason why a call for requests of these keys may not be made now. `isHeld`: only calls under way block it.
     */
    refusalOf(served: Served): { readonly error: AppError; readonly isHeld: boolean } | undefined {
      const refusals = limitedOf(served).flatMap(({ counter, limit }) => {
        const { level } = filledNow(counter.tokens, limit);
        if (level < 1) return { error: tooFast('tokens', limit, 1 - level), isHeld: false };
        return level - counter.heldTokens < 1 ? { error: taken(limit), isHeld: true } : [];
      });
      return refusals.find(({ isHeld }) => !isHeld) ?? refusals[0];
    },

    /** Holds the most that a call may use. @returns an idempotent release. */
    hold(served: Served, { tokens }: { readonly tokens: number }): () => void {
      const held = limitedOf(served).map(({ counter }) => counter);
      for (const counter of held) counter.heldTokens += tokens;
      return () => {
        for (const counter of held.splice(0)) counter.heldTokens -= tokens;
      };
    },

    unitsOf: (served: Served): readonly 'tokens'[] => limitedOf(served).map(() => 'tokens' as const),

    /** Counts the tokens that a call has used. */
    add({ keyIds = [], tokens }: Served & { readonly tokens: number }): void {
      for (const id of keyIds) {
        const bucket = counters.get(id)?.tokens;
        if (bucket) bucket.level -= tokens;
      }
    },

    /** Discards the counters of a deleted key. */
    forget(keyId: string): void {
      counters.delete(keyId);
    },

    /** The state of each limit that the key has. */
    statesOf({ id, requestsPerMinute, tokensPerMinute }: LimitedKey): LimitStates {
      const counter = counters.get(id);
      return {
        ...(requestsPerMinute !== null && { requests: stateOf(counter?.requests, requestsPerMinute) }),
        ...(tokensPerMinute !== null && { tokens: stateOf(counter?.tokens, tokensPerMinute) }),
      };
    },
  };
}

export function isLimited({ requestsPerMinute, tokensPerMinute, concurrentMax }: LimitedKey): boolean {
  return requestsPerMinute !== null || tokensPerMinute !== null || concurrentMax !== null;
}

/** @param missing the amount that must fill up before the next request is accepted. */
function tooFast(unit: 'requests' | 'tokens', limit: number, missing: number): AppError {
  const retryAfterSeconds = Math.max(1, Math.ceil((missing * 60) / limit));
  const amount = limit === 1 ? `one ${unit.slice(0, -1)}` : `${limit.toLocaleString('en')} ${unit}`;
  const used = limit === 1 ? 'it' : 'them';
  return new AppError('rate_limit_exceeded', {
    message: `This API key may use ${amount} a minute and has used ${used}. Try again in ${retryAfterSeconds} s.`,
    retryAfterSeconds,
  });
}

function tooManyAtOnce(limit: number): AppError {
  const requests = limit === 1 ? 'one request' : `${limit} requests`;
  return new AppError('rate_limit_exceeded', {
    message: `This API key allows ${requests} at once. Try again when one has ended.`,
    retryAfterSeconds: 1,
  });
}

/** The error when calls under way hold all that is left. */
function taken(limit: number): AppError {
  return new AppError('rate_limit_exceeded', {
    message: `This API key may use ${limit.toLocaleString('en')} tokens a minute, and open calls have reserved the rest. Try again when one has ended.`,
    retryAfterSeconds: 1,
  });
}
