/** Links that are handed out: reset links and invitations. Only the hash of a link's token is stored. */
import { and, desc, eq, gt, lt, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { invitations, passwordResets, sessions, users } from '../../database/schema/accounts';
import { transaction } from '../../database/transaction';
import type { NewUser, User } from '../users/store';

export type Invitation = typeof invitations.$inferSelect;
type PasswordReset = typeof passwordResets.$inferSelect;

export type LinksStore = ReturnType<typeof linksStore>;

export function linksStore(db: Db) {
  const isValid = (hash: string, nowMs: number) =>
    and(eq(passwordResets.hash, hash), gt(passwordResets.expiresAtMs, nowMs));
  const isOpen = (hash: string, nowMs: number) =>
    and(eq(invitations.hash, hash), gt(invitations.expiresAtMs, nowMs), lt(invitations.uses, invitations.usesMax));

  return {
    /** Replaces the user's earlier reset link. */
    async putReset(reset: PasswordReset): Promise<void> {
      const { userId, ...change } = reset;
      db.insert(passwordResets).values(reset).onConflictDoUpdate({ target: passwordResets.userId, set: change }).run();
    },
    /** The user of a reset link that has not expired. */
    async findReset(hash: string, nowMs: number): Promise<User | undefined> {
      const found = db
        .select({ user: users })
        .from(passwordResets)
        .innerJoin(users, eq(users.id, passwordResets.userId))
        .where(isValid(hash, nowMs))
        .get();
      return found?.user;
    },
    /**
     * Uses a reset link up: sets the password and deletes all sessions of the user.
     * @returns the user and the ids of the deleted sessions, or undefined when the link is not valid any more.
     */
    async useReset(
      hash: string,
      passwordHash: string,
      nowMs: number,
    ): Promise<{ user: User; sessionIds: readonly string[] } | undefined> {
      return transaction(db, (tx) => {
        const used = tx.delete(passwordResets).where(isValid(hash, nowMs)).returning().get();
        if (!used) return undefined;
        const user = tx.update(users).set({ passwordHash }).where(eq(users.id, used.userId)).returning().get();
        const ended = tx.delete(sessions).where(eq(sessions.userId, used.userId)).returning({ id: sessions.id }).all();
        return { user, sessionIds: ended.map(({ id }) => id) };
      });
    },

    /** Newest first. */
    async listInvitations(limit: number): Promise<readonly Invitation[]> {
      return db
        .select()
        .from(invitations)
        .orderBy(desc(invitations.createdAtMs), desc(invitations.id))
        .limit(limit)
        .all();
    },
    /** First deletes the rows that expired before `expiredBeforeMs`. */
    async insertInvitation(invitation: Invitation, expiredBeforeMs: number): Promise<void> {
      transaction(db, (tx) => {
        tx.delete(invitations).where(lt(invitations.expiresAtMs, expiredBeforeMs)).run();
        tx.insert(invitations).values(invitation).run();
      });
    },
    /** The invitation that has not expired and has a use left. */
    async findInvitation(hash: string, nowMs: number): Promise<Invitation | undefined> {
      return db.select().from(invitations).where(isOpen(hash, nowMs)).get();
    },
    /** @returns whether it was there. */
    async deleteInvitation(id: string): Promise<boolean> {
      return db.delete(invitations).where(eq(invitations.id, id)).returning({ id: invitations.id }).get() !== undefined;
    },
    /**
     * Uses an invitation once, and stores the user. Throws a unique violation as `insert` of the users does, and has not
     * used the invitation then.
     * @returns undefined when the invitation has no use left.
     */
    async join(hash: string, user: NewUser, nowMs: number): Promise<User | undefined> {
      return transaction(db, (tx) => {
        const used = tx
          .update(invitations)
          .set({ uses: sql`${invitations.uses} + 1` })
          .where(isOpen(hash, nowMs))
          .returning({ id: invitations.id })
          .get();
        return used && tx.insert(users).values(user).returning().get();
      });
    },
  };
}
