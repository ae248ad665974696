/** Conversations and their messages. Each function is one atomic step. */
import { and, desc, eq, gt, gte, inArray, isNull, lt, lte, notExists, type SQL, sql } from 'drizzle-orm';
import { type Db, isUniqueViolation, transaction } from '../database/database';
import { conversations, type MessageFailure, messages, type ToolCall, type ToolResult } from '../database/schema';
import { shownStore } from './store-shown';
import { deleteAnswer, insertTurn, json, jsonList, type NewTurn, statements } from './store-turns';

export type Conversation = typeof conversations.$inferSelect;
export type Message = typeof messages.$inferSelect;
export type MessageStatus = Message['status'];
export type { MessageFailure, ToolCall, ToolResult };

/** A few milliseconds' worth, so that nobody waits for it. */
const EXPIRED_AT_ONCE = 200;

export type ConversationsStore = ReturnType<typeof conversationsStore>;

export function conversationsStore(db: Db) {
  const write = statements(db);

  /** The position from which on messages are so long together at most; undefined where there are none. */
  function firstWithin(there: SQL | undefined, limit: number, maxBytes: number): number | undefined {
    // The length of a column in bytes is read without the column.
    const bytes = sql<number>`octet_length(${messages.content}) + ifnull(octet_length(${messages.calls}), 0)
      + ifnull(octet_length(${messages.results}), 0)`;
    const sizes = db
      .select({ position: messages.position, bytes })
      .from(messages)
      .where(there)
      .orderBy(desc(messages.position))
      .limit(limit)
      .all();
    let sum = 0;
    let first = sizes[0]?.position;
    for (const { position, bytes: own } of sizes) {
      sum += own;
      if (sum > maxBytes) break;
      first = position;
    }
    return first;
  }

  return {
    ...shownStore(db),
    async find(id: string): Promise<Conversation | undefined> {
      return write.find.get({ id });
    },
    /** Last changed first; without those that expire. */
    async list(userId: string, limit: number): Promise<readonly (Conversation & { streaming: boolean })[]> {
      // Written out: in a sub-query Drizzle leaves the table off a column's name.
      const streaming = sql<number>`EXISTS (SELECT 1 FROM messages AS m
        WHERE m.conversation_id = "conversations"."id" AND m.status = 'streaming')`;
      const rows = db
        .select({ conversation: conversations, streaming })
        .from(conversations)
        .where(and(eq(conversations.userId, userId), isNull(conversations.expiresAtMs)))
        .orderBy(desc(conversations.updatedAtMs), desc(conversations.id))
        .limit(limit)
        .all();
      return rows.map((row) => ({ ...row.conversation, streaming: row.streaming === 1 }));
    },
    async insert(conversation: Conversation): Promise<void> {
      db.insert(conversations).values(conversation).run();
    },
    async rename(id: string, title: string): Promise<void> {
      db.update(conversations).set({ title }).where(eq(conversations.id, id)).run();
    },
    async delete(id: string): Promise<void> {
      db.delete(conversations).where(eq(conversations.id, id)).run();
    },
    /** Deletes some of those whose time is over, at most as many as are quick to delete; none that is being written. */
    async deleteExpired(nowMs: number): Promise<void> {
      const isStreaming = db
        .select({ id: messages.id })
        .from(messages)
        .where(and(eq(messages.conversationId, conversations.id), eq(messages.status, 'streaming')));
      const due = db
        .select({ id: conversations.id })
        .from(conversations)
        .where(and(lte(conversations.expiresAtMs, nowMs), notExists(isStreaming)))
        .limit(EXPIRED_AT_ONCE);
      db.delete(conversations).where(inArray(conversations.id, due)).run();
    },

    async findMessage(id: string): Promise<Message | undefined> {
      return db.select().from(messages).where(eq(messages.id, id)).get();
    },
    /**
     * Up to `limit` messages before `position` (or the newest), oldest first.
     * @param options.maxBytes of their texts, calls and results together: older ones are left out, the newest is not.
     */
    async page(
      conversationId: string,
      options: { before?: number; limit: number; maxBytes?: number },
    ): Promise<readonly Message[]> {
      const before = options.before === undefined ? undefined : lt(messages.position, options.before);
      const there = and(eq(messages.conversationId, conversationId), before);
      const from = options.maxBytes === undefined ? undefined : firstWithin(there, options.limit, options.maxBytes);
      return db
        .select()
        .from(messages)
        .where(and(there, from === undefined ? undefined : gte(messages.position, from)))
        .orderBy(desc(messages.position))
        .limit(options.limit)
        .all()
        .reverse();
    },
    /** Messages after `position`, oldest first. */
    async after(conversationId: string, position: number): Promise<readonly Message[]> {
      return db
        .select()
        .from(messages)
        .where(and(eq(messages.conversationId, conversationId), gt(messages.position, position)))
        .orderBy(messages.position)
        .all();
    },

    /**
     * Writes a user's message and the empty answer to it, before anything is asked of a runner (law 17).
     * @returns `undefined` when an answer is already being written there, or the replaced one is not there any more.
     */
    async insertTurn(turn: NewTurn): Promise<{ user?: Message; answer: Message } | undefined> {
      try {
        return transaction(db, (tx) => insertTurn(tx, write, turn));
      } catch (error) {
        if (isUniqueViolation(error)) return undefined;
        throw error;
      }
    },
    /** Saves the text so far of an answer that is still being written. */
    async saveText(id: string, content: string): Promise<void> {
      write.text.run({ id, content });
    },
    /** Ends an answer. The first ending wins: returns whether this was it (law 19). */
    async endAnswer(
      id: string,
      end: {
        status: Exclude<MessageStatus, 'streaming'>;
        content: string;
        failure?: MessageFailure;
        calls: readonly ToolCall[];
        nowMs: number;
      },
    ): Promise<boolean> {
      const { status, content, failure, calls, nowMs } = end;
      const rows = write.end.all({ id, status, content, failure: json(failure), calls: jsonList(calls), nowMs });
      return rows.length > 0;
    },
    /**
     * Deletes an answer, with the user's message before it unless another answer to that one stays, and the conversation
     * when nothing is left in it. What is left is a new session, as the runtime's own still knows what is deleted.
     * @returns the ids of the messages that are gone.
     */
    async deleteAnswer(id: string): Promise<readonly string[]> {
      return transaction(db, (tx) => deleteAnswer(tx, id));
    },
    /** Ends every answer that a crash left open; returns how many. */
    async endOrphans(failure: MessageFailure, nowMs: number): Promise<number> {
      const rows = db
        .update(messages)
        .set({ status: 'failed', failure, endedAtMs: nowMs })
        // As the index has it, which is of this status only.
        .where(sql`${messages.status} = 'streaming'`)
        .returning({ id: messages.id })
        .all();
      return rows.length;
    },
  };
}
