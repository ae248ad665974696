/** Finds out whether a runner can be reached at its address, old or new, and ends one that cannot. */
import type { BackendRegistry } from '../../backends/backends';
import type { LiveRunner, RunnerSlot } from '../slots/slot';
import { answersToKey } from '../start/readiness';
import type { RunnersStore } from '../store';

/** Where a second try of a request goes: to the same runner, to a new or moved one, or nowhere. */
export type Reach = 'here' | 'elsewhere' | 'nowhere';

/** @param deps.end ends a slot's runner. @returns whether there was one. */
export function runnerReach(deps: {
  readonly backends: BackendRegistry;
  readonly runners: Pick<RunnersStore, 'update'>;
  end(slot: RunnerSlot, why: string): Promise<boolean>;
}) {
  const { end } = deps;

  /**
   * The platform reports the runner at another address. Asks the runner once at the new address, and ends it if it does
   * not answer.
   * @returns whether the runner is reachable there.
   */
  async function moved(slot: RunnerSlot, runnerId: string, url: string): Promise<boolean> {
    const { runner } = slot;
    if (runner?.id !== runnerId) return false;
    if (runner.url === url) return true;
    const there = { ...runner, url };
    if (!(await isReachable(slot, there))) return !(await endUnreachable(slot));
    await deps.runners.update(runner.id, { url });
    if (slot.runner === runner) slot.runner = there;
    return true;
  }

  /** Asks the runner once at the address where a request did not reach it, and ends it if it does not answer. */
  async function requireReachable(slot: RunnerSlot, runner: LiveRunner): Promise<Reach> {
    if (slot.runner !== runner) return 'elsewhere';
    if (await isReachable(slot, runner)) return 'here';
    // Another answer may still be under way on an older connection (law 4).
    if (slot.isAtWork) return 'nowhere';
    return (await endUnreachable(slot)) ? 'elsewhere' : 'nowhere';
  }

  /** @returns whether the runner has ended; when the platform does not answer, its state becomes `unknown`. */
  function endUnreachable(slot: RunnerSlot): Promise<boolean> {
    return end(slot, 'unreachable').catch(() => false);
  }

  /** Assumes yes when the backend is no longer configured, because its paths are then unknown. */
  async function isReachable({ agent }: RunnerSlot, { url, accessKey }: LiveRunner): Promise<boolean> {
    const backend = deps.backends.find(agent.backend);
    return backend === undefined || answersToKey({ url, backend, accessKey });
  }

  return { moved, requireReachable };
}
