/** How long the runners of a user's agents may be idle. */
import type { BackendRegistry } from '../backends/backends';
import type { IdleStore } from './idle-store';

export interface IdleLimits {
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

export type IdleService = ReturnType<typeof idleService>;

/** Idle times: the user's for a backend, else the backend's, else the installation's. 0 means never. */
export function idleService(deps: { idle: IdleStore; backends: BackendRegistry; limits: IdleLimits }) {
  const { idle, backends, limits } = deps;
  return {
    async secondsOf(userId: string, backendName: string): Promise<number> {
      const own = (await idle.secondsOf(userId)).get(backendName);
      return own ?? backends.find(backendName)?.defaultIdleSeconds ?? limits.defaultSeconds;
    },
    /** Stores 0 for anything that is not positive, else the value within the limits; returns what was stored. */
    async set(userId: string, backendName: string, seconds: number): Promise<number> {
      const { minSeconds, maxSeconds } = limits;
      const stored = seconds <= 0 ? 0 : Math.min(Math.max(Math.round(seconds), minSeconds), maxSeconds);
      await idle.put(userId, backendName, stored);
      return stored;
    },
  };
}
