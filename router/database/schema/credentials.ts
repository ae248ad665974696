/** Tables of credentials. */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { userColumn } from './accounts';

/** Values that users have set. `backend` is empty for a value that applies to all backends. */
export const credentials = sqliteTable(
  'credentials',
  {
    userId: userColumn(),
    backend: text().notNull(),
    name: text().notNull(),
    sealed: text().notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.backend, table.name] })],
);

/** Variables whose administrator's value applies to every user who has not set a value. */
export const sharedVariables = sqliteTable('shared_variables', {
  name: text().primaryKey(),
  updatedAtMs: integer('updated_at_ms').notNull(),
});
