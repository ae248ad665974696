/** Browser sessions. */
import { and, eq, gt, isNull, lt, ne, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { textParameter } from '../../database/parameters';
import { sessions, users } from '../../database/schema/accounts';
import { transaction } from '../../database/transaction';
import { lazy } from '../../lib/lazy';
import type { User } from '../users/store';

export type Session = typeof sessions.$inferSelect;

export type SessionsStore = ReturnType<typeof sessionsStore>;

export function sessionsStore(db: Db) {
  const byId = lazy(() =>
    db
      .select({ user: users, session: sessions })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .where(
        and(
          eq(sessions.id, textParameter('id')),
          gt(sessions.expiresAtMs, sql.placeholder('nowMs')),
          isNull(users.disabledAtMs),
        ),
      )
      .prepare(),
  );

  return {
    async insert(session: Session): Promise<void> {
      db.insert(sessions).values(session).run();
    },
    /** The session and its user, if it has not expired at `nowMs` and the user is not disabled. */
    async find(id: string, nowMs: number): Promise<{ user: User; session: Session } | undefined> {
      return byId().get({ id, nowMs });
    },
    async list(userId: string, nowMs: number): Promise<readonly Session[]> {
      return db
        .select()
        .from(sessions)
        .where(and(eq(sessions.userId, userId), gt(sessions.expiresAtMs, nowMs)))
        .all();
    },
    /** @param seenAtMs session id → time of its last use. */
    async markSeen(seenAtMs: ReadonlyMap<string, number>): Promise<void> {
      transaction(db, (tx) => {
        for (const [id, atMs] of seenAtMs) tx.update(sessions).set({ seenAtMs: atMs }).where(eq(sessions.id, id)).run();
      });
    },
    /** Deletes the session if it belongs to the user. @returns whether it did. */
    async delete(userId: string, id: string): Promise<boolean> {
      const mine = and(eq(sessions.id, id), eq(sessions.userId, userId));
      return db.delete(sessions).where(mine).returning({ id: sessions.id }).get() !== undefined;
    },
    /** Deletes all sessions of a user but `keptId`. @returns the ids of the deleted ones. */
    async deleteOf(userId: string, keptId: string): Promise<readonly string[]> {
      const others = and(eq(sessions.userId, userId), ne(sessions.id, keptId));
      const rows = db.delete(sessions).where(others).returning({ id: sessions.id }).all();
      return rows.map(({ id }) => id);
    },
    async deleteExpired(nowMs: number): Promise<void> {
      db.delete(sessions).where(lt(sessions.expiresAtMs, nowMs)).run();
    },
  };
}
