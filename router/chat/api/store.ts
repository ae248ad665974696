/** The statements of the conversations API that the turns of `/v1` and of the pages do not need. */
import { and, desc, eq, gt, inArray, isNull, sql } from 'drizzle-orm';
import { type Db, transaction } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import { conversations, messages } from '../../database/schema/chat';
import { attaching, binding, type KeptFile } from '../attachments/store';
import type { Conversation, Message, MessageFailure, WholeMessage } from '../store/conversations';
import { json } from '../store/statements';
import { said, textsOf } from '../store/texts';
import { isShown } from '../store/tree';

/** Messages of an import that wait to be written at once, so that the writes of others come in between. */
const INSERT_AT_ONCE = 100;
/** How long an import that was cut off stays: longer than any takes. */
const CUT_OFF_MS = 3_600_000;
/** Bytes of the texts that are read at once. */
const READ_BYTES_MAX = 512 * 1024;

/** A conversation with what it is told with. */
export interface CountedConversation
  extends Pick<Conversation, 'id' | 'agentId' | 'title' | 'createdAtMs' | 'updatedAtMs' | 'shelf'> {
  readonly backend: string;
  /** Its own model, else its agent's, else the backend's name. */
  readonly model: string;
  readonly messageCount: number;
  /** Its rank by creation among the user's conversations with the backend, from 1. It falls when an earlier one is deleted. */
  readonly seq: number;
}

/** A message with the data of a callback, and what its agent did for it. */
export type TellingMessage = Message & Partial<Pick<WholeMessage, 'extra' | 'steps'>>;

/** Which conversations of a user. */
export type Wanted =
  | { readonly id: string }
  | { readonly backend: string; readonly seq: number }
  | { readonly limit: number; readonly before: Pick<Conversation, 'id' | 'updatedAtMs'> | undefined };

/** A message that a client stores. */
export interface PostedMessage {
  readonly id: string;
  readonly conversationId: string;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  /** Of an answer that failed. */
  readonly failure?: MessageFailure;
  /** Title to take when the conversation has none. */
  readonly title: string;
  readonly nowMs: number;
  /** Of files that wait for it. */
  readonly attachmentIds?: readonly string[];
}

/** A message that comes with its conversation. */
export type WholeMessageToInsert = Pick<Message, 'id' | 'role' | 'content' | 'status' | 'createdAtMs'> &
  Partial<{ [Name in 'failure' | 'calls' | 'results' | 'steps']: object }> & {
    readonly files?: readonly KeptFile[];
    /** Position of the message that it follows, where that is not the one before it. */
    readonly parent?: number;
    readonly isHidden?: boolean;
  };

export type ConversationsApiStore = ReturnType<typeof conversationsApiStore>;

