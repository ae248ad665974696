/** One slot for each agent that had a runner, or asked for one, since the router began. */
import type { Agent } from '../../agents/store';
import { Census } from './census';
import { Identities } from './identities';
import { type LiveRunner, RunnerSlot } from './slot';

export class Slots {
  readonly #slots = new Map<string, RunnerSlot>();
  readonly census = new Census();
  /** By runners that exist or are being started. */
  readonly identities = new Identities();

  constructor(
    /** The steady clock. */
    readonly steady: () => number,
    /** Called when the last hold on a runner has ended. */
    readonly onFree: (slot: RunnerSlot) => void,
  ) {}

  /** The slot of an agent, made when there is none. */
  of(agent: Agent): RunnerSlot {
    const known = this.#slots.get(agent.id);
    if (known) return known;
    const slot = new RunnerSlot(agent, this);
    this.#slots.set(agent.id, slot);
    return slot;
  }

  readonly find = (agentId: string): RunnerSlot | undefined => this.#slots.get(agentId);

  all(): readonly RunnerSlot[] {
    return [...this.#slots.values()];
  }

  /** Returns the slots that have a runner. */
  withRunner(): readonly (RunnerSlot & { readonly runner: LiveRunner })[] {
    return this.all().filter((slot): slot is RunnerSlot & { readonly runner: LiveRunner } => slot.runner !== undefined);
  }

  /** The agent has been deleted. */
  leave(slot: RunnerSlot): void {
    const { id } = slot.agent;
    if (this.#slots.get(id) === slot && this.#slots.delete(id)) slot.retire();
  }
}
