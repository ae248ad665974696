/** Personal API keys. The key itself is never here, only its hash. */
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
    /** Those of all users, in the order of their names. */
    async listAll(): Promise<readonly Key[]> {
      return db.select().from(keys).orderBy(keys.name).all();
    },
    /** Newest first. */
    async list(userId: string): Promise<readonly Key[]> {
      return db.select().from(keys).where(eq(keys.userId, userId)).orderBy(desc(keys.createdAtMs)).all();
    },
    /** The key that was there, if it was that user's. */
    async delete(userId: string, id: string): Promise<Key | undefined> {
      return db
        .delete(keys)
        .where(and(eq(keys.id, id), eq(keys.userId, userId)))
        .returning()
        .get();
    },
    /** @param usedAtMs key id → when it was last used. */
    async markUsed(usedAtMs: ReadonlyMap<string, number>): Promise<void> {
      for (const [id, lastUsedAtMs] of usedAtMs) db.update(keys).set({ lastUsedAtMs }).where(eq(keys.id, id)).run();
    },
  };
}
