/** A moment that somebody may wait for. Its promise is made by the first who does, as nearly nobody waits for most of them. */
export class Moment {
  #isOver = false;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Resolves when it has come. */
  get promise(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** It has come. Idempotent. */
  come(): void {
    this.#isOver = true;
    this.#waiting?.resolve();
  }
}
