/** How long the runners of a user's agents may be idle before they are stopped. */
import type { BackendRegistry } from '../backends/backends';
import type { IdleStore } from './idle-store';
import type { Agent } from './store';

interface IdleLimits {
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

export type IdleService = ReturnType<typeof idleService>;

/**
 * Idle times in seconds: the agent's own, else the user's setting for its backend, else the backend's, else the
 * installation's. 0 means never stop.
 */
export function idleService(deps: { idle: IdleStore; backends: BackendRegistry; limits: IdleLimits }) {
  const { idle, backends, limits } = deps;

  async function secondsOf(userId: string, backendName: string): Promise<number> {
    const own = (await idle.secondsOf(userId)).get(backendName);
    return own ?? backends.find(backendName)?.defaultIdleSeconds ?? limits.defaultSeconds;
  }

  /** Rounded and clamped to the limits; 0 for any value that is not positive. */
  function clamp(seconds: number): number {
    return seconds <= 0 ? 0 : Math.min(Math.max(Math.round(seconds), limits.minSeconds), limits.maxSeconds);
  }

  return {
    /** The idle time of the user's agents of a backend that have none of their own. */
    secondsOf,
    /** The idle time of an agent: its own, or else that of the user's agents of its backend. */
    secondsFor: async ({ idleSeconds, userId, backend }: Pick<Agent, 'idleSeconds' | 'userId' | 'backend'>) =>
      idleSeconds ?? secondsOf(userId, backend),
    clamp,
    /** Stores the idle time of the user's agents of a backend, clamped. Returns the stored value. */
    async set(userId: string, backendName: string, seconds: number): Promise<number> {
      const stored = clamp(seconds);
      await idle.put(userId, backendName, stored);
      return stored;
    },
  };
}
