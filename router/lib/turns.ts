/** Limits parallel work per key. Work beyond the limit waits in a bounded queue, first in, first out. */

interface TurnsOptions {
  /** How much work of one key runs at once. */
  readonly atOnce: number;
  /** How much work of one key may wait in its queue. */
  readonly queuedMax: number;
  /** Makes the error for work that finds the queue full. */
  refusal(): Error;
}

interface Key {
  running: number;
  readonly queued: (() => void)[];
}

/**
 * Returns a function that runs work for a key. It rejects with `refusal()` when the queue of the key is full, or with the
 * error of the work. Different keys do not wait for each other.
 */
export function createTurns({ atOnce, queuedMax, refusal }: TurnsOptions) {
  // Contains only keys with work, so its size is bounded by the open requests.
  const keys = new Map<string, Key>();

  return async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const key = keys.get(name) ?? { running: 0, queued: [] };
    keys.set(name, key);
    if (key.running < atOnce) key.running += 1;
    else {
      if (key.queued.length >= queuedMax) throw refusal();
      // Work that ends passes its slot directly to the next in the queue, so that new work cannot overtake.
      await new Promise<void>((resolve) => key.queued.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = key.queued.shift();
      if (next) next();
      else {
        key.running -= 1;
        if (key.running === 0) keys.delete(name);
      }
    }
  };
}
