/** The statements of the conversations API that the turns of `/v1` and of the pages do not need. */
import { and, desc, eq, isNull, ne } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import { conversations, messages } from '../../database/schema/chat';
import { attaching, binding, type KeptFile } from '../attachments/store';
import type { Conversation, Message, MessageFailure } from '../store/conversations';
import { json } from '../store/statements';
import { said, textsOf } from '../store/texts';
import { isShown } from '../store/tree';
import { countedStore } from './counted-store';
import { wholeStore } from './whole-store';

/** Messages of an import that wait to be written at once, so that the writes of others come in between. */
const INSERT_AT_ONCE = 100;
/** How long an import that was cut off stays: longer than any takes. */
const CUT_OFF_MS = 3_600_000;

/** A message that a client stores. */
interface PostedMessage {
  readonly id: string;
  readonly conversationId: string;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  /** Why an answer failed. */
  readonly failure?: MessageFailure;
  /** Title to take when the conversation has none. */
  readonly title: string;
  readonly nowMs: number;
  /** Ids of uploaded files that become the message's. */
  readonly attachmentIds?: readonly string[];
}

/** A message that comes with its conversation. */
export type WholeMessageToInsert = Pick<Message, 'id' | 'role' | 'content' | 'status' | 'createdAtMs'> &
  Partial<Pick<Message, 'incomplete'>> &
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
      ended_at_ms, callback_id, steps, parent, is_hidden, incomplete)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
    const place = [json(one.steps), one.parent ?? null, Number(one.isHidden ?? false), one.incomplete ?? null];
    insertMessage.run(id, conversationId, position, role, content, status, ...details, callbackId, ...place);
    attach({ userId, conversationId, messageId: id }, files, createdAtMs);
  }

  return {
    ...countedStore(db),
    ...wholeStore(db),
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

    /**
     * Stores a message that a client sends. An answer that `isKnown` says is the newest message already is not stored a
     * second time. An answer of a client's own is not in the session of the runtime, so that one begins anew.
     * @returns the message that is in the conversation now; and nothing is stored, `running` while an answer is being
     * written there, and `gone` when there is no such conversation, or it is deleted.
     */
    async post(
      message: PostedMessage,
      isKnown: (newest: Message) => boolean,
    ): Promise<{ readonly message: Message; readonly isNew: boolean } | 'running' | 'gone'> {
      const { conversationId, title, nowMs, attachmentIds = [], ...row } = message;
      return write((tx) => {
        const there = and(eq(conversations.id, conversationId), ne(conversations.shelf, 'deleted'));
        const conversation = tx.select().from(conversations).where(there).get();
        if (!conversation) return 'gone';
        const found = tx
          .select(said)
          .from(messages)
          .where(and(eq(messages.conversationId, conversationId), isShown, isNull(messages.callbackId)))
          .orderBy(desc(messages.position))
          .limit(1)
          .get();
        if (found?.status === 'streaming') return 'running';
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
