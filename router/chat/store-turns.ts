/** Writes and deletes the turns of a conversation. */
import { and, eq, getTableColumns, inArray } from 'drizzle-orm';
import type { Db } from '../database/database';
import { TEXT_PARAMETER } from '../database/parameters';
import { conversations, messages, type ToolResult } from '../database/schema/chat';
import { newTimeId } from '../lib/ids';
import type { Conversation, Message, Newest } from './store';
import { attaching, copyingAttachments, type KeptFile } from './store-attachments';
import { textsOf } from './store-texts';
import { goOn, hideAfter, OF_TURNS, reattach, show, treeOf } from './store-tree';

/** A conversation that begins with a turn. */
export interface Beginning {
  readonly conversation: Conversation;
  /** The one that it goes on from, with copies of its messages from a position up to `lastPosition`, on a path of it. */
  readonly fork?: { readonly of: string; readonly from: number; readonly path?: readonly number[] | undefined };
}

export interface NewTurn {
  readonly conversationId: string;
  /** Absent for a conversation that is stored. */
  readonly beginning?: Beginning;
  /** Absent when an answer is asked for again. */
  readonly user?: { readonly id: string; readonly content: string; readonly files?: readonly KeptFile[] };
  readonly answerId: string;
  /** Kept with the first message of the turn. */
  readonly results?: readonly ToolResult[] | undefined;
  /** An answer that this one replaces; its results are those of the new one. */
  readonly replacesId?: string;
  /** Position that the turn follows as another variant: what is shown after it is hidden, and a runtime session begins. */
  readonly after?: number;
  /** `sessionFrom` of the conversation from this turn on. */
  readonly sessionFrom?: number;
  /** Until when the conversation is kept, unless it stays anyway; absent: it stays. */
  readonly expiresAtMs?: number | undefined;
  /** Title to take when the conversation has none. */
  readonly title: string;
  readonly nowMs: number;
}

export interface WrittenTurn {
  readonly user?: Message;
  readonly answer: Message;
  /** Messages that are hidden from this turn on. */
  readonly gone: readonly string[];
  readonly sessionFrom: number;
}

/**
 * The statements of every answer, prepared once and in SQL: Drizzle takes longer to fill in such a statement, and to read its
 * rows, than the database to run it.
 */
