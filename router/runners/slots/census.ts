/** Counts the agents' runners by backend and state as they change, so that nobody walks all of them to know how many there are. */
import type { RunnerState } from './slot';

/** How many runners of a backend are in a state; also 0 for one that had been. */
export interface Counted {
  readonly backend: string;
  readonly state: RunnerState;
  readonly count: number;
}

export class Census {
  readonly #counts = new Map<string, Map<RunnerState, number>>();

  /** @param from absent for a new agent. @param to absent for a deleted one. */
  moved(backend: string, from: RunnerState | undefined, to: RunnerState | undefined): void {
    const counts = this.#counts.get(backend) ?? new Map<RunnerState, number>();
    this.#counts.set(backend, counts);
    if (from) counts.set(from, (counts.get(from) ?? 0) - 1);
    if (to) counts.set(to, (counts.get(to) ?? 0) + 1);
  }

  counts(): readonly Counted[] {
    return [...this.#counts].flatMap(([backend, counts]) =>
      Array.from(counts, ([state, count]) => ({ backend, state, count })),
    );
  }
}
