/** Conversations and their messages. Each function is one atomic step. */
import { and, desc, eq, gt, inArray, isNull, lt, lte, ne, notExists, type SQL, sql } from 'drizzle-orm';
import { type Db, isUniqueViolation } from '../database/database';
import { groupedWrites } from '../database/grouped-writes';
import {
  conversations,
  type MessageFailure,
  messages,
  type Step,
  type ToolCall,
  type ToolResult,
} from '../database/schema/chat';
import { searchIndex } from './search-store';
import { shownStore } from './store-shown';
import { piecesBytes, said, type TextPart, textsOf } from './store-texts';
import { isShown, isTold, OF_TURNS, onPath, treeStore } from './store-tree';
import {
  deleteAnswer,
  insertConversation,
  insertTurn,
  json,
  jsonList,
  type NewTurn,
  statements,
  type WrittenTurn,
} from './store-turns';

/** Without what only the search index needs to know. */
export type Conversation = Omit<typeof conversations.$inferSelect, 'searchedTo'>;
/** A message with what its agent did for it. */
export type WholeMessage = typeof messages.$inferSelect;
/** Without the steps, which only pages show, and the data of a callback, which only programs read. */
export type Message = Omit<WholeMessage, 'steps' | 'extra'>;
export type MessageStatus = Message['status'];
/** A message without what was said in it, which may be megabytes. */
export type MessageHead = Pick<
  Message,
  'id' | 'conversationId' | 'position' | 'role' | 'status' | 'isHidden' | 'callbackId'
>;
export type { MessageFailure, Step, ToolCall, ToolResult };

// Written out: in a sub-query Drizzle leaves the table off a column's name.
const streaming = sql<number>`EXISTS (SELECT 1 FROM messages AS m
  WHERE m.conversation_id = "conversations"."id" AND m.status = 'streaming')`;
const isBefore = (place: ListPlace) =>
  sql`(${conversations.updatedAtMs}, ${conversations.id}) < (${place.updatedAtMs}, ${place.id})`;

const { id, conversationId, position, role, status, isHidden, callbackId } = messages;
const head = { id, conversationId, position, role, status, isHidden, callbackId };

// The length of a column in bytes is read without the column.
const bytesSaid = sql<number>`octet_length(${messages.content}) + ${piecesBytes} + ifnull(octet_length(${messages.calls}), 0)
  + ifnull(octet_length(${messages.results}), 0)`;
const bytesStored = sql<number>`${bytesSaid} + ifnull(octet_length(${messages.steps}), 0)`;

/** A few milliseconds' worth, so that nobody waits for it. */
const EXPIRED_AT_ONCE = 200;
const RENEWED_AT_ONCE = 500;

/** Messages, and bytes of what they are read or copied with. */
interface Bounds {
  readonly limit: number;
  readonly maxBytes: number;
}
/** Which messages. */
export interface HeadsRange {
  readonly after?: number | undefined;
  readonly limit: number;
  readonly ofTurns?: boolean;
}
/** A conversation that stays, and whether an answer is being written there. */
export type ListedConversation = Conversation & { readonly streaming: boolean };
export type Newest = Pick<Message, 'id' | 'role' | 'status'>;
/** Where a conversation can be put. */
export type Shelf = Exclude<Conversation['shelf'], 'deleted'>;
/** Pinned conversations of a user: every page shows all of them. */
export const PINNED_MAX = 30;
/** Of a conversation in the list of a user's. */
export type ListPlace = Pick<Conversation, 'updatedAtMs' | 'id'>;

export type ConversationsStore = ReturnType<typeof conversationsStore>;

