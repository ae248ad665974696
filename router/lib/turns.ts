/** Work by key: so much of it at once, the rest in the order in which it came, and no more in the queue than is bounded. */

export interface TurnsOptions {
  /** Of one key. */
  readonly atOnce: number;
  /** Of one key, besides those at work. */
  readonly queuedMax: number;
  /** What is thrown to one too many. */
  refusal(): Error;
}

interface Key {
  running: number;
  readonly queued: (() => void)[];
}

/** Keys do not wait for each other. Rejects with `refusal()` without a turn, or as the work does. */
export function createTurns({ atOnce, queuedMax, refusal }: TurnsOptions) {
  // Only keys with work: bounded by the requests that are open.
  const keys = new Map<string, Key>();

  return async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const key = keys.get(name) ?? { running: 0, queued: [] };
    keys.set(name, key);
    if (key.running < atOnce) key.running += 1;
    else {
      if (key.queued.length >= queuedMax) throw refusal();
      // Whoever ends hands its place on, so that nobody comes in between.
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
