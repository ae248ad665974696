/**
 * Personal keys: created on the settings page or at `/api/me/keys`, shown once, stored as a hash. The holder of a key
 * is cached in memory, so that a warm request does not touch the database.
 */

import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newId, newSecret, sha256 } from '../../lib/ids';
import { Lookup, type Soon, whenThere } from '../../lib/lookup';
import { Recent } from '../../lib/lru';
import { LastUses } from '../last-uses';
import type { User } from '../users/store';
import { keyProblems } from './problems';
import type { Key, KeyName, KeysStore, OwnedKey } from './store';

/** The prefix of OpenAI's keys, because some clients check it. */
export const KEY_PREFIX = 'sk-as-';
const KEYS_PER_USER_MAX = 50;
/** Keys that are cached. */
const KNOWN_MAX = 10_000;

/** The permissions of a key, its expiry and its limits. A missing limit means no limit; a missing scope means `v1`. */
export type KeyGrant = Partial<
  Pick<
    Key,
    | 'scopes'
    | 'backends'
    | 'agents'
    | 'expiresAtMs'
    | 'requestsPerMinute'
    | 'tokensPerMinute'
    | 'concurrentMax'
    | 'eventsWhileWaiting'
  >
>;

interface KeyHolder {
  readonly user: User;
  readonly key: Key;
}

export type KeysService = ReturnType<typeof keysService>;

