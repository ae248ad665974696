/** Users and their browser sessions. */
import { and, eq, gt, gte, lt, or, sql } from 'drizzle-orm';
import type { Db } from '../database/database';
import { inList } from '../database/in-list';
import { sessions, users } from '../database/schema/accounts';

export type User = typeof users.$inferSelect;
export type UserName = Pick<User, 'id' | 'email'>;
export type NewUser = typeof users.$inferInsert;
export type Session = typeof sessions.$inferSelect;

export type UsersStore = ReturnType<typeof usersStore>;

export function usersStore(db: Db) {
  const byId = db
    .select()
    .from(users)
    .where(eq(users.id, sql.placeholder('id')))
    .prepare();
  const byEmail = db
    .select()
    .from(users)
    .where(eq(users.email, sql.placeholder('email')))
    .prepare();
  const bySession = db
    .select({ user: users, session: sessions })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(and(eq(sessions.id, sql.placeholder('id')), gt(sessions.expiresAtMs, sql.placeholder('nowMs'))))
    .prepare();

  return {
    async find(id: string): Promise<User | undefined> {
      return byId.get({ id });
    },
    /** @param email normalised. */
    async findByEmail(email: string): Promise<User | undefined> {
      return byEmail.get({ email });
    },
    /** The addresses of those of the users that are there. */
    async namesOf(ids: readonly string[]): Promise<readonly UserName[]> {
      if (ids.length === 0) return [];
      const { id, email } = users;
      return db.select({ id, email }).from(users).where(inList(id, ids)).all();
    },
    /** The first by e-mail address. */
    async list(limit: number): Promise<readonly User[]> {
      return db.select().from(users).orderBy(users.email).limit(limit).all();
    },
    async findAdmin(): Promise<User | undefined> {
      // As the index has it, which is of this role only: a parameter could be any role.
      return db.select().from(users).where(sql`${users.role} = 'admin'`).get();
    },
    /** Slugs that are `base` or `base-<something>`. */
    async slugsLike(base: string): Promise<readonly string[]> {
      const rows = db
        .select({ slug: users.slug })
        .from(users)
        // "." is the character after "-".
        .where(or(eq(users.slug, base), and(gte(users.slug, `${base}-`), lt(users.slug, `${base}.`))))
        .all();
      return rows.map((row) => row.slug);
    },
    /**
     * Throws a unique violation (`isUniqueViolation`) when the e-mail address or slug is taken, or when there is an
     * admin already.
     */
    async insert(user: NewUser): Promise<User> {
      return db.insert(users).values(user).returning().get();
    },

    async insertSession(session: Session): Promise<void> {
      db.insert(sessions).values(session).run();
    },
    /** The session and its user, if it has not expired at `nowMs`. */
    async findSession(id: string, nowMs: number): Promise<{ user: User; session: Session } | undefined> {
      return bySession.get({ id, nowMs });
    },
    async deleteSession(id: string): Promise<void> {
      db.delete(sessions).where(eq(sessions.id, id)).run();
    },
    async deleteExpiredSessions(nowMs: number): Promise<void> {
      db.delete(sessions).where(lt(sessions.expiresAtMs, nowMs)).run();
    },
  };
}