export function conversationsStore(db: Db) {
  const write = groupedWrites(db);
  const run = statements(db);
  const indexing = searchIndex(db);
  const { whole } = textsOf(db);

  function saveText(id: string, { content, ordinal }: TextPart): void {
    if (ordinal === undefined) run.text.run(content, id);
    else run.piece.run(ordinal, content, id);
  }

  /**
   * How many of the newest messages are so long together at most, at least one if there is any; the position of the first
   * of them, and the bytes of the newest alone.
   */
  function newestWithin(
    there: SQL | undefined,
    { limit, maxBytes }: Bounds,
    bytes = bytesSaid,
  ): { count: number; first?: number; newestBytes: number } {
    const sizes = db
      .select({ position: messages.position, bytes })
      .from(messages)
      .where(there)
      .orderBy(desc(messages.position))
      .limit(limit)
      .all();
    let sum = 0;
    const exceeding = sizes.findIndex(({ bytes: own }) => {
      sum += own;
      return sum > maxBytes;
    });
    const count = exceeding === -1 ? sizes.length : Math.max(exceeding, 1);
    const first = sizes[count - 1]?.position;
    return { count, ...(first !== undefined && { first }), newestBytes: sizes[0]?.bytes ?? 0 };
  }

  return {
    ...shownStore(db),
    ...treeStore(db),
    async find(id: string): Promise<Conversation | undefined> {
      return run.find.get(id) ?? undefined;
    },
    async findWithNewest(id: string): Promise<{ conversation: Conversation; newest: Newest | undefined } | undefined> {
      const row = run.findWithNewest.get(id);
      if (!row) return undefined;
      const { newestId, newestRole: role, newestStatus: status, ...conversation } = row;
      const newest = newestId && role && status ? { id: newestId, role, status } : undefined;
      return { conversation, newest };
    },
    /** Those of a shelf, last changed first, from before a place on; without those that expire. */
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
    async insert(conversation: Conversation): Promise<void> {
      await write(() => insertConversation(run, conversation));
    },
    /** Gives the conversations of an agent new runtime sessions, some at a time. */
    async renewSessions(agentId: string): Promise<void> {
      for (let after: number | undefined = 0; after !== undefined; ) {
        const from: number = after;
        const rows = await write((tx) =>
          tx.all<{ rowid: number }>(sql`UPDATE conversations SET session_from = last_position WHERE rowid IN
            (SELECT rowid FROM conversations WHERE agent_id = ${agentId} AND rowid > ${from} ORDER BY rowid LIMIT ${RENEWED_AT_ONCE})
            RETURNING rowid`),
        );
        after = rows.length < RENEWED_AT_ONCE ? undefined : Math.max(...rows.map(({ rowid }) => rowid));
      }
    },
    async rename(id: string, title: string): Promise<void> {
      await write((tx) => {
        const row = tx.update(conversations).set({ title }).where(eq(conversations.id, id)).returning().get();
        if (row?.expiresAtMs === null) indexing((add) => add.title(row.userId, id, title));
      });
    },
    /** Renames a conversation that still has a title. @returns whether it had. */
    async retitle(id: string, from: string, title: string): Promise<boolean> {
      return write((tx) => {
        const there = and(eq(conversations.id, id), eq(conversations.title, from));
        const row = tx.update(conversations).set({ title }).where(there).returning().get();
        if (row?.expiresAtMs === null) indexing((add) => add.title(row.userId, id, title));
        return row !== undefined;
      });
    },
    async markRead(id: string): Promise<void> {
      await write((tx) => void tx.update(conversations).set({ isUnread: false }).where(eq(conversations.id, id)).run());
    },
    async delete(id: string): Promise<void> {
      await write((tx) => void tx.delete(conversations).where(eq(conversations.id, id)).run());
    },
    /** Takes a conversation out of every list until it expires, or `restore` brings it back. */
    async discard(id: string, expiresAtMs: number): Promise<void> {
      await write((tx) => {
        tx.update(conversations).set({ shelf: 'deleted', expiresAtMs }).where(eq(conversations.id, id)).run();
      });
    },
    async findDiscarded(userId: string, id: string): Promise<Conversation | undefined> {
      const there = and(eq(conversations.id, id), eq(conversations.userId, userId), eq(conversations.shelf, 'deleted'));
      return db.select().from(conversations).where(there).get();
    },
    /**
     * Puts a conversation on a shelf, where it stays; also a discarded one, which so comes back.
     * @returns whether it is there; `false`, and nothing is changed, when `PINNED_MAX` others are pinned.
     */
    async putOn(id: string, userId: string, shelf: Shelf): Promise<boolean> {
      return write((tx) => {
        if (shelf === 'pinned') {
          const others = and(
            eq(conversations.userId, userId),
            eq(conversations.shelf, shelf),
            ne(conversations.id, id),
          );
          const pinned = tx.select({ id: conversations.id }).from(conversations).where(others).limit(PINNED_MAX).all();
          if (pinned.length === PINNED_MAX) return false;
        }
        tx.update(conversations).set({ shelf, expiresAtMs: null }).where(eq(conversations.id, id)).run();
        return true;
      });
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
      await write((tx) => void tx.delete(conversations).where(inArray(conversations.id, due)).run());
    },

    async findMessageHead(id: string): Promise<MessageHead | undefined> {
      return db.select(head).from(messages).where(eq(messages.id, id)).get();
    },
    async findMessage(id: string): Promise<WholeMessage | undefined> {
      const row = db.select().from(messages).where(eq(messages.id, id)).get();
      return row && whole(row);
    },
    /**
     * Up to `limit` messages before `position` (or the newest), oldest first, on the shown path or on another one. Without
     * notices: no model is told them.
     * @param options.maxBytes of their texts, calls and results together: older ones are left out, the newest is not.
     */
    async page(
      conversationId: string,
      options: { before?: number; limit: number; maxBytes?: number; path?: readonly number[] | undefined },
    ): Promise<readonly Message[]> {
      const before = options.before === undefined ? undefined : lt(messages.position, options.before);
      const there = and(eq(messages.conversationId, conversationId), before, onPath(options.path), isTold);
      const { limit, maxBytes } = options;
      // By their number and not by a position, for which the notices in between would be read.
      const count = maxBytes === undefined ? limit : newestWithin(there, { limit, maxBytes }).count;
      return db
        .select(said)
        .from(messages)
        .where(there)
        .orderBy(desc(messages.position))
        .limit(count)
        .all()
        .reverse()
        .map(whole);
    },
    /** The position from which on the messages up to one are within bounds; `undefined` if that one alone is not. */
    async forkableFrom(
      conversationId: string,
      upTo: number,
      bounds: Bounds & { readonly path?: readonly number[] | undefined },
    ): Promise<number | undefined> {
      const there = and(eq(messages.conversationId, conversationId), lte(messages.position, upTo), onPath(bounds.path));
      const { first = upTo, newestBytes } = newestWithin(there, bounds, bytesStored);
      return newestBytes > bounds.maxBytes ? undefined : first;
    },
    /** The newest messages, or the first ones after a position; oldest first. `ofTurns`: without callbacks. */
    async heads(inConversation: string, { after, limit, ofTurns }: HeadsRange): Promise<readonly MessageHead[]> {
      const later = after === undefined ? undefined : gt(position, after);
      const there = and(eq(conversationId, inConversation), later, isShown, ofTurns ? sql.raw(OF_TURNS) : undefined);
      const order = after === undefined ? desc(position) : position;
      const rows = db.select(head).from(messages).where(there).orderBy(order).limit(limit).all();
      return after === undefined ? rows.reverse() : rows;
    },
    /** A conversation's newest message that is no callback. */
    async newest(conversationId: string): Promise<Newest | undefined> {
      return run.newest.get(conversationId) ?? undefined;
    },

    /**
     * Writes a user's message and the empty answer to it, before anything is asked of a runner (law 17).
     * @returns `undefined` when an answer is already being written there, or the replaced one is not there any more.
     */
    async insertTurn(turn: NewTurn): Promise<WrittenTurn | undefined> {
      try {
        return await write((tx) => insertTurn(tx, run, turn));
      } catch (error) {
        if (isUniqueViolation(error)) return undefined;
        throw error;
      }
    },
    /** Saves a part of the text of an answer that is still being written, and its steps. */
    async saveText(id: string, part: TextPart | undefined, steps?: readonly Step[]): Promise<void> {
      await write(() => {
        if (part) saveText(id, part);
        if (steps) run.steps.run(jsonList(steps), id);
      });
    },
    /** Ends an answer, with the last part of its text. The first ending wins: returns whether this was it (law 19). */
    async endAnswer(
      id: string,
      end: {
        status: Exclude<MessageStatus, 'streaming'>;
        text?: TextPart;
        failure?: MessageFailure;
        calls: readonly ToolCall[];
        steps?: readonly Step[];
        nowMs: number;
        /** Whether its owner sees the ending. Otherwise the conversation is unread. */
        isSeen?: () => boolean;
      },
    ): Promise<boolean> {
      const { status, text, failure, calls, steps = [], nowMs, isSeen } = end;
      const ended = await write(() => {
        if (text?.ordinal !== undefined) saveText(id, text);
        const content = text?.ordinal === undefined ? (text?.content ?? null) : null;
        const row = run.end.get(content, status, json(failure), jsonList(calls), jsonList(steps), nowMs, id);
        if (row && isSeen?.() === false) run.unread.run(row.conversationId);
        return row;
      });
      return ended !== null;
    },
    /**
     * Deletes an answer, with the user's message before it unless another answer to that one stays, and the conversation
     * when nothing is left in it. What is left is a new runtime session, because the old one knows what is deleted.
     * @returns the ids of the messages that are gone.
     */
    async deleteAnswer(id: string): Promise<readonly string[]> {
      return write((tx) => deleteAnswer(tx, id));
    },
    /** Ends every answer that a crash left open, unseen; returns how many. */
    async endOrphans(failure: MessageFailure, nowMs: number): Promise<number> {
      return write((tx) => {
        const end = tx.update(messages).set({ status: 'failed', failure, endedAtMs: nowMs });
        // As the index has it, which is of this status only.
        const open = sql`${messages.status} = 'streaming'`;
        const ended = end.where(open).returning({ inConversation: messages.conversationId }).all();
        for (const { inConversation } of ended) run.unread.run(inConversation);
        return ended.length;
      });
    },
  };
}
