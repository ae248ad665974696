/** What the router knows of runners, for pages, metrics and the reaper. Starts, holds and ends nothing. */
import type { Agent } from '../../agents/store';
import type { CapacityService } from '../capacity';
import type { LiveRunner, RunnerSlot, RunnerState } from './slot';
import type { Slots } from './slots';
import { type Clocks, type RunnerStatus, statusOf } from './status';

/** An agent whose runner is starting, has failed or exists. */
export interface Awake {
  readonly agent: Agent;
  readonly runner: LiveRunner | undefined;
  readonly status: RunnerStatus;
}

/** A runner that exists. */
export type Running = Awake & { readonly runner: LiveRunner };

export function runnerLookups(deps: { slots: Slots; capacity: CapacityService; clocks: Clocks }) {
  const { slots, capacity, clocks } = deps;
  const seen = (slot: RunnerSlot): Awake => ({
    agent: slot.agent,
    runner: slot.runner,
    status: statusOf(slot, clocks),
  });

  return {
    /** Whether `lease` would return without a start. */
    isWarm: (agentId: string): boolean => slots.find(agentId)?.warm !== undefined,

    /** The state of a runner that this process knows, by the runner's id. */
    stateOf: (runnerId: string): RunnerState | undefined => slots.identities.find(runnerId)?.state,

    /** Whether the agent has a runner, or one that is starting. */
    hasRunner: (agentId: string): boolean => slots.find(agentId)?.identity !== undefined,

    status: (agentId: string): RunnerStatus => statusOf(slots.find(agentId), clocks),
    /** Counts the runners by state, and the starts that wait. Does not walk them. */
    census: () => ({ states: slots.census.counts(), queuedStarts: capacity.waitingCount() }),

    /** The runner of an agent, if there is one. */
    findRunning(agentId: string): Running | undefined {
      const slot = slots.find(agentId);
      return slot?.runner && { ...seen(slot), runner: slot.runner };
    },

    /** Agents whose runner is not just stopped, in the order of their ids, after the agent `after`; at most `limit`. */
    awakeAfter(after: string, limit: number): readonly Awake[] {
      return slots
        .all()
        .filter(({ agent, runner, state }) => agent.id > after && (runner || state !== 'stopped'))
        .sort((a, b) => (a.agent.id < b.agent.id ? -1 : 1))
        .slice(0, limit)
        .map(seen);
    },

    /** Every runner that exists, with its agent. */
    running: (): readonly Running[] => slots.withRunner().map((slot) => ({ ...seen(slot), runner: slot.runner })),
  };
}
