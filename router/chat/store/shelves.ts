/** The shelves of a user's conversations: the list, what is pinned or archived, and what is deleted but can come back. */
import { and, desc, eq, gt, isNull, lte, ne, notExists, or, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import type { Write } from '../../database/grouped-writes';
import { conversations, messages } from '../../database/schema/chat';
import type { Conversation } from './conversations';
import { BEING_DELETED } from './deleting';
import type { Statements } from './statements';

// Written out: in a sub-query Drizzle leaves the table off a column's name.
const streaming = sql<number>`EXISTS (SELECT 1 FROM messages AS m
  WHERE m.conversation_id = "conversations"."id" AND m.status = 'streaming')`;
const isBefore = (place: ListPlace) =>
  sql`(${conversations.updatedAtMs}, ${conversations.id}) < (${place.updatedAtMs}, ${place.id})`;

/** Conversations of one look at what is due. */
const EXPIRED_AT_ONCE = 200;

/** A conversation that stays, and whether an answer is being written there. */
export type ListedConversation = Conversation & { readonly streaming: boolean };
/** Where a conversation can be put. */
export type Shelf = Exclude<Conversation['shelf'], 'deleted'>;
/** Pinned conversations of a user: every page shows all of them. */
export const PINNED_MAX = 30;
/** The place of a conversation in its user's list. */
export type ListPlace = Pick<Conversation, 'updatedAtMs' | 'id'>;

export function shelvesStore(db: Db, write: Write, run: Statements) {
  return {
    /** Returns a shelf's conversations before a place, last changed first, without those that expire. */
    async list(
      userId: string,
      limit: number,
      before?: ListPlace,
      shelf: Shelf = 'list',
    ): Promise<readonly ListedConversation[]> {
      const there = and(
        eq(conversations.userId, userId),
        eq(conversations.shelf, shelf),
        isNull(conversations.expiresAtMs),
        before && isBefore(before),
      );
      const rows = db
        .select({ conversation: conversations, streaming })
        .from(conversations)
        .where(there)
        .orderBy(desc(conversations.updatedAtMs), desc(conversations.id))
        .limit(limit)
        .all();
      return rows.map((row) => ({ ...row.conversation, streaming: row.streaming === 1 }));
    },
    async findListed(userId: string, id: string): Promise<ListedConversation | undefined> {
      const row = run.findForTurn.get(id);
      if (row?.userId !== userId || row.expiresAtMs !== null) return undefined;
      const { isStreaming, ...conversation } = row;
      // A statement in SQL has numbers for what is true or not.
      return { ...conversation, isUnread: Boolean(row.isUnread), streaming: isStreaming === 1 };
    },
    /** Takes a conversation out of every list until it expires, or `restore` brings it back. */
    async discard(id: string, expiresAtMs: number): Promise<void> {
      await write((tx) => {
        // Not again, where it has begun to be deleted for good.
        const there = and(eq(conversations.id, id), ne(conversations.shelf, 'deleted'));
        tx.update(conversations).set({ shelf: 'deleted', expiresAtMs }).where(there).run();
      });
    },
    async findDiscarded(userId: string, id: string): Promise<Conversation | undefined> {
      const isWhole = gt(conversations.expiresAtMs, BEING_DELETED);
      const there = and(
        ...[eq(conversations.id, id), eq(conversations.userId, userId), eq(conversations.shelf, 'deleted'), isWhole],
      );
      return db.select().from(conversations).where(there).get();
    },
    /**
     * Puts a conversation on a shelf, where it stays; also a discarded one, which so comes back.
     * @returns `there`; or, and nothing is changed, `full` when `PINNED_MAX` others are pinned, and `gone` when it is deleted
     * or a part of it is.
     */
    async putOn(id: string, userId: string, shelf: Shelf): Promise<'there' | 'full' | 'gone'> {
      return write((tx) => {
        if (shelf === 'pinned') {
          const others = and(
            eq(conversations.userId, userId),
            eq(conversations.shelf, shelf),
            ne(conversations.id, id),
          );
          const pinned = tx.select({ id: conversations.id }).from(conversations).where(others).limit(PINNED_MAX).all();
          if (pinned.length === PINNED_MAX) return 'full';
        }
        const isWhole = or(isNull(conversations.expiresAtMs), gt(conversations.expiresAtMs, BEING_DELETED));
        const there = and(eq(conversations.id, id), isWhole);
        const put = tx
          .update(conversations)
          .set({ shelf, expiresAtMs: null })
          .where(there)
          .returning({ id: conversations.id });
        return put.get() ? 'there' : 'gone';
      });
    },
    /** Some of those whose time is over; none that is being written. */
    async expired(nowMs: number): Promise<readonly string[]> {
      const isStreaming = db
        .select({ id: messages.id })
        .from(messages)
        .where(and(eq(messages.conversationId, conversations.id), eq(messages.status, 'streaming')));
      return db
        .select({ id: conversations.id })
        .from(conversations)
        .where(and(lte(conversations.expiresAtMs, nowMs), notExists(isStreaming)))
        .limit(EXPIRED_AT_ONCE)
        .all()
        .map(({ id }) => id);
    },
  };
}
