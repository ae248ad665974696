/** What is written with a turn of a conversation, and what is deleted of one. */
import { and, desc, eq, gt, inArray, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../database/database';
import { conversations, messages, type ToolResult } from '../database/schema';
import { newId } from '../lib/ids';
import type { Conversation, Message } from './store';

/** A conversation that begins with a turn. */
export interface Beginning {
  readonly conversation: Conversation;
  /** The one that it goes on from, with copies of its messages up to `lastPosition`. */
  readonly forkOf?: string;
}

export interface NewTurn {
  readonly conversationId: string;
  /** Absent for a conversation that is stored. */
  readonly beginning?: Beginning;
  /** Absent when an answer is asked for again. */
  readonly user?: { readonly id: string; readonly content: string };
  readonly answerId: string;
  /** Kept with the first message of the turn. */
  readonly results?: readonly ToolResult[] | undefined;
  /** An answer that this one replaces; its results are those of the new one. */
  readonly replacesId?: string;
  /** `sessionFrom` of the conversation from this turn on. */
  readonly sessionFrom?: number;
  /** Until when the conversation is kept, unless it stays anyway; absent: it stays. */
  readonly expiresAtMs?: number | undefined;
  /** Title to take when the conversation has none. */
  readonly title: string;
  readonly nowMs: number;
}

/** What is written with every answer, made once: to build such a statement costs more than to run it. */
export function statements(db: Db) {
  const { placeholder } = sql;
  const isStreaming = and(eq(messages.id, placeholder('id')), eq(messages.status, 'streaming'));
  return {
    find: db
      .select()
      .from(conversations)
      .where(eq(conversations.id, placeholder('id')))
      .prepare(),
    insert: db
      .insert(messages)
      .values({
        id: placeholder('id'),
        conversationId: placeholder('conversationId'),
        position: placeholder('position'),
        role: placeholder('role'),
        content: placeholder('content'),
        status: placeholder('status'),
        results: sql`${placeholder('results')}`,
        createdAtMs: placeholder('nowMs'),
      })
      .returning()
      .prepare(),
    touch: db
      .update(conversations)
      .set({
        lastPosition: sql`${placeholder('position')}`,
        updatedAtMs: sql`${placeholder('nowMs')}`,
        title: sql`${placeholder('title')}`,
        sessionFrom: sql`${placeholder('sessionFrom')}`,
        expiresAtMs: sql`${placeholder('expiresAtMs')}`,
      })
      .where(eq(conversations.id, placeholder('id')))
      .prepare(),
    text: db
      .update(messages)
      .set({ content: sql`${placeholder('content')}` })
      .where(isStreaming)
      .prepare(),
    end: db
      .update(messages)
      .set({
        status: sql`${placeholder('status')}`,
        content: sql`${placeholder('content')}`,
        failure: sql`${placeholder('failure')}`,
        calls: sql`${placeholder('calls')}`,
        endedAtMs: sql`${placeholder('nowMs')}`,
      })
      .where(isStreaming)
      .returning({ id: messages.id })
      .prepare(),
  };
}

/** Throws a unique violation when an answer is already being written there. */
export function insertTurn(
  tx: Db,
  write: ReturnType<typeof statements>,
  turn: NewTurn,
): { user?: Message; answer: Message } | undefined {
  const { nowMs } = turn;
  if (turn.beginning) begin(tx, turn.beginning);
  const conversation = write.find.get({ id: turn.conversationId });
  if (!conversation) return undefined;
  let { results = [] } = turn;
  if (turn.replacesId) {
    const gone = tx.delete(messages).where(eq(messages.id, turn.replacesId)).returning().get();
    if (!gone) return undefined;
    results = gone.results ?? [];
  }
  let position = conversation.lastPosition;
  const insert = (id: string, role: 'user' | 'assistant', content: string): Message => {
    position += 1;
    const status = role === 'user' ? 'done' : 'streaming';
    const row = { id, conversationId: conversation.id, position, role, content, status, nowMs };
    const message = write.insert.get({ ...row, results: jsonList(results) });
    results = [];
    return message;
  };
  const user = turn.user && insert(turn.user.id, 'user', turn.user.content);
  const answer = insert(turn.answerId, 'assistant', '');
  const title = conversation.title || turn.title;
  const sessionFrom = turn.sessionFrom ?? conversation.sessionFrom;
  // One that stays never begins to expire.
  const expiresAtMs = conversation.expiresAtMs === null ? null : (turn.expiresAtMs ?? null);
  write.touch.run({ id: conversation.id, position, title, sessionFrom, expiresAtMs, nowMs });
  return user ? { user, answer } : { answer };
}

function begin(tx: Db, { conversation, forkOf }: Beginning): void {
  tx.insert(conversations).values(conversation).run();
  if (forkOf === undefined) return;
  const upTo = and(eq(messages.conversationId, forkOf), lte(messages.position, conversation.lastPosition));
  for (const copy of tx.select().from(messages).where(upTo).all()) {
    tx.insert(messages)
      .values({ ...copy, id: newId(), conversationId: conversation.id })
      .run();
  }
}

export function deleteAnswer(tx: Db, id: string): readonly string[] {
  const answer = tx.select().from(messages).where(eq(messages.id, id)).get();
  if (!answer) return [];
  const { conversationId, position } = answer;
  const there = eq(messages.conversationId, conversationId);
  const neighbour = (where: SQL, order: SQL | typeof messages.position) =>
    tx.select().from(messages).where(and(there, where)).orderBy(order).limit(1).get();
  const before = neighbour(lt(messages.position, position), desc(messages.position));
  const after = neighbour(gt(messages.position, position), messages.position);
  const isAlone = before?.role === 'user' && after?.role !== 'assistant';
  const ids = isAlone ? [before.id, id] : [id];
  tx.delete(messages).where(inArray(messages.id, ids)).run();
  const conversation = eq(conversations.id, conversationId);
  const isEmpty = tx.select({ id: messages.id }).from(messages).where(there).limit(1).get() === undefined;
  if (isEmpty) tx.delete(conversations).where(conversation).run();
  else tx.update(conversations).set({ sessionFrom: conversations.lastPosition }).where(conversation).run();
  return ids;
}

/** Columns of prepared statements are not encoded by Drizzle. */
export function json(value: object | undefined): string | null {
  return value ? JSON.stringify(value) : null;
}

export function jsonList(values: readonly object[]): string | null {
  return values.length > 0 ? JSON.stringify(values) : null;
}
