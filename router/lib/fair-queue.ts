/** A queue in which users take turns, and what one user has put into it is served in the order in which it came. */
export class FairQueue<T extends { readonly userId: string }> {
  /** Whose turn is next comes first. Nobody is in it with nothing. */
  readonly #byUser = new Map<string, readonly T[]>();

  get isEmpty(): boolean {
    return this.#byUser.size === 0;
  }

  of(userId: string): readonly T[] {
    return this.#byUser.get(userId) ?? [];
  }

  add(one: T): void {
    this.#byUser.set(one.userId, [...this.of(one.userId), one]);
  }

  /** The order in which they are served: everybody's first, then everybody's second … */
  inTurn(): readonly T[] {
    const queues = [...this.#byUser.values()];
    const rounds = Math.max(0, ...queues.map(({ length }) => length));
    return Array.from({ length: rounds }, (_, round) =>
      queues.flatMap((queue) => queue.slice(round, round + 1)),
    ).flat();
  }

  /** Its turn has come: what else its user waits for is behind everybody's first. */
  serve(one: T): void {
    const rest = this.of(one.userId).filter((other) => other !== one);
    this.#byUser.delete(one.userId);
    if (rest.length > 0) this.#byUser.set(one.userId, rest);
  }

  /** It leaves without its turn, which the next of its user has then. */
  remove(one: T): void {
    const rest = this.of(one.userId).filter((other) => other !== one);
    if (rest.length > 0) this.#byUser.set(one.userId, rest);
    else this.#byUser.delete(one.userId);
  }
}
