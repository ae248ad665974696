/** Amounts that calls under way may still use, by user and key. In memory: a call does not outlive the router. */
import type { Amount } from './limits';

export class Held {
  /** By the id of a user or key; only those with calls under way. */
  readonly #calls = new Map<string, Set<Amount>>();

  of(subjectId: string): Amount {
    const all = { tokens: 0, cost: 0 };
    // Added up anew each time: adding and subtracting fractions would not return to exactly zero.
    for (const { tokens, cost } of this.#calls.get(subjectId) ?? []) {
      all.tokens += tokens;
      all.cost += cost;
    }
    return all;
  }

  /** @returns an idempotent release. */
  hold(subjectIds: readonly string[], { tokens, cost }: Amount): () => void {
    const amount = { tokens, cost };
    for (const id of subjectIds) {
      const calls = this.#calls.get(id) ?? new Set();
      this.#calls.set(id, calls.add(amount));
    }
    return () => {
      for (const id of subjectIds) {
        const calls = this.#calls.get(id);
        if (calls?.delete(amount) && calls.size === 0) this.#calls.delete(id);
      }
    };
  }
}
