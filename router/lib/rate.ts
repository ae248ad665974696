/** Limits how often something happens for each key, in memory: a token bucket for each, which fills evenly. */
import { AppError } from './errors';
import { Recent } from './lru';

export interface Rate {
  /** How often at once. */
  readonly max: number;
  /** Milliseconds in which this many more become free. */
  readonly perMs: number;
}

export interface Bucket {
  /** How many are free. */
  level: number;
  /** When `level` was computed. */
  atMs: number;
}

/** The bucket, filled up to a time; a full one if there was none. */
export function filled(bucket: Bucket | undefined, { max, perMs }: Rate, atMs: number): Bucket {
  const level = bucket ? Math.min(max, bucket.level + ((atMs - bucket.atMs) * max) / perMs) : max;
  return { level, atMs };
}

/** Keys that are counted; the least recently used is forgotten first. */
const KEYS_MAX = 10_000;

/**
 * Returns a function that counts one for a key. It throws `too_many_requests`, and counts nothing, when that is too often.
 * @param now milliseconds of a steady clock.
 * @param what begins the sentence of the refusal: how often it may happen.
 */
export function createRate(rate: Rate, now: () => number, what: string): (key: string) => void {
  const buckets = new Recent<string, Bucket>(KEYS_MAX);
  return (key) => {
    const { level, atMs } = filled(buckets.get(key), rate, now());
    if (level < 1) {
      const retryAfterSeconds = Math.ceil(((1 - level) * rate.perMs) / rate.max / 1000);
      const message = `${what}. Try again in ${retryAfterSeconds} s.`;
      throw new AppError('too_many_requests', { message, retryAfterSeconds });
    }
    buckets.set(key, { level: level - 1, atMs });
  };
}
