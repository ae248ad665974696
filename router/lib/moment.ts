/** A moment that code may wait for. Its promise is made for the first that waits, because nobody waits for most moments. */
export class Moment {
  #isOver = false;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Resolves when the moment has come. */
  get promise(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** To be called when the moment has come. Idempotent. */
  come(): void {
    this.#isOver = true;
    this.#waiting?.resolve();
  }
}
