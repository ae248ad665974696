/**
 * Caches the values that users have set, decrypted and in memory only, because every broker call needs them. A change
 * removes them from the cache, so that the next call uses the new values (law 16). Plain values are never logged.
 */

import type { UsersStore } from '../accounts/users/store';
import { ownerOf } from '../database/sealing';
import { Lookup, type Soon } from '../lib/lookup';
import { Recent } from '../lib/lru';
import type { Vault } from '../lib/vault';
import type { SettingsStore } from './store';
import type { Values } from './tiers';

/** Number of users whose values are cached. */
const USERS_MAX = 1000;

/** Scope ('' for all backends) → variable → plain value. */
export type Scopes = ReadonlyMap<string, Values>;

interface CacheDeps {
  readonly settings: SettingsStore;
  readonly users: Pick<UsersStore, 'findAdmin'>;
  readonly vault: Vault;
}

export type CredentialsCache = ReturnType<typeof credentialsCache>;

export function credentialsCache({ settings, users, vault }: CacheDeps) {
  // Caches loads, not values. A load that began before a change is removed as a whole, so an old value never enters the
  // cache after the change.
  const byUser = new Recent<string, Lookup<Scopes>>(USERS_MAX);
  let shared: Lookup<Values> | undefined;

  async function load(userId: string): Promise<Scopes> {
    const scopes = new Map<string, Map<string, string>>();
    for (const { backend, name, sealed } of await settings.credentialsOf(userId)) {
      const scope = scopes.get(backend) ?? new Map<string, string>();
      scopes.set(backend, scope.set(name, vault.open(sealed, ownerOf({ kind: 'credential', userId, backend, name }))));
    }
    return scopes;
  }

  function of(userId: string): Soon<Scopes> {
    const found = byUser.get(userId);
    if (found) return found.result;
    const values = new Lookup(load(userId));
    byUser.set(userId, values);
    values.promise.catch(() => byUser.delete(userId, values));
    return values.promise;
  }

  /** Returns the administrator's values for all backends. Only these can be shared. */
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
    // `userId` may be the administrator, whose values are shared.
    shared = undefined;
  }

  return {
    of,
    ofAdmin,

    /** Returns the administrator's values that are shared with all users. */
    shared(): Soon<Values> {
      if (shared) return shared.result;
      const values = new Lookup(loadShared());
      shared = values;
      values.promise.catch(() => {
        if (shared === values) shared = undefined;
      });
      return values.promise;
    },

    /** Call this after every change of a user's values; call `forgetShared` after a change of the shared variables. */
    forget,
    forgetShared(): void {
      shared = undefined;
    },
  };
}
