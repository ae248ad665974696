/** What was used last, up to a number: for what is asked for with every request and must not grow for ever. */

export class Recent<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  #newest: Key | undefined;

  /** @param max the entry that was longest not asked for goes first. */
  constructor(readonly max: number) {}

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
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#newest = key;
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.max && oldest !== undefined) this.#entries.delete(oldest);
  }

  /** With `value`: only as long as it is still the one that is kept. */
  delete(key: Key, value?: Value): void {
    if (value === undefined || this.#entries.get(key) === value) this.#entries.delete(key);
  }

  /** The longest not asked for first. */
  entries(): IterableIterator<[Key, Value]> {
    return this.#entries.entries();
  }

  get size(): number {
    return this.#entries.size;
  }
}
