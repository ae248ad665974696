/** A cache that is bounded by a size, and removes the entries first that were used least recently (LRU). */

export class Recent<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  #newest: Key | undefined;
  #size = 0;

  /**
   * @param max the largest total size. When it is exceeded, the least recently used entries are removed.
   * @param sizeOf returns the size of an entry. Default: 1, so `max` is the number of entries.
   */
  constructor(
    readonly max: number,
    readonly sizeOf: (value: Value) => number = () => 1,
  ) {}

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || key === this.#newest) return value;
    // Deleted and set again, so that the map stays in the order of use.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#newest = key;
    return value;
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#newest = key;
    this.#size += this.sizeOf(value);
    for (const [oldest] of this.#entries) {
      if (this.#size <= this.max) return;
      this.delete(oldest);
    }
  }

  /** Removes an entry. With `value`, only if that value is still the cached one. */
  delete(key: Key, value?: Value): void {
    const kept = this.#entries.get(key);
    if (kept === undefined || (value !== undefined && kept !== value)) return;
    this.#entries.delete(key);
    this.#size -= this.sizeOf(kept);
  }

  /** Returns all entries, the least recently used first. */
  entries(): IterableIterator<[Key, Value]> {
    return this.#entries.entries();
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }
}
