/** Personal API keys. Only the hash of a key is stored. */
import { and, desc, eq, sql } from 'drizzle-orm';
import type { Db } from '../database/database';
import { keys, users } from '../database/schema';
import type { User } from './store';

export type { KeyScope } from '../database/schema';
export type Key = typeof keys.$inferSelect;

export type KeysStore = ReturnType<typeof keysStore>;

export function keysStore(db: Db) {
  const byHash = db
    .select({ key: keys, user: users })
    .from(keys)
    .innerJoin(users, eq(users.id, keys.userId))
    .where(eq(keys.hash, sql.placeholder('hash')))
    .prepare();

  return {
    async insert(key: Key): Promise<void> {
      db.insert(keys).values(key).run();
    },
    async findByHash(hash: string): Promise<{ key: Key; user: User } | undefined> {
      return byHash.get({ hash });
    },
    async find(id: string): Promise<Key | undefined> {
      return db.select().from(keys).where(eq(keys.id, id)).get();
    },
    /** The keys of all users, sorted by name. */
    async listAll(): Promise<readonly Key[]> {
      return db.select().from(keys).orderBy(keys.name).all();
    },
    /** Newest first. */
    async list(userId: string): Promise<readonly Key[]> {
      return db.select().from(keys).where(eq(keys.userId, userId)).orderBy(desc(keys.createdAtMs)).all();
    },
    /** Deletes the key if it belongs to the user. @returns the deleted key. */
    async delete(userId: string, id: string): Promise<Key | undefined> {
      return db
        .delete(keys)
        .where(and(eq(keys.id, id), eq(keys.userId, userId)))
        .returning()
        .get();
    },
    /** @param usedAtMs key id → time of its last use. */
    async markUsed(usedAtMs: ReadonlyMap<string, number>): Promise<void> {
      for (const [id, lastUsedAtMs] of usedAtMs) db.update(keys).set({ lastUsedAtMs }).where(eq(keys.id, id)).run();
    },
  };
}
