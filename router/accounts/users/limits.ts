/**
 * What a user may have: runners at once, agents of one backend, and which backends. The administrator sets it for a user, or
 * for everybody; what neither has is that of the settings. Kept in memory, because every request asks.
 */
import { requireValid } from '../fields';
import type { LimitsStore, UserLimits } from './limits-store';

/** The subject of the limits of everybody. */
export const EVERYBODY = '';

/** Null: that of everybody; for everybody: that of the settings, and every backend. */
export type AskedLimits = Omit<UserLimits, 'subjectId'>;

const RUNNERS_MAX = 1_000;
const AGENTS_MAX = 1_000;
const NONE: AskedLimits = { runners: null, agents: null, backends: null };

export type UserLimitsService = ReturnType<typeof userLimitsService>;

export function userLimitsService(deps: {
  store: LimitsStore;
  /** The limits in the settings; `Infinity` where there is none. */
  defaults: { readonly runners: number; readonly agents: number };
}) {
  const { store, defaults } = deps;
  const rows = new Map<string, AskedLimits>();
  const of = (userId: string, name: 'runners' | 'agents') =>
    rows.get(userId)?.[name] ?? rows.get(EVERYBODY)?.[name] ?? defaults[name];

  return {
    defaults,

    /** Call it once, before any other method. */
    async load(): Promise<void> {
      for (const { subjectId, ...limits } of await store.list()) rows.set(subjectId, limits);
    },

    /** Returns the limits that were set for a user, or for `EVERYBODY`. */
    setFor: (subjectId: string): AskedLimits => rows.get(subjectId) ?? NONE,

    runnersOf: (userId: string): number => of(userId, 'runners'),
    agentsOf: (userId: string): number => of(userId, 'agents'),

    allows(userId: string, backend: string): boolean {
      if (rows.size === 0) return true;
      const allowed = rows.get(userId)?.backends ?? rows.get(EVERYBODY)?.backends;
      return allowed?.includes(backend) ?? true;
    },

    /** Applies from the next request on. Throws `invalid_fields`. */
    async put(subjectId: string, asked: AskedLimits, known: (backend: string) => boolean): Promise<void> {
      const { runners, agents, backends } = asked;
      const isWhole = (value: number | null, max: number) =>
        value === null || (Number.isInteger(value) && value >= 1 && value <= max);
      const unknown = backends?.find((name) => !known(name));
      requireValid({
        runners: isWhole(runners, RUNNERS_MAX) ? undefined : `A whole number from 1 to ${RUNNERS_MAX}`,
        agents: isWhole(agents, AGENTS_MAX) ? undefined : `A whole number from 1 to ${AGENTS_MAX}`,
        backends: unknown === undefined ? undefined : `There is no backend "${unknown}"`,
      });
      if (runners === null && agents === null && backends === null) {
        await store.delete(subjectId);
        rows.delete(subjectId);
        return;
      }
      await store.put({ subjectId, ...asked });
      rows.set(subjectId, asked);
    },

    /** A deleted user has none any more. */
    async remove(userId: string): Promise<void> {
      await store.delete(userId);
      rows.delete(userId);
    },
  };
}
