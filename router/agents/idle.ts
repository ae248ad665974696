/** How long the runners of a user's agents may be idle before they are stopped. */
import type { BackendRegistry } from '../backends/backends';
import type { IdleStore } from './idle-store';

export interface IdleLimits {
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

export type IdleService = ReturnType<typeof idleService>;

/** Idle times in seconds: the user's setting for a backend, else the backend's, else the installation's. 0 means never stop. */
export function idleService(deps: { idle: IdleStore; backends: BackendRegistry; limits: IdleLimits }) {
  const { idle, backends, limits } = deps;
  return {
    async secondsOf(userId: string, backendName: string): Promise<number> {
      const own = (await idle.secondsOf(userId)).get(backendName);
      return own ?? backends.find(backendName)?.defaultIdleSeconds ?? limits.defaultSeconds;
    },
    /**
     * Stores the idle time, rounded and clamped to the limits; 0 for any value that is not positive. Returns the stored
     * value.
     */
    async set(userId: string, backendName: string, seconds: number): Promise<number> {
      const { minSeconds, maxSeconds } = limits;
      const stored = seconds <= 0 ? 0 : Math.min(Math.max(Math.round(seconds), minSeconds), maxSeconds);
      await idle.put(userId, backendName, stored);
      return stored;
    },
  };
}
