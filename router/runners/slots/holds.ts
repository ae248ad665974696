/** Holds for requests of a runner itself, found by the key that it was given: upstream calls and callbacks. */
import type { HeldRunner, HeldSender, RunnerSlot, Work } from './slot';
import type { Slots } from './slots';

export function runnerHolds(slots: Slots) {
  return {
    /**
     * Finds the agent whose runner has the key with this SHA-256, and takes a lease for the upstream calls of that
     * runner. A runner may call while it is still starting.
     * @param workId the request that the runner says it serves. Without it, or when no such request is open, the call
     * may serve any open request.
     */
    holdByKey(keyHash: string, workId?: string | null): HeldRunner | undefined {
      const slot = slots.identities.findByKey(keyHash);
      if (!slot) return undefined;
      const named = workId ? workIn(slot, workId) : undefined;
      const { agent, works } = slot;
      const work = named ?? (works.length === 1 ? works[0] : undefined);
      return { agent, work, keyIds: keysOf(work ? [work] : works), hold: slot.hold() };
    },

    /** Like `holdByKey`, for a callback of the agent's runner, by the SHA-256 of its token. */
    holdByToken(agentId: string, tokenHash: string): HeldSender | undefined {
      const slot = slots.find(agentId);
      if (!slot || slot.identity?.callbackHash !== tokenHash) return undefined;
      return { agent: slot.agent, works: [...slot.works], hold: slot.hold() };
    },
  };
}

function workIn({ works }: RunnerSlot, workId: string): Work | undefined {
  return works.find(({ id }) => id === workId);
}

function keysOf(works: readonly Work[]): readonly string[] {
  const keyIds: string[] = [];
  for (const { keyId } of works) if (keyId !== undefined && !keyIds.includes(keyId)) keyIds.push(keyId);
  return keyIds;
}
