/**
 * What a key may do in a minute and at once. Counted in memory and without waiting, since every request is asked about;
 * a restart of the router forgives.
 *
 * Each limit is a bucket that holds a minute's worth and fills up evenly: a client may spend it at once and then goes on
 * at the rate of the limit, and no two minutes of work fit around the turn of one.
 */
import { AppError } from '../lib/errors';
import type { Key } from './keys-store';

const MINUTE_MS = 60_000;
/** How many keys' counters are kept before those that are full, and so worth nothing, are thrown away. */
const COUNTERS_MAX = 10_000;

/** The limits of a key; null where there is none. */
export type LimitedKey = Pick<Key, 'id' | 'requestsPerMinute' | 'tokensPerMinute' | 'concurrentMax'>;

/** How a limit stands. */
export interface LimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Until all of it is there again. */
  readonly resetMs: number;
}

export interface LimitStates {
  readonly requests?: LimitState;
  readonly tokens?: LimitState;
}

/** A minute's worth of something. Below zero when more was used than there was, as tokens are known only afterwards. */
interface Bucket {
  level: number;
  /** When the level was this. */
  atMs: number;
}

interface Counter {
  requests?: Bucket;
  tokens?: Bucket;
  /** The key's limit when it last asked. */
  tokensPerMinute: number | null;
  /** What calls under way may use. */
  heldTokens: number;
  /** The key's requests that have not ended. */
  open: number;
}

/** The keys whose requests a call may serve. */
interface Served {
  readonly keyIds?: readonly string[] | undefined;
}

export type RateLimitsService = ReturnType<typeof rateLimitsService>;

/** @param deps.now milliseconds of a clock that is not set: set back a day, a minute would last a day. */
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

  /** The bucket as it is now. */
  function filled(bucket: Bucket | undefined, limit: number): Bucket {
    const atMs = now();
    const level = bucket ? bucket.level + ((atMs - bucket.atMs) * limit) / MINUTE_MS : limit;
    return { level: Math.min(limit, level), atMs };
  }

  function stateOf(bucket: Bucket | undefined, limit: number): LimitState {
    const { level } = filled(bucket, limit);
    return {
      limit,
      remaining: Math.max(0, Math.floor(level)),
      resetMs: Math.ceil(((limit - level) * MINUTE_MS) / limit),
    };
  }

  /** Those of the keys whose tokens are limited. */
  function limitedOf({ keyIds = [] }: Served): readonly { counter: Counter; limit: number }[] {
    return keyIds.flatMap((id) => {
      const counter = counters.get(id);
      return counter && counter.tokensPerMinute !== null ? [{ counter, limit: counter.tokensPerMinute }] : [];
    });
  }

  return {
    /**
     * Takes one of the key's requests. Throws `rate_limit_exceeded` when a limit is reached; that request does not count.
     * @returns an idempotent release, for the end of the request.
     */
    take(key: LimitedKey): () => void {
      const { requestsPerMinute, tokensPerMinute, concurrentMax } = key;
      if (!isLimited(key)) return () => undefined;
      const counter = counterOf(key.id);
      counter.tokensPerMinute = tokensPerMinute;
      if (concurrentMax !== null && counter.open >= concurrentMax) throw tooManyAtOnce(concurrentMax);
      if (tokensPerMinute !== null) {
        counter.tokens = filled(counter.tokens, tokensPerMinute);
        if (counter.tokens.level < 1) throw tooFast('tokens', tokensPerMinute, 1 - counter.tokens.level);
      }
      if (requestsPerMinute !== null) {
        counter.requests = filled(counter.requests, requestsPerMinute);
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

    /** Why a call for requests of these keys may not be made now. `isHeld`: only calls under way stand in its way. */
    refusalOf(served: Served): { readonly error: AppError; readonly isHeld: boolean } | undefined {
      const refusals = limitedOf(served).flatMap(({ counter, limit }) => {
        const { level } = filled(counter.tokens, limit);
        if (level < 1) return { error: tooFast('tokens', limit, 1 - level), isHeld: false };
        return level - counter.heldTokens < 1 ? { error: taken(limit), isHeld: true } : [];
      });
      return refusals.find(({ isHeld }) => !isHeld) ?? refusals[0];
    },

    /** Holds what a call may use at most. @returns an idempotent release. */
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

    /** A key that is gone is limited no more. */
    forget(keyId: string): void {
      counters.delete(keyId);
    },

    /** Of the limits that the key has. */
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

/** @param missing how much has to come in before the next request is taken. */
function tooFast(unit: 'requests' | 'tokens', limit: number, missing: number): AppError {
  const retryAfterSeconds = Math.max(1, Math.ceil((missing * 60) / limit));
  return new AppError('rate_limit_exceeded', {
    message: `This API key may use ${limit.toLocaleString('en')} ${unit} a minute, and has. Try again in ${retryAfterSeconds} s.`,
    retryAfterSeconds,
  });
}

function tooManyAtOnce(limit: number): AppError {
  const requests = limit === 1 ? 'one request' : `${limit} requests`;
  return new AppError('rate_limit_exceeded', {
    message: `This API key may have ${requests} under way at once. Try again when one has ended.`,
    retryAfterSeconds: 1,
  });
}

/** All that is left is held by calls under way. */
function taken(limit: number): AppError {
  return new AppError('rate_limit_exceeded', {
    message: `This API key may use ${limit.toLocaleString('en')} tokens a minute, and calls under way may use what is left of them. Try again when one has ended.`,
    retryAfterSeconds: 1,
  });
}
