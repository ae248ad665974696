/**
 * Which of the administrator's values all users share. `tiers.ts` decides where a shared value applies; the routes let
 * only the administrator share.
 */
import { accountsLog } from '../lib/log';
import type { CredentialsCache } from './cache';
import type { SettingsStore } from './store';

/** `marked`: variables that the administrator shares. `present`: variables for which the administrator has a value. */
export interface Sharing {
  readonly marked: ReadonlySet<string>;
  readonly present: ReadonlySet<string>;
}

/**
 * @param deps.requireVariable throws when no backend lets its users set the variable.
 * @param deps.changed called after a change, which may concern every user.
 */
export function sharing(deps: {
  settings: SettingsStore;
  known: CredentialsCache;
  requireVariable: (name: string) => void;
  changed: () => Promise<void>;
  now: () => number;
}) {
  const { settings, known, requireVariable, changed, now } = deps;
  return {
    /** Returns which variables the administrator shares and which have a value. The result is the same for every user. */
    async sharing(): Promise<Sharing> {
      const [marked, values] = await Promise.all([settings.sharedVariables(), known.ofAdmin()]);
      return { marked, present: new Set(values.keys()) };
    },

    /** Shares the administrator's values of `names` with all users, or stops sharing them. All or none. */
    async share(names: readonly string[], isShared: boolean): Promise<void> {
      for (const name of names) requireVariable(name);
      await settings.setShared(names, isShared, now());
      known.forgetShared();
      await changed();
      accountsLog.info({ variables: names, isShared }, 'credentials.shared');
    },
  };
}
