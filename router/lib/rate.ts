/** Limits how often something happens for each key, in memory: a token bucket for each, which fills evenly. */
import { AppError } from './errors';
import { Recent } from './lru';

interface Rate {
  /** How often at once. */
  readonly max: number;
  /** Milliseconds in which this many more become free. */
  readonly perMs: number;
}

interface Bucket {
  level: number;
  /** When `level` was computed. */
  atMs: number;
}

/** Keys that are counted; the least recently used is forgotten first. */
const KEYS_MAX = 10_000;

/**
 * Returns a function that counts one for a key. It throws `too_many_requests`, and counts nothing, when that is too often.
 * @param now milliseconds of a steady clock.
 * @param what begins the sentence of the refusal: how often it may happen.
 */
export function createRate({ max, perMs }: Rate, now: () => number, what: string): (key: string) => void {
  const buckets = new Recent<string, Bucket>(KEYS_MAX);
  return (key) => {
    const atMs = now();
    const before = buckets.get(key);
    const level = before ? Math.min(max, before.level + ((atMs - before.atMs) * max) / perMs) : max;
    if (level < 1) {
      const retryAfterSeconds = Math.ceil(((1 - level) * perMs) / max / 1000);
      const message = `${what}. Try again in ${retryAfterSeconds} s.`;
      throw new AppError('too_many_requests', { message, retryAfterSeconds });
    }
    buckets.set(key, { level: level - 1, atMs });
  };
}