/** @param deps.now milliseconds since the epoch. */
export function keysService(deps: { keys: KeysStore; events: Events; now: () => number }) {
  const { keys, events, now } = deps;
  const lastUses = new LastUses(keys.markUsed);
  /** By hash. */
  const known = new Recent<string, Lookup<KeyHolder | undefined>>(KNOWN_MAX);
  /** Keys with an expiry date that were used since the router's start: their streams end when they expire. */
  const expiring = new Map<string, Key>();

  function lookUp(hash: string): Soon<KeyHolder | undefined> {
    const found = known.get(hash);
    return found ? found.result : read(hash);
  }

  function read(hash: string): Promise<KeyHolder | undefined> {
    const holder = new Lookup(keys.findByHash(hash));
    known.set(hash, holder);
    // Guessed keys must not push real keys out of the cache.
    const forget = () => known.delete(hash, holder);
    holder.promise.then((one) => one ?? forget(), forget);
    return holder.promise;
  }

  /** Throws `signed_out` when the key has expired or its owner is disabled. */
  function admitted(holder: KeyHolder | undefined): KeyHolder | undefined {
    if (!holder) return undefined;
    if (holder.user.disabledAtMs !== null) {
      throw new AppError('signed_out', {
        message: 'The account of that API key is disabled. Ask the administrator.',
      });
    }
    const { id, expiresAtMs } = holder.key;
    if (expiresAtMs !== null) {
      if (expiresAtMs <= now()) throw expired(expiresAtMs);
      expiring.set(id, holder.key);
    }
    lastUses.used(id, now());
    return holder;
  }

  /** Includes a use that is not written yet. */
  function withLastUse<Known extends Key>(key: Known): Known {
    return { ...key, lastUsedAtMs: lastUses.unwritten(key.id) ?? key.lastUsedAtMs };
  }

  /** The key is no longer valid, and every stream that was opened with it ends (law 20). */
  function end({ id, userId, hash }: Key): void {
    known.delete(hash);
    lastUses.forget(id);
    expiring.delete(id);
    events.publish(userId, { kind: 'revoked', credentialId: id });
  }

  async function revoke(userId: string, id: string): Promise<void> {
    const key = await keys.delete(userId, id);
    if (!key) throw new AppError('not_found', { message: 'You have no such key.' });
    end(key);
  }

  return {
    /**
     * Throws `invalid_fields`, or `conflict` when the user has too many keys. @returns the key itself, which cannot be
     * read again later.
     */
    async create(userId: string, name: string, grant: KeyGrant = {}): Promise<{ key: Key; secret: string }> {
      const secret = newSecret(KEY_PREFIX);
      const key: Key = {
        id: newId(),
        userId,
        name: name.trim(),
        hash: sha256(secret),
        lastFour: secret.slice(-4),
        createdAtMs: now(),
        lastUsedAtMs: null,
        scopes: grant.scopes ?? ['v1'],
        backends: grant.backends ?? [],
        agents: grant.agents ?? [],
        expiresAtMs: grant.expiresAtMs ?? null,
        requestsPerMinute: grant.requestsPerMinute ?? null,
        tokensPerMinute: grant.tokensPerMinute ?? null,
        concurrentMax: grant.concurrentMax ?? null,
        eventsWhileWaiting: grant.eventsWhileWaiting ?? false,
      };
      const fields = keyProblems(key, now());
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      if ((await keys.list(userId)).length >= KEYS_PER_USER_MAX) {
        throw new AppError('conflict', {
          message: `You have ${KEYS_PER_USER_MAX} keys. Revoke one you no longer use.`,
        });
      }
      await keys.insert(key);
      return { key, secret };
    },

    list: async (userId: string): Promise<readonly Key[]> => (await keys.list(userId)).map(withLastUse),

    /**
     * A page of the keys of all users, by the addresses of their owners: at most `limit`, after the one with the id `after`.
     * Throws `not_found` where that is not there any more.
     */
    async listAll(limit: number, after?: string): Promise<{ keys: readonly OwnedKey[]; hasMore: boolean }> {
      const last = after === undefined ? undefined : await keys.findOwned(after);
      if (after !== undefined && !last) throw new AppError('not_found', { message: 'There is no such key.' });
      const found = await keys.listAll(limit + 1, last);
      return { keys: found.slice(0, limit).map(withLastUse), hasMore: found.length > limit };
    },

    /** The names of those of the keys that are there, of any user. */
    namesOf: (ids: readonly string[]): Promise<readonly KeyName[]> => keys.namesOf(ids),

    /** Finds a key of any user. */
    findById: (id: string): Promise<Key | undefined> => keys.find(id),

    /** The holder of this key, or `undefined` for an unknown key. Throws `signed_out` when it has expired or its owner is disabled. */
    find: (secret: string): Soon<KeyHolder | undefined> => whenThere(lookUp(sha256(secret)), admitted),

    /** Ends a key of the user. Throws `not_found`. */
    revoke,

    /** Ends all keys of a user. */
    async revokeAll(userId: string): Promise<void> {
      for (const { id } of await keys.list(userId)) {
        const key = await keys.delete(userId, id);
        if (key) end(key);
      }
    },

    /** Ends a key of any user, for the administrator. Throws `not_found`. */
    async revokeAny(id: string): Promise<void> {
      const key = await keys.find(id);
      if (!key) throw new AppError('not_found', { message: 'There is no such key.' });
      await revoke(key.userId, id);
    },

    /** Call this after a change of the user: the cached holders of their keys contain a copy of the user. */
    async forget(userId: string): Promise<void> {
      for (const [hash, holder] of [...known.entries()]) {
        if ((await holder.promise.catch(() => undefined))?.user.id === userId) known.delete(hash, holder);
      }
    },

    /** Ends the streams of keys that have expired. Costs nothing when no used key has an expiry date. */
    endExpired(): void {
      const nowMs = now();
      for (const key of [...expiring.values()]) if ((key.expiresAtMs ?? nowMs) <= nowMs) end(key);
    },

    /** Writes the time of each key's last use to the database. */
    flush: (): Promise<void> => lastUses.flush(),
  };
}

/** Whether the key opens an agent. A browser session has no key and opens all agents of its user. */
export function opens(key: Key | undefined, agent: { readonly id?: string; readonly backend: string }): boolean {
  if (!key || (key.backends.length === 0 && key.agents.length === 0)) return true;
  return key.backends.includes(agent.backend) || (agent.id !== undefined && key.agents.includes(agent.id));
}

function expired(atMs: number): AppError {
  const day = new Date(atMs).toISOString().slice(0, 10);
  return new AppError('signed_out', { message: `That API key has expired on ${day}. Create another one in Settings.` });
}
