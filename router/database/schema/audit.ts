/** Table of the audit. Triggers of its migration refuse changes, and deletions of all but the oldest events. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Who did what to whom, when and from where. No foreign keys: the events outlive users. */
export const auditEvents = sqliteTable(
  'audit_events',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    atMs: integer('at_ms').notNull(),
    action: text().notNull(),
    /** The address of the user's account at that time, or the address with which a stranger tried to sign in. */
    actor: text().notNull(),
    /** Null for a stranger, and for a command on the host. */
    actorId: text('actor_id'),
    /** What it was done to: the address of a user's account where it is one, otherwise its id or name; may be empty. */
    target: text().notNull(),
    /** What was asked for, without secrets; may be empty. */
    detail: text().notNull(),
    /** IP address of the client; empty for a command on the host. */
    address: text().notNull(),
  },
  (table) => [
    index('audit_events_by_time').on(table.atMs, table.id),
    index('audit_events_by_action').on(table.action, table.atMs, table.id),
    index('audit_events_of_actor').on(table.actor, table.atMs, table.id),
    index('audit_events_of_target').on(table.target, table.atMs, table.id),
  ],
);
