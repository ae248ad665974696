/** Personal API keys. Only the hash of a key is stored. */
import { and, desc, eq, getTableColumns, gt, gte, or, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { IN_LIST } from '../../database/in-list';
import { keys, users } from '../../database/schema/accounts';
import { lazy } from '../../lib/lazy';
import type { User } from '../users/store';

export type { KeyScope } from '../../database/schema/accounts';
export type Key = typeof keys.$inferSelect;

export type KeyName = Pick<Key, 'id' | 'name' | 'userId'>;
/** With the e-mail address of its user. */
export type OwnedKey = Key & { readonly owner: string };

export type KeysStore = ReturnType<typeof keysStore>;

export function keysStore(db: Db) {
  const byHash = lazy(() =>
    db
      .select({ key: keys, user: users })
      .from(keys)
      .innerJoin(users, eq(users.id, keys.userId))
      .where(eq(keys.hash, sql.placeholder('hash')))
      .prepare(),
  );

  return {
    async insert(key: Key): Promise<void> {
      db.insert(keys).values(key).run();
    },
    async findByHash(hash: string): Promise<{ key: Key; user: User } | undefined> {
      return byHash().get({ hash });
    },
    async find(id: string): Promise<Key | undefined> {
      return db.select().from(keys).where(eq(keys.id, id)).get();
    },
    /** The names of the keys with these ids. Deleted keys are left out. */
    async namesOf(ids: readonly string[]): Promise<readonly KeyName[]> {
      const statement = `SELECT id, name, user_id AS userId FROM keys WHERE id ${IN_LIST}`;
      return db.$client.query<KeyName, [ids: string]>(statement).all(JSON.stringify(ids));
    },
    /** The keys of all users, by the addresses of their owners, then by name: at most `limit`, after `after`. */
    async listAll(limit: number, after?: OwnedKey): Promise<readonly OwnedKey[]> {
      const { owner, name, id } = after ?? { owner: '', name: '', id: '' };
      return (
        db
          .select({ ...getTableColumns(keys), owner: users.email })
          .from(users)
          // SQLite reads the tables of a cross join in this order, and so only the users that the page needs.
          .crossJoin(keys)
          .where(
            and(
              eq(keys.userId, users.id),
              gte(users.email, owner),
              or(gt(users.email, owner), sql`(${keys.name}, ${keys.id}) > (${name}, ${id})`),
            ),
          )
          .orderBy(users.email, keys.name, keys.id)
          .limit(limit)
          .all()
      );
    },
    /** A key with the address of its owner. */
    async findOwned(id: string): Promise<OwnedKey | undefined> {
      return db
        .select({ ...getTableColumns(keys), owner: users.email })
        .from(keys)
        .innerJoin(users, eq(keys.userId, users.id))
        .where(eq(keys.id, id))
        .get();
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
