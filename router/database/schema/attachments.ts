/**
 * Files that belong to messages. Their contents are files below the attachments' folder, named by their hash; one content
 * may be that of many rows. A trigger of the migration puts the hash of a content's last row into `loose_blobs`.
 */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { userColumn } from './accounts';
import { conversations, messages } from './chat';

export const attachments = sqliteTable(
  'attachments',
  {
    id: text().primaryKey(),
    userId: userColumn(),
    conversationId: text('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    /** Null: it was uploaded for a message that is not stored yet. */
    messageId: text('message_id').references(() => messages.id, { onDelete: 'cascade' }),
    /** 0, 1, … within its message. */
    ordinal: integer().notNull(),
    /** SHA-256 of the content, as hex. */
    hash: text().notNull(),
    /** As the user calls it. */
    name: text().notNull(),
    /** Told from the content: that of a picture, or `text/plain`. */
    type: text().notNull(),
    bytes: integer().notNull(),
    /** Pixels of a picture, where they are known. */
    width: integer(),
    height: integer(),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [
    // With the bytes, which are added up before each upload.
    index('attachments_by_user').on(table.userId, table.bytes),
    index('attachments_by_conversation').on(table.conversationId),
    index('attachments_by_message').on(table.messageId, table.ordinal),
    index('attachments_by_hash').on(table.hash),
    index('attachments_waiting').on(table.createdAtMs).where(sql`message_id IS NULL`),
  ],
);

/**
 * Contents that may have no row: noted before their file is written, and when their last row is deleted. Those that have
 * none an hour later are deleted.
 */
export const looseBlobs = sqliteTable(
  'loose_blobs',
  {
    hash: text().primaryKey(),
    /** 0 from the trigger, which knows no clock. */
    sinceMs: integer('since_ms').notNull(),
  },
  (table) => [index('loose_blobs_since').on(table.sinceMs)],
);
