/**
 * What the full-text index `search_index` has. That is a virtual table, which only its migration declares: it keeps no
 * text, and has a row for each entry, under the entry's id. A trigger deletes it with the entry.
 */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { users } from './accounts';
import { conversations, messages } from './chat';

/** Users with something to find. The entries of one are a range of ids of their own (`chat/search/store.ts`). */
export const searchOwners = sqliteTable('search_owners', {
  number: integer().primaryKey({ autoIncrement: true }),
  userId: text('user_id')
    .notNull()
    .unique()
    .references(() => users.id, { onDelete: 'cascade' }),
  /** Number of entries that the user ever had. */
  entries: integer().notNull().default(0),
});

/** A message, or the title of a conversation. */
export const searchEntries = sqliteTable('search_entries', {
  id: integer().primaryKey(),
  messageId: text('message_id')
    .unique()
    .references(() => messages.id, { onDelete: 'cascade' }),
  conversationId: text('conversation_id')
    .unique()
    .references(() => conversations.id, { onDelete: 'cascade' }),
});
