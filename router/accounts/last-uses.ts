/** When keys and sessions were last used: kept in memory and written in batches, because a warm request does not write. */
export class LastUses {
  readonly #atMs = new Map<string, number>();

  /** @param write writes them to the database, by their ids. */
  constructor(readonly write: (atMs: ReadonlyMap<string, number>) => Promise<void>) {}

  used(id: string, atMs: number): void {
    this.#atMs.set(id, atMs);
  }

  /** The time of a use that is not written yet. */
  unwritten(id: string): number | undefined {
    return this.#atMs.get(id);
  }

  forget(id: string): void {
    this.#atMs.delete(id);
  }

  /** Writes them. What the database refuses, and what is used while it writes, is written by the next call. */
  async flush(): Promise<void> {
    if (this.#atMs.size === 0) return;
    const batch = new Map(this.#atMs);
    await this.write(batch);
    for (const [id, atMs] of batch) if (this.#atMs.get(id) === atMs) this.#atMs.delete(id);
  }
}
