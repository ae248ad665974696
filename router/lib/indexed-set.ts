/**
 * Things that come and go many times a second. In a `Set` each of them would live on until the next full collection of
 * garbage: the tables that a set has outgrown still lead to those that replaced them, and what is old keeps what is new
 * (measured on Bun 1.4.5: a quarter of a request's time).
 */

/** What can be in one crowd at a time. */
export interface Member {
  /** The crowd's own note. */
  place?: number | undefined;
}

export class Crowd<One extends Member> {
  readonly #all: One[] = [];

  get size(): number {
    return this.#all.length;
  }

  /** Idempotent. */
  add(one: One): void {
    if (one.place === undefined) one.place = this.#all.push(one) - 1;
  }

  /** Idempotent. */
  delete(one: One): void {
    const { place } = one;
    if (place === undefined) return;
    one.place = undefined;
    const last = this.#all.pop();
    if (last === undefined || last === one) return;
    this.#all[place] = last;
    last.place = place;
  }

  /** Those who are there now, in no order. */
  toArray(): One[] {
    return [...this.#all];
  }
}
