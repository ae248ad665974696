/**
 * What users have set, in clear and in memory only: every broker call needs it, and one agent makes many. A change
 * forgets what is known, so that the next call sees it (law 16). Plain values are never logged.
 */

import type { UsersStore } from '../accounts/store';
import { ownerOf } from '../database/sealing';
import { Recent } from '../lib/lru';
import type { Vault } from '../lib/vault';
import type { SettingsStore } from './store';
import type { Values } from './tiers';

/** Of how many users values are kept. */
const USERS_MAX = 1000;

/** Scope ('' for all backends) → variable → plain value. */
export type Scopes = ReadonlyMap<string, Values>;

export interface CacheDeps {
  readonly settings: SettingsStore;
  readonly users: Pick<UsersStore, 'findAdmin'>;
  readonly vault: Vault;
}

export function credentialsCache({ settings, users, vault }: CacheDeps) {
  // Promises, not values: one that was begun before a change is forgotten with it and never comes back.
  const byUser = new Recent<string, Promise<Scopes>>(USERS_MAX);
  let shared: Promise<Values> | undefined;

  async function load(userId: string): Promise<Scopes> {
    const scopes = new Map<string, Map<string, string>>();
    for (const { backend, name, sealed } of await settings.credentialsOf(userId)) {
      const scope = scopes.get(backend) ?? new Map<string, string>();
      scopes.set(backend, scope.set(name, vault.open(sealed, ownerOf({ kind: 'credential', userId, backend, name }))));
    }
    return scopes;
  }

  function of(userId: string): Promise<Scopes> {
    const found = byUser.get(userId);
    if (found) return found;
    const values = load(userId);
    byUser.set(userId, values);
    values.catch(() => byUser.delete(userId, values));
    return values;
  }

  /** The administrator's values for all backends: those that can be shared. */
  async function ofAdmin(): Promise<Values> {
    const admin = await users.findAdmin();
    return (admin && (await of(admin.id)).get('')) ?? new Map();
  }

  async function loadShared(): Promise<Values> {
    const [marked, values] = await Promise.all([settings.sharedVariables(), ofAdmin()]);
    return new Map([...values].filter(([name]) => marked.has(name)));
  }

  function forget(userId: string): void {
    byUser.delete(userId);
    // It may have been the administrator.
    shared = undefined;
  }

  return {
    of,
    ofAdmin,

    /** The administrator's values that are shared with everybody. */
    shared(): Promise<Values> {
      if (shared) return shared;
      shared = loadShared();
      shared.catch(() => {
        shared = undefined;
      });
      return shared;
    },

    /** To be called after every change of a user's values, or of what is shared. */
    forget,
    forgetShared(): void {
      shared = undefined;
    },
  };
}
