/** What was used last, up to a size: for what is asked for with every request and must not grow for ever. */

export class Recent<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  #newest: Key | undefined;
  #size = 0;

  /**
   * @param max the entry that was longest not asked for goes first.
   * @param sizeOf what an entry counts: without it, `max` is their number.
   */
  constructor(
    readonly max: number,
    readonly sizeOf: (value: Value) => number = () => 1,
  ) {}

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || key === this.#newest) return value;
    // Set anew, so that the map is in the order of use.
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

  /** With `value`: only as long as it is still the one that is kept. */
  delete(key: Key, value?: Value): void {
    const kept = this.#entries.get(key);
    if (kept === undefined || (value !== undefined && kept !== value)) return;
    this.#entries.delete(key);
    this.#size -= this.sizeOf(kept);
  }

  /** The longest not asked for first. */
  entries(): IterableIterator<[Key, Value]> {
    return this.#entries.entries();
  }

  /** How many there are. */
  get size(): number {
    return this.#entries.size;
  }
}
