/** Tables of agents and their idle times. */
import { integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { userColumn } from './accounts';

/** The column of a row that belongs to an agent and is deleted with it. */
export const agentColumn = () =>
  text('agent_id')
    .notNull()
    .references(() => agents.id, { onDelete: 'cascade' });

export const agents = sqliteTable(
  'agents',
  {
    id: text().primaryKey(),
    userId: userColumn(),
    backend: text().notNull(),
    name: text().notNull(),
    /** 1, 2, … per user and backend. The agent with the lowest ordinal is the default agent. */
    ordinal: integer().notNull(),
    /** Takes the place of `LLM_MODEL` in the agent's calls. Empty: the owner's value applies. */
    model: text().notNull().default(''),
    createdAtMs: integer('created_at_ms').notNull(),
    /** Idle time of this agent; 0: its runner is never stopped for being idle. Null: as for the user's other agents. */
    idleSeconds: integer('idle_seconds'),
    /** Time of the last change of name, model or idle time. Null: there was none. */
    updatedAtMs: integer('updated_at_ms'),
  },
  (table) => [uniqueIndex('agents_by_ordinal').on(table.userId, table.backend, table.ordinal)],
);

/** What owners have written in the place of their agents' instructions. Not in `agents`, whose rows are kept in memory. */
export const agentInstructions = sqliteTable('agent_instructions', {
  agentId: text('agent_id')
    .primaryKey()
    .references(() => agents.id, { onDelete: 'cascade' }),
  text: text().notNull(),
});

/** Variables that owners have set for one agent: those of its backend's `agent_env`. */
export const agentVariables = sqliteTable(
  'agent_variables',
  {
    agentId: agentColumn(),
    name: text().notNull(),
    sealed: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.agentId, table.name] })],
);

export const idlePreferences = sqliteTable(
  'idle_preferences',
  {
    userId: userColumn(),
    backend: text().notNull(),
    /** 0: the runner is never stopped for being idle. */
    idleSeconds: integer('idle_seconds').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.backend] })],
);
