/** Stores what agents say without being asked. */
import { and, desc, eq, isNull, ne, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import { conversations, messages } from '../../database/schema/chat';
import type { Conversation, WholeMessage } from '../store/conversations';

interface NewCallback
  extends Pick<WholeMessage, 'id' | 'conversationId' | 'role' | 'content' | 'extra' | 'createdAtMs'> {
  readonly callbackId: string;
  /** Whether its owner sees it at once. Otherwise the conversation is unread. */
  readonly isSeen: boolean;
}

/** Where a callback is stored. */
type StoredCallback = Pick<WholeMessage, 'id' | 'conversationId' | 'createdAtMs'>;

export type CallbacksStore = ReturnType<typeof callbacksStore>;

export function callbacksStore(db: Db) {
  const write = groupedWrites(db);
  const { id, conversationId, createdAtMs } = messages;
  const find = (tx: Db, callbackId: string): StoredCallback | undefined =>
    tx
      .select({ id, conversationId, createdAtMs })
      .from(messages)
      // As the index has it. A fork has copies; the first is the one that was sent.
      .where(and(eq(messages.callbackId, callbackId), sql`${messages.callbackId} IS NOT NULL`))
      .orderBy(sql`messages.rowid`)
      .limit(1)
      .get();

  return {
    async find(callbackId: string): Promise<StoredCallback | undefined> {
      return find(db, callbackId);
    },

    /** The agent's listed conversation that changed last, pinned or not. */
    async newestOf(agentId: string): Promise<Conversation['id'] | undefined> {
      // The index has these conditions as they are.
      const isListed = sql`shelf IN ('list', 'pinned') AND ${isNull(conversations.expiresAtMs)}`;
      return db
        .select({ id: conversations.id })
        .from(conversations)
        .where(and(eq(conversations.agentId, agentId), isListed))
        .orderBy(desc(conversations.updatedAtMs), desc(conversations.id))
        .limit(1)
        .get()?.id;
    },

    /**
     * Stores a callback behind the newest message, also while an answer is being written there. One that is stored is not
     * stored a second time.
     * @returns `undefined`, and nothing is stored, when there is no such conversation.
     */
    async insert({ isSeen, ...row }: NewCallback): Promise<(StoredCallback & { isNew: boolean }) | undefined> {
      return write((tx) => {
        const stored = find(tx, row.callbackId);
        if (stored) return { ...stored, isNew: false };
        const there = and(eq(conversations.id, row.conversationId), ne(conversations.shelf, 'deleted'));
        const conversation = tx.select().from(conversations).where(there).get();
        if (!conversation) return undefined;
        const position = conversation.lastPosition + 1;
        tx.insert(messages)
          .values({ ...row, position, status: 'done', endedAtMs: row.createdAtMs, parent: conversation.goesOnFrom })
          .run();
        tx.update(conversations)
          .set({
            ...{ lastPosition: position, goesOnFrom: null, updatedAtMs: row.createdAtMs },
            // A conversation that goes on leaves the archive.
            ...(conversation.shelf === 'archived' && { shelf: 'list' as const }),
            // A conversation that expires is in no list, so it is not marked as unread.
            ...(!isSeen && conversation.expiresAtMs === null && { isUnread: true }),
          })
          .where(eq(conversations.id, row.conversationId))
          .run();
        return { id: row.id, conversationId: row.conversationId, createdAtMs: row.createdAtMs, isNew: true };
      });
    },
  };
}
