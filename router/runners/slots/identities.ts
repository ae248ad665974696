/** Finds the slot of a runner that exists or is being started, so that nobody walks all of them for each call of a runner. */
import type { RunnerIdentity, RunnerSlot } from './slot';

export class Identities {
  readonly #byId = new Map<string, RunnerSlot>();
  readonly #byKeyHash = new Map<string, RunnerSlot>();

  /** The slot has another runner. @param from absent where it had none. @param to absent where it has none. */
  changed(slot: RunnerSlot, from: RunnerIdentity | undefined, to: RunnerIdentity | undefined): void {
    if (from) {
      this.#byId.delete(from.id);
      this.#byKeyHash.delete(from.keyHash);
    }
    if (to) {
      this.#byId.set(to.id, slot);
      this.#byKeyHash.set(to.keyHash, slot);
    }
  }

  /** By the runner's id. */
  readonly find = (runnerId: string): RunnerSlot | undefined => this.#byId.get(runnerId);

  /** By the SHA-256 of the key that the runner sends to the broker. */
  findByKey(keyHash: string): RunnerSlot | undefined {
    return this.#byKeyHash.get(keyHash);
  }
}
