/** Table of schedules: times at which an agent is asked by itself. */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { userColumn } from './accounts';
import { agentColumn } from './agents';

export const schedules = sqliteTable(
  'schedules',
  {
    id: text().primaryKey(),
    userId: userColumn(),
    agentId: agentColumn(),
    /** Five fields: minute, hour, day of the month, month, day of the week. */
    cron: text().notNull(),
    /** A name of the IANA database, in which `cron` is read. */
    timeZone: text('time_zone').notNull(),
    /** What the agent is asked. */
    text: text().notNull(),
    /** The conversation of the answers. Null, or deleted: each answer begins a conversation. */
    conversationId: text('conversation_id'),
    isPaused: integer('is_paused', { mode: 'boolean' }).notNull().default(false),
    /** The next time, or that of another try. Null: paused, or there is no further time. */
    nextAtMs: integer('next_at_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
    lastAtMs: integer('last_at_ms'),
    lastConversationId: text('last_conversation_id'),
    /** Why the agent could not be asked the last time. Null: it was asked. */
    lastProblem: text('last_problem'),
  },
  (table) => [
    index('schedules_due').on(table.nextAtMs).where(sql`next_at_ms IS NOT NULL`),
    index('schedules_by_agent').on(table.agentId, table.createdAtMs),
    index('schedules_by_user').on(table.userId, table.createdAtMs),
  ],
);