export function conversationsApiStore(db: Db) {
  const { whole } = textsOf(db);
  const write = groupedWrites(db);
  const bind = binding(db);
  const attach = attaching(db);
  // Not by Drizzle, which takes ten times as long to fill one in.
  const insertMessage = db.$client.query(
    `INSERT INTO messages (id, conversation_id, position, role, content, status, failure, calls, results, created_at_ms,
      ended_at_ms, callback_id, steps, parent, is_hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );

  function insertOne(
    { id: conversationId, userId }: Pick<Conversation, 'id' | 'userId'>,
    one: WholeMessageToInsert,
    position: number,
  ): void {
    const { id, role, content, status, createdAtMs, files = [] } = one;
    const details = [json(one.failure), json(one.calls), json(one.results), createdAtMs, createdAtMs];
    // All notices are callbacks.
    const callbackId = role === 'notice' ? id : null;
    const place = [json(one.steps), one.parent ?? null, Number(one.isHidden ?? false)];
    insertMessage.run(id, conversationId, position, role, content, status, ...details, callbackId, ...place);
    attach({ userId, conversationId, messageId: id }, files, createdAtMs);
  }

  return {
    /**
     * Inserts a conversation with all its messages, however many: some at a time, and nobody finds it before it is whole.
     * One that is cut off goes by itself. No runtime session knows the messages.
     */
    async insertWhole(
      { nowMs, ...ids }: Pick<Conversation, 'id' | 'userId' | 'agentId' | 'title'> & { readonly nowMs: number },
      said: readonly WholeMessageToInsert[],
    ): Promise<void> {
      const shown = said.findLastIndex(({ isHidden }) => !isHidden) + 1;
      const goesOnFrom = shown === said.length ? null : shown;
      const places = { lastPosition: said.length, sessionFrom: said.length, goesOnFrom };
      const times = { createdAtMs: nowMs, updatedAtMs: nowMs, expiresAtMs: nowMs + CUT_OFF_MS };
      await write((tx) => {
        tx.insert(conversations)
          .values({ ...ids, ...times, ...places, shelf: 'deleted' })
          .run();
      });
      for (let from = 0; from < said.length; from += INSERT_AT_ONCE) {
        const some = said.slice(from, from + INSERT_AT_ONCE);
        await Promise.all(some.map((one, index) => write(() => insertOne(ids, one, from + index + 1))));
      }
      await write((tx) => {
        tx.update(conversations).set({ shelf: 'list', expiresAtMs: null }).where(eq(conversations.id, ids.id)).run();
      });
    },

    /** Last changed first. Those that are kept unasked are found by their id only. */
    async counted(userId: string, wanted: Wanted): Promise<readonly CountedConversation[]> {
      const isOne = 'id' in wanted;
      // One conversation is counted; to number those of a user with thousands takes twice as long.
      const seq = isOne
        ? sql`(SELECT count(*) FROM conversations AS o JOIN agents AS b ON b.id = o.agent_id
            WHERE o.user_id = c.user_id AND b.backend = a.backend AND o.shelf <> 'deleted'
              AND (o.expires_at_ms IS NULL OR o.id = c.id) AND (o.created_at_ms, o.id) <= (c.created_at_ms, c.id))`
        : sql`row_number() OVER (PARTITION BY a.backend ORDER BY c.created_at_ms, c.id)`;
      return db.all<CountedConversation>(sql`
        WITH own AS (
          SELECT c.id, c.agent_id AS agentId, c.title, c.shelf, c.created_at_ms AS createdAtMs, c.updated_at_ms AS updatedAtMs,
            a.backend, coalesce(nullif(c.model, ''), nullif(a.model, ''), a.backend) AS model, ${seq} AS seq
          FROM conversations AS c JOIN agents AS a ON a.id = c.agent_id
          WHERE c.user_id = ${userId} AND c.shelf <> 'deleted'
            AND ${isOne ? sql`c.id = ${wanted.id}` : sql`c.expires_at_ms IS NULL`})
        SELECT own.*, (SELECT count(*) FROM messages AS m WHERE m.conversation_id = own.id)
          - (SELECT count(*) FROM messages AS m WHERE m.conversation_id = own.id AND m.is_hidden = 1) AS messageCount
        FROM (SELECT * FROM own WHERE ${whereOf(wanted)} ORDER BY updatedAtMs DESC, id DESC
          LIMIT ${'limit' in wanted ? wanted.limit : 1}) AS own
        ORDER BY updatedAtMs DESC, id DESC`);
    },

    async setTitle(id: string, title: string, nowMs: number): Promise<void> {
      db.update(conversations).set({ title, updatedAtMs: nowMs }).where(eq(conversations.id, id)).run();
    },

    /**
     * The first messages after a position, whole, oldest first: as many as are quick to read, at least one if there is any.
     * @param options.withHidden also those of variants that are not shown.
     */
    async wholeAfter(
      conversationId: string,
      position: number,
      { withHidden = false }: { readonly withHidden?: boolean } = {},
    ): Promise<readonly TellingMessage[]> {
      const later = and(eq(messages.conversationId, conversationId), gt(messages.position, position));
      const there = withHidden ? later : and(later, isShown);
      const bytes = sql<number>`octet_length(${messages.content}) + ifnull(octet_length(${messages.steps}), 0)`;
      const sizes = db
        .select({ id: messages.id, bytes })
        .from(messages)
        .where(there)
        .orderBy(messages.position)
        .limit(100)
        .all();
      let sum = 0;
      const fits = sizes.filter(({ bytes }, index) => {
        sum += bytes;
        return index === 0 || sum <= READ_BYTES_MAX;
      });
      const ids = fits.map(({ id }) => id);
      return db
        .select({ ...said, extra: messages.extra, steps: messages.steps })
        .from(messages)
        .where(inArray(messages.id, ids))
        .orderBy(messages.position)
        .all()
        .map(whole);
    },

    /**
     * Stores a message that a client sends. An answer that `isKnown` says is the newest message already is not stored a
     * second time. An answer of a client's own is not in the session of the runtime, so that one begins anew.
     * @returns the message that is in the conversation now; `undefined`, and nothing is stored, while an answer is being
     * written there or when there is no such conversation.
     */
    async post(
      message: PostedMessage,
      isKnown: (newest: Message) => boolean,
    ): Promise<{ readonly message: Message; readonly isNew: boolean } | undefined> {
      const { conversationId, title, nowMs, attachmentIds = [], ...row } = message;
      return transaction(db, (tx) => {
        const conversation = tx.select().from(conversations).where(eq(conversations.id, conversationId)).get();
        if (!conversation) return undefined;
        const found = tx
          .select(said)
          .from(messages)
          .where(and(eq(messages.conversationId, conversationId), isShown, isNull(messages.callbackId)))
          .orderBy(desc(messages.position))
          .limit(1)
          .get();
        if (found?.status === 'streaming') return undefined;
        const newest = found && whole(found);
        if (newest && isKnown(newest)) return { message: newest, isNew: false };
        const position = conversation.lastPosition + 1;
        const status = message.failure ? 'failed' : 'done';
        const inserted = tx
          .insert(messages)
          .values({
            ...{ ...row, conversationId, position, status, createdAtMs: nowMs, endedAtMs: nowMs },
            parent: conversation.goesOnFrom,
          })
          .returning(said)
          .get();
        for (const [index, id] of attachmentIds.entries()) bind.run(message.id, index, id);
        tx.update(conversations)
          .set({
            lastPosition: position,
            goesOnFrom: null,
            updatedAtMs: nowMs,
            shelf: conversation.shelf === 'archived' ? 'list' : conversation.shelf,
            title: conversation.title || title,
            ...(message.role === 'assistant' && !message.failure && { sessionFrom: position }),
          })
          .where(eq(conversations.id, conversationId))
          .run();
        return { message: inserted, isNew: true };
      });
    },
  };
}

function whereOf(wanted: Wanted) {
  if ('id' in wanted) return sql`id = ${wanted.id}`;
  if ('seq' in wanted) return sql`backend = ${wanted.backend} AND seq = ${wanted.seq}`;
  const { before } = wanted;
  return before ? sql`(updatedAtMs, id) < (${before.updatedAtMs}, ${before.id})` : sql`true`;
}