export function statements(db: Db) {
  const { $client } = db;
  return {
    attach: attaching(db),
    copyAttachments: copyingAttachments(db),
    find: $client.query<Conversation, [id: string]>(
      `SELECT ${columnsOf(conversations)} FROM conversations WHERE id = ? AND shelf <> 'deleted'`,
    ),
    /** With its newest message that is no callback; all null where there is none. */
    findWithNewest: $client.query<Conversation & NewestColumns, [id: string]>(
      `SELECT ${columnsOf(conversations, 'c.')}, m.id AS newestId, m.role AS newestRole, m.status AS newestStatus
        FROM conversations AS c
        LEFT JOIN messages AS m ON m.rowid = (SELECT rowid FROM messages WHERE conversation_id = c.id AND is_hidden = 0 AND ${OF_TURNS}
          ORDER BY position DESC LIMIT 1)
        WHERE c.id = ${TEXT_PARAMETER} AND c.shelf <> 'deleted'`,
    ),
    /** With whether an answer is being written in it. */
    findForTurn: $client.query<Conversation & { isStreaming: number }, [id: string]>(
      `SELECT ${columnsOf(conversations)}, EXISTS (SELECT 1 FROM messages WHERE conversation_id = conversations.id
        AND status = 'streaming') AS isStreaming FROM conversations WHERE id = ? AND shelf <> 'deleted'`,
    ),
    newest: $client.query<Newest, [conversationId: string]>(
      `SELECT id, role, status FROM messages WHERE conversation_id = ${TEXT_PARAMETER} AND is_hidden = 0 AND ${OF_TURNS}
        ORDER BY position DESC LIMIT 1`,
    ),
    begin: $client.query<never, Values>(
      `INSERT INTO conversations (id, user_id, agent_id, title, model, created_at_ms, updated_at_ms, last_position,
        session_from, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insert: $client.query<never, Values>(
      `INSERT INTO messages (id, conversation_id, position, role, content, status, results, created_at_ms, parent)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    ids: $client.query<{ readonly id: string }, [conversationId: string, from: number, upTo: number]>(
      `SELECT id FROM messages WHERE conversation_id = ${TEXT_PARAMETER} AND position BETWEEN ? AND ? AND is_hidden = 0
        ORDER BY position`,
    ),
    idAt: $client.query<{ readonly id: string }, [conversationId: string, position: number]>(
      'SELECT id FROM messages WHERE conversation_id = ? AND position = ?',
    ),
    // The texts of a copied message never leave the database.
    copy: $client.query<never, [id: string, conversationId: string, fromId: string]>(
      `INSERT INTO messages (id, conversation_id, ${COPIED}) SELECT ?, ?, ${COPIED} FROM messages WHERE id = ?`,
    ),
    touch: $client.query<never, Values>(
      // What goes on is not archived any more.
      `UPDATE conversations SET last_position = ?, updated_at_ms = ?, title = ?, session_from = ?, goes_on_from = NULL,
        shelf = CASE shelf WHEN 'archived' THEN 'list' ELSE shelf END WHERE id = ?`,
    ),
    stay: $client.query<never, [expiresAtMs: number | null, id: string]>(
      'UPDATE conversations SET expires_at_ms = ? WHERE id = ?',
    ),
    text: $client.query<never, [content: string, id: string]>(
      `UPDATE messages SET content = ? WHERE id = ? AND status = 'streaming'`,
    ),
    steps: $client.query<never, [steps: string | null, id: string]>(
      `UPDATE messages SET steps = ? WHERE id = ? AND status = 'streaming'`,
    ),
    // It may have been tried before, and the database not have said that it was written.
    piece: $client.query<never, [ordinal: number, content: string, id: string]>(
      `INSERT OR REPLACE INTO message_pieces (message_id, ordinal, content)
        SELECT id, ?, ? FROM messages WHERE id = ? AND status = 'streaming'`,
    ),
    // Without a content it stays.
    end: $client.query<{ readonly conversationId: string }, Values>(
      `UPDATE messages SET content = ifnull(?, content), status = ?, failure = ?, calls = ?, steps = ?, ended_at_ms = ?
        WHERE id = ? AND status = 'streaming' RETURNING conversation_id AS conversationId`,
    ),
    // One that expires is in no list.
    unread: $client.query<never, [id: string]>(
      'UPDATE conversations SET is_unread = 1 WHERE id = ? AND expires_at_ms IS NULL AND is_unread = 0',
    ),
  };
}

const COPIED = Object.values(getTableColumns(messages))
  .map(({ name }) => name)
  // A copied path is the only one.
  .filter((name) => !['id', 'conversation_id', 'parent', 'is_hidden'].includes(name))
  .join(', ');
interface NewestColumns {
  readonly newestId: string | null;
  readonly newestRole: Message['role'] | null;
  readonly newestStatus: Message['status'] | null;
}
type Values = (string | number | null)[];
export type Statements = ReturnType<typeof statements>;

/** The columns of a table for a statement in SQL whose rows have the names of the schema. */
function columnsOf(table: typeof conversations, from = ''): string {
  return Object.entries(getTableColumns(table))
    .map(([name, column]) => `${from}"${column.name}" AS "${name}"`)
    .join(', ');
}

/**
 * Writes a turn. Writes nothing and returns `undefined` when an answer is being written there, or the conversation or the
 * replaced answer is gone.
 */
export function insertTurn(tx: Db, write: Statements, turn: NewTurn): WrittenTurn | undefined {
  const { nowMs } = turn;
  const stored = turn.beginning ? undefined : write.findForTurn.get(turn.conversationId);
  const conversation = turn.beginning?.conversation ?? stored;
  if (!conversation || stored?.isStreaming === 1) return undefined;
  if (turn.beginning) begin(tx, write, turn.beginning);
  let { results = [] } = turn;
  // The message that the turn follows, where that is not the one before it.
  let parent = turn.after ?? conversation.goesOnFrom;
  if (turn.replacesId) {
    const followed = parent === null ? null : treeOf(tx, conversation.id).parentOf(parent);
    const replaced = tx.delete(messages).where(eq(messages.id, turn.replacesId)).returning().get();
    if (!replaced) return undefined;
    results = replaced.results ?? [];
    parent = replaced.parent ?? followed;
  }
  const gone = turn.after === undefined ? [] : hideAfter(tx, conversation.id, turn.after);
  let position = conversation.lastPosition;
  const insert = (id: string, role: 'user' | 'assistant', content: string): Message => {
    position += 1;
    const status = role === 'user' ? 'done' : 'streaming';
    write.insert.run(id, conversation.id, position, role, content, status, jsonList(results), nowMs, parent);
    const row = { id, conversationId: conversation.id, position, role, content, status, createdAtMs: nowMs } as const;
    const message = {
      ...row,
      failure: null,
      calls: null,
      results: results.length > 0 ? results : null,
      endedAtMs: null,
      parent,
      isHidden: false,
      callbackId: null,
    };
    results = [];
    parent = null;
    return message;
  };
  const user = turn.user && insert(turn.user.id, 'user', turn.user.content);
  if (user && turn.user?.files) {
    write.attach(
      { userId: conversation.userId, conversationId: conversation.id, messageId: user.id },
      turn.user.files,
      nowMs,
    );
  }
  const answer = insert(turn.answerId, 'assistant', '');
  const title = conversation.title || turn.title;
  const sessionFrom =
    turn.after === undefined ? (turn.sessionFrom ?? conversation.sessionFrom) : conversation.lastPosition;
  write.touch.run(position, nowMs, title, sessionFrom, conversation.id);
  // One that stays never begins to expire.
  const expiresAtMs = conversation.expiresAtMs === null ? null : (turn.expiresAtMs ?? null);
  if (expiresAtMs !== conversation.expiresAtMs) write.stay.run(expiresAtMs, conversation.id);
  return { ...(user && { user }), answer, gone, sessionFrom };
}

export function insertConversation(write: Statements, conversation: Conversation): void {
  const { id, userId, agentId, title, model, createdAtMs, updatedAtMs } = conversation;
  const { lastPosition, sessionFrom, expiresAtMs } = conversation;
  const written = [id, userId, agentId, title, model, createdAtMs, updatedAtMs, lastPosition, sessionFrom, expiresAtMs];
  write.begin.run(...written);
}

function begin(tx: Db, write: Statements, { conversation, fork }: Beginning): void {
  insertConversation(write, conversation);
  if (fork === undefined) return;
  const { copyPieces } = textsOf(tx);
  const copied = fork.path
    ? fork.path.filter((at) => at >= fork.from).flatMap((at) => write.idAt.get(fork.of, at) ?? [])
    : write.ids.all(fork.of, fork.from, conversation.lastPosition);
  for (const { id } of copied) {
    const copyId = newTimeId();
    write.copy.run(copyId, conversation.id, id);
    copyPieces(id, copyId);
    write.copyAttachments(conversation.id, copyId, id);
  }
}

export function deleteAnswer(tx: Db, id: string): readonly string[] {
  const answer = tx.select().from(messages).where(eq(messages.id, id)).get();
  if (!answer) return [];
  const { conversationId, position } = answer;
  const there = eq(messages.conversationId, conversationId);
  const at = (one: number) =>
    tx
      .select({ id: messages.id, role: messages.role })
      .from(messages)
      .where(and(there, eq(messages.position, one)))
      .get();
  const tree = treeOf(tx, conversationId);
  const parent = tree.parentOf(position);
  const variant = tree.childrenOf(parent).findLast((one) => one !== position);
  const next = tree.childrenOf(position);
  const before = at(parent);
  const isAlone =
    before?.role === 'user' && variant === undefined && next.every((one) => at(one)?.role !== 'assistant');
  const ids = isAlone ? [before.id, id] : [id];
  reattach(tx, conversationId, ids);
  tx.delete(messages).where(inArray(messages.id, ids)).run();
  const isEmpty = tx.select({ id: messages.id }).from(messages).where(there).limit(1).get() === undefined;
  if (isEmpty) tx.delete(conversations).where(eq(conversations.id, conversationId)).run();
  else if (variant !== undefined && next.length === 0 && !answer.isHidden) {
    show(tx, conversationId, treeOf(tx, conversationId), variant);
  } else goOn(tx, conversationId);
  return ids;
}

/** Values of statements in SQL are not encoded by Drizzle. */
export function json(value: object | undefined): string | null {
  return value ? JSON.stringify(value) : null;
}

export function jsonList(values: readonly object[]): string | null {
  return values.length > 0 ? JSON.stringify(values) : null;
}
