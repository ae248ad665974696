/** Tables of agents and their idle times. */
import { integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { users } from './accounts';

export const agents = sqliteTable(
  'agents',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    backend: text().notNull(),
    name: text().notNull(),
    /** 1, 2, … per user and backend. The agent with the lowest ordinal is the default agent. */
    ordinal: integer().notNull(),
    /** Takes the place of `LLM_MODEL` in the agent's calls. Empty: the owner's value applies. */
    model: text().notNull().default(''),
    createdAtMs: integer('created_at_ms').notNull(),
    /** Time of the last change of name or model. Null: there was none. */
    updatedAtMs: integer('updated_at_ms'),
  },
  (table) => [uniqueIndex('agents_by_ordinal').on(table.userId, table.backend, table.ordinal)],
);

export const idlePreferences = sqliteTable(
  'idle_preferences',
  {
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    backend: text().notNull(),
    /** 0: the runner is never stopped for being idle. */
    idleSeconds: integer('idle_seconds').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.backend] })],
);
