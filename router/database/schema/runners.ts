/** Table of runners. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { agents } from './agents';

/** Runners. A row is written before the driver is called, so that a crash never leaves an unknown runner (law 2). */
export const runners = sqliteTable('runners', {
  agentId: text('agent_id')
    .primaryKey()
    // No cascade: an agent may be deleted only after its runner.
    .references(() => agents.id),
  id: text().notNull().unique(),
  driver: text().notNull(),
  backend: text().notNull(),
  /** `leaving`: it is to go and could not be stopped, so nobody uses it any more. */
  state: text({ enum: ['starting', 'running', 'leaving'] }).notNull(),
  handle: text({ mode: 'json' }).$type<Readonly<Record<string, unknown>>>(),
  url: text(),
  /** The key that the router sends to the runner, sealed for the runner's id. */
  accessKeySealed: text('access_key_sealed').notNull(),
  /** SHA-256 of the key that the runner sends to the broker. */
  runnerKeyHash: text('runner_key_hash').notNull().unique(),
  /** SHA-256 of the token of its callbacks. Null for a runner that was started before there were callbacks. */
  callbackTokenHash: text('callback_token_hash'),
  /**
   * `fingerprint` of the spec with which the runner was started. The runner is stale when the current spec has another.
   * Null until it has started.
   */
  specHash: text('values_hash'),
  startedAtMs: integer('started_at_ms').notNull(),
  lastActiveAtMs: integer('last_active_at_ms').notNull(),
});
