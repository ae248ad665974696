/** The statements that every answer runs. */
import { getTableColumns } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { TEXT_PARAMETER } from '../../database/parameters';
import { conversations, messages } from '../../database/schema/chat';
import { attaching, copyingAttachments } from '../attachments/store';
import type { Conversation } from './conversations';
import type { Newest } from './messages';

/**
 * The statements of every answer, prepared once and in SQL: Drizzle takes longer to fill in such a statement, and to read its
 * rows, than the database to run it.
 */
export function statements(db: Db) {
  const { $client } = db;
  return {
    attach: attaching(db),
    copyAttachments: copyingAttachments(db),
    find: $client.query<Conversation & { readonly answeredTo: number }, [id: string]>(
      `SELECT ${columnsOf(conversations)} FROM conversations WHERE id = ? AND shelf <> 'deleted'`,
    ),
    /** With whether an answer is being written in it. */
    findForTurn: $client.query<Conversation & { isStreaming: number }, [id: string]>(
      `SELECT ${columnsOf(conversations)}, EXISTS (SELECT 1 FROM messages WHERE conversation_id = conversations.id
        AND status = 'streaming') AS isStreaming FROM conversations WHERE id = ? AND shelf <> 'deleted'`,
    ),
    newest: $client.query<Newest, [conversationId: string]>(
      `SELECT id, role, status FROM messages WHERE conversation_id = ${TEXT_PARAMETER} AND is_hidden = 0 AND callback_id IS NULL
        ORDER BY position DESC LIMIT 1`,
    ),
    begin: $client.query<never, Values>(
      `INSERT INTO conversations (id, user_id, agent_id, title, model, created_at_ms, updated_at_ms, last_position,
        session_from, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insert: $client.query<never, Values>(`${INSERT_MESSAGE} VALUES ${MESSAGE}`),
    insertBoth: $client.query<never, Values>(`${INSERT_MESSAGE} VALUES ${MESSAGE}, ${MESSAGE}`),
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
      `UPDATE conversations SET last_position = ?, updated_at_ms = ?, title = ?, session_from = ?, is_unread = ?,
        answered_to = ?, goes_on_from = NULL, shelf = CASE shelf WHEN 'archived' THEN 'list' ELSE shelf END WHERE id = ?`,
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
    // The statement may run twice: the database may have failed to say that it had written the piece.
    piece: $client.query<never, [ordinal: number, content: string, id: string]>(
      `INSERT OR REPLACE INTO message_pieces (message_id, ordinal, content)
        SELECT id, ?, ? FROM messages WHERE id = ? AND status = 'streaming'`,
    ),
    // Without a content it stays.
    end: $client.query<{ readonly conversationId: string }, Values>(
      `UPDATE messages SET content = ifnull(?, content), status = ?, failure = ?, calls = ?, steps = ?, ended_at_ms = ?,
        incomplete = ? WHERE id = ? AND status = 'streaming' RETURNING conversation_id AS conversationId`,
    ),
    // A conversation that expires is in no list, so it is not marked as unread.
    unread: $client.query<never, [id: string]>(
      'UPDATE conversations SET is_unread = 1 WHERE id = ? AND expires_at_ms IS NULL AND is_unread = 0',
    ),
  };
}

const INSERT_MESSAGE = `INSERT INTO messages (id, conversation_id, position, role, content, status, results, created_at_ms, parent,
  failure, calls, steps, ended_at_ms, incomplete)`;
const MESSAGE = '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
const COPIED = Object.values(getTableColumns(messages))
  .map(({ name }) => name)
  // A copied path is the only one.
  .filter((name) => !['id', 'conversation_id', 'parent', 'is_hidden'].includes(name))
  .join(', ');
type Values = (string | number | null)[];
export type Statements = ReturnType<typeof statements>;

/** The columns of a table for a statement in SQL whose rows have the names of the schema. */
function columnsOf(table: typeof conversations): string {
  return Object.entries(getTableColumns(table))
    .map(([name, column]) => `"${column.name}" AS "${name}"`)
    .join(', ');
}

/** Values of statements in SQL are not encoded by Drizzle. */
export function json(value: object | undefined): string | null {
  return value ? JSON.stringify(value) : null;
}

export function jsonList(values: readonly object[]): string | null {
  return values.length > 0 ? JSON.stringify(values) : null;
}
