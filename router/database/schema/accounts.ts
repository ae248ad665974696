/** Tables of users, sessions and keys. */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

export const users = sqliteTable(
  'users',
  {
    id: text().primaryKey(),
    /** Normalised: trimmed and lower-case. */
    email: text().notNull().unique(),
    name: text().notNull(),
    slug: text().notNull().unique(),
    role: text({ enum: ['admin', 'user'] }).notNull(),
    passwordHash: text('password_hash').notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [uniqueIndex('users_one_admin').on(table.role).where(sql`role = 'admin'`)],
);

export const sessions = sqliteTable(
  'sessions',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    createdAtMs: integer('created_at_ms').notNull(),
    expiresAtMs: integer('expires_at_ms').notNull(),
  },
  (table) => [index('sessions_by_user').on(table.userId), index('sessions_by_expiry').on(table.expiresAtMs)],
);

export type KeyScope = 'v1' | 'manage';

export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text().notNull(),
    /** SHA-256 of the key. The key itself is shown once and not stored. */
    hash: text().notNull().unique(),
    lastFour: text('last_four').notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    lastUsedAtMs: integer('last_used_at_ms'),
    /** Null: the key is valid until it is revoked. */
    expiresAtMs: integer('expires_at_ms'),
    /** `v1`: the OpenAI API; `manage`: the owner's `/api/me` and `/api/runners`. */
    scopes: text({ mode: 'json' }).$type<readonly KeyScope[]>().notNull().default(['v1']),
    /** Names of backends and ids of agents that the key may use. When both are empty, it may use all agents. */
    backends: text({ mode: 'json' }).$type<readonly string[]>().notNull().default([]),
    agents: text({ mode: 'json' }).$type<readonly string[]>().notNull().default([]),
    /** Null: no limit. */
    requestsPerMinute: integer('requests_per_minute'),
    tokensPerMinute: integer('tokens_per_minute'),
    concurrentMax: integer('concurrent_max'),
    /** A chat that waits is sent empty events, for clients that take comments for silence. */
    eventsWhileWaiting: integer('events_while_waiting', { mode: 'boolean' }).notNull().default(false),
  },
  (table) => [index('keys_by_user').on(table.userId)],
);
