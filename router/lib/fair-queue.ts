/** A queue in which users take turns. The items of one user are served in the order in which they were added. */
export class FairQueue<T extends { readonly userId: string }> {
  /** User → items, in the order of turns: the next user comes first. Contains no empty lists. */
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

  /** Returns all items in the order of service: the first item of each user, then the second of each user, … */
  inTurn(): readonly T[] {
    const queues = [...this.#byUser.values()];
    const rounds = Math.max(0, ...queues.map(({ length }) => length));
    return Array.from({ length: rounds }, (_, round) =>
      queues.flatMap((queue) => queue.slice(round, round + 1)),
    ).flat();
  }

  /** Removes the item because its turn has come. Its user goes to the end of the turns. */
  serve(one: T): void {
    const rest = this.of(one.userId).filter((other) => other !== one);
    this.#byUser.delete(one.userId);
    if (rest.length > 0) this.#byUser.set(one.userId, rest);
  }

  /** Removes the item without using the turn of its user: the user's next item gets the turn. */
  remove(one: T): void {
    const rest = this.of(one.userId).filter((other) => other !== one);
    if (rest.length > 0) this.#byUser.set(one.userId, rest);
    else this.#byUser.delete(one.userId);
  }
}
