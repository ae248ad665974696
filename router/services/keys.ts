/** Personal keys for `/v1`: made on the settings page, shown once, kept as a hash. */
import { AppError } from '../errors';
import { newId, newSecret, sha256 } from '../ids';
import type { Key, KeysStore } from '../stores/keys';
import type { User } from '../stores/users';
import type { Events } from './events';

/** Starts like an OpenAI key, so that clients which check the form accept it. */
export const KEY_PREFIX = 'sk-as-';
const NAME_LENGTH_MAX = 80;
const KEYS_PER_USER_MAX = 50;

export type KeysService = ReturnType<typeof keysService>;

export function keysService(deps: { keys: KeysStore; events: Events; now: () => number }) {
  const { keys, events, now } = deps;
  // Written in batches by `flush`: a warm request does no database write.
  const usedAtMs = new Map<string, number>();

  return {
    /** @returns the key itself, which cannot be had again. */
    async create(userId: string, name: string): Promise<{ key: Key; secret: string }> {
      const trimmed = name.trim();
      if (trimmed === '' || trimmed.length > NAME_LENGTH_MAX) {
        throw new AppError('invalid_fields', { fields: { name: `Between 1 and ${NAME_LENGTH_MAX} characters` } });
      }
      if ((await keys.list(userId)).length >= KEYS_PER_USER_MAX) {
        throw new AppError('conflict', {
          message: `You have ${KEYS_PER_USER_MAX} keys. Revoke one you no longer use.`,
        });
      }
      const secret = newSecret(KEY_PREFIX);
      const key: Key = {
        id: newId(),
        userId,
        name: trimmed,
        hash: sha256(secret),
        lastFour: secret.slice(-4),
        createdAtMs: now(),
        lastUsedAtMs: null,
      };
      await keys.insert(key);
      return { key, secret };
    },

    list: (userId: string): Promise<readonly Key[]> => keys.list(userId),

    /** Those of all users, in the order of their names. */
    listAll: (): Promise<readonly Key[]> => keys.listAll(),

    /** Of whatever user. */
    findById: (id: string): Promise<Key | undefined> => keys.find(id),

    /** Who holds this key, or `undefined` when nobody does. */
    async find(secret: string): Promise<{ user: User; keyId: string } | undefined> {
      const found = await keys.findByHash(sha256(secret));
      if (!found) return undefined;
      usedAtMs.set(found.key.id, now());
      return { user: found.user, keyId: found.key.id };
    },

    /** Ends the key and every stream that was opened with it. */
    async revoke(userId: string, id: string): Promise<void> {
      if (!(await keys.delete(userId, id))) throw new AppError('not_found');
      usedAtMs.delete(id);
      events.publish(userId, { kind: 'revoked', credentialId: id });
    },

    /** Writes when keys were last used. */
    async flush(): Promise<void> {
      if (usedAtMs.size === 0) return;
      const batch = new Map(usedAtMs);
      usedAtMs.clear();
      await keys.markUsed(batch);
    },
  };
}
