/** Users. */
import { and, desc, eq, gt, gte, isNotNull, isNull, lt, lte, or, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { IN_LIST } from '../../database/in-list';
import { passwordResets, retiredSlugs, sessions, users } from '../../database/schema/accounts';
import { sharedVariables } from '../../database/schema/credentials';
import { transaction } from '../../database/transaction';
import { lazy } from '../../lib/lazy';

export type User = typeof users.$inferSelect;
export type UserName = Pick<User, 'id' | 'email'>;
export type NewUser = typeof users.$inferInsert;

interface UsersQuery {
  readonly search: string;
  readonly last: User | undefined;
  readonly limit: number;
  readonly withDeleted: boolean;
}

export type UsersStore = ReturnType<typeof usersStore>;

/** As the index has it, which is of this role only: a parameter could be any role. */
const isAdmin = sql`${users.role} = 'admin'`;

export function usersStore(db: Db) {
  const by = lazy(() => ({
    id: db
      .select()
      .from(users)
      .where(eq(users.id, sql.placeholder('id')))
      .prepare(),
    email: db
      .select()
      .from(users)
      .where(eq(users.email, sql.placeholder('email')))
      .prepare(),
    identity: db
      .select()
      .from(users)
      .where(eq(users.identity, sql.placeholder('identity')))
      .prepare(),
  }));

  return {
    async find(id: string): Promise<User | undefined> {
      return by().id.get({ id });
    },
    /** @param email normalised. */
    async findByEmail(email: string): Promise<User | undefined> {
      return by().email.get({ email });
    },
    async findByIdentity(identity: string): Promise<User | undefined> {
      return by().identity.get({ identity });
    },
    /** The addresses of those of the users that are there. */
    async namesOf(ids: readonly string[]): Promise<readonly UserName[]> {
      const statement = `SELECT id, email FROM users WHERE id ${IN_LIST}`;
      return db.$client.query<UserName, [ids: string]>(statement).all(JSON.stringify(ids));
    },
    /** The first by e-mail address. */
    async list(limit: number): Promise<readonly User[]> {
      return db.select().from(users).orderBy(users.email).limit(limit).all();
    },
    async findAdmin(): Promise<User | undefined> {
      return db.select().from(users).where(isAdmin).get();
    },
    /** Slugs that are `base` or `base-<something>`, those of deleted users among them. */
    async slugsLike(base: string): Promise<readonly string[]> {
      const isLike = (slug: typeof users.slug | typeof retiredSlugs.slug) =>
        // "." is the character after "-".
        or(eq(slug, base), and(gte(slug, `${base}-`), lt(slug, `${base}.`)));
      const rows = [
        ...db.select({ slug: users.slug }).from(users).where(isLike(users.slug)).all(),
        ...db.select().from(retiredSlugs).where(isLike(retiredSlugs.slug)).all(),
      ];
      return rows.map((row) => row.slug);
    },
    /**
     * Throws a unique violation (`isUniqueViolation`) when the e-mail address or slug is taken, or when there is an
     * admin already.
     */
    async insert(user: NewUser): Promise<User> {
      return db.insert(users).values(user).returning().get();
    },

    /**
     * Newest first, after the user `last`.
     * @param search a part of the address or the name; empty: all users.
     * @param withDeleted those too who wait to be purged.
     */
    async page({ search, last, limit, withDeleted }: UsersQuery): Promise<User[]> {
      const pattern = `%${search.replace(/[\\%_]/g, '\\$&')}%`;
      const matches = (column: typeof users.email | typeof users.name) => sql`${column} LIKE ${pattern} ESCAPE '\\'`;
      return db
        .select()
        .from(users)
        .where(
          and(
            last && sql`(${users.createdAtMs}, ${users.id}) < (${last.createdAtMs}, ${last.id})`,
            withDeleted ? undefined : isNull(users.purgeAtMs),
            search === '' ? undefined : or(matches(users.email), matches(users.name)),
          ),
        )
        .orderBy(desc(users.createdAtMs), desc(users.id))
        .limit(limit)
        .all();
    },
    /** Deleted users whose time is over, a few at a time. */
    async duePurges(nowMs: number, limit: number): Promise<readonly User[]> {
      const isDue = and(isNotNull(users.purgeAtMs), lte(users.purgeAtMs, nowMs));
      return db.select().from(users).where(isDue).limit(limit).all();
    },
    /** Deletes the user and everything of theirs but their usage. No other user gets the slug. */
    async delete(id: string): Promise<void> {
      transaction(db, (tx) => {
        const gone = tx.delete(users).where(eq(users.id, id)).returning({ slug: users.slug }).get();
        if (gone) tx.insert(retiredSlugs).values(gone).run();
      });
    },
    /** Throws a unique violation when the identity is another user's. @returns the changed user, or undefined when there is none. */
    async change(
      id: string,
      change: Partial<Pick<User, 'name' | 'language' | 'disabledAtMs' | 'purgeAtMs' | 'identity' | 'hasModelTitles'>>,
    ): Promise<User | undefined> {
      return db.update(users).set(change).where(eq(users.id, id)).returning().get();
    },
    /** Lets a deleted user in again whose time is not over. @returns the user, or undefined when there is none such. */
    async restore(id: string, nowMs: number): Promise<User | undefined> {
      const isKept = and(eq(users.id, id), gt(users.purgeAtMs, nowMs));
      return db.update(users).set({ purgeAtMs: null, disabledAtMs: null }).where(isKept).returning().get();
    },
    /**
     * Ends the user's reset link too.
     * @param options.endsSessions deletes all sessions of the user in the same transaction.
     */
    async setPassword(id: string, passwordHash: string, { endsSessions = false } = {}): Promise<void> {
      transaction(db, (tx) => {
        tx.update(users).set({ passwordHash }).where(eq(users.id, id)).run();
        tx.delete(passwordResets).where(eq(passwordResets.userId, id)).run();
        if (endsSessions) tx.delete(sessions).where(eq(sessions.userId, id)).run();
      });
    },
    /**
     * Makes this user the one administrator. Nothing stays shared: what the new administrator has for all agents was never
     * meant for everybody.
     */
    async handOver(id: string): Promise<void> {
      transaction(db, (tx) => {
        tx.update(users).set({ role: 'user' }).where(isAdmin).run();
        tx.update(users).set({ role: 'admin' }).where(eq(users.id, id)).run();
        tx.delete(sharedVariables).run();
      });
    },
  };
}
