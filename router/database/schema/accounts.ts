/** Tables of users, sessions, keys, invitations and reset links. */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/** The column of a row that belongs to a user and is deleted with them. */
export const userColumn = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' });

export const users = sqliteTable(
  'users',
  {
    id: text().primaryKey(),
    /** Normalised: trimmed and lower-case. */
    email: text().notNull().unique(),
    name: text().notNull(),
    slug: text().notNull().unique(),
    role: text({ enum: ['admin', 'user'] }).notNull(),
    /** Empty until the user has chosen a password by a reset link. */
    passwordHash: text('password_hash').notNull(),
    /** At the OpenID Connect provider: issuer and subject, with a blank between them. Null: not linked. */
    identity: text().unique(),
    /** Language of pages, such as `zh`. Null: the browser's. */
    language: text(),
    /** Whether the user's own LLM names new conversations. */
    hasModelTitles: integer('has_model_titles', { mode: 'boolean' }).notNull().default(true),
    createdAtMs: integer('created_at_ms').notNull(),
    /** Null: the user may sign in. */
    disabledAtMs: integer('disabled_at_ms'),
    /** When a deleted user is purged; until then the administrator can restore them. Null: not deleted. */
    purgeAtMs: integer('purge_at_ms'),
  },
  (table) => [
    uniqueIndex('users_one_admin').on(table.role).where(sql`role = 'admin'`),
    index('users_by_creation').on(table.createdAtMs, table.id),
    index('users_by_purge').on(table.purgeAtMs).where(sql`purge_at_ms IS NOT NULL`),
  ],
);

/** Slugs of deleted users, which no other user gets. */
export const retiredSlugs = sqliteTable('retired_slugs', { slug: text().primaryKey() });

/** Links with which a user sets a new password, at most one per user. */
export const passwordResets = sqliteTable('password_resets', {
  userId: text('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  /** SHA-256 of the token in the link. */
  hash: text().notNull().unique(),
  expiresAtMs: integer('expires_at_ms').notNull(),
});

/** Links with which people sign up while sign-up is closed. */
export const invitations = sqliteTable(
  'invitations',
  {
    id: text().primaryKey(),
    /** SHA-256 of the token in the link. */
    hash: text().notNull().unique(),
    /** Normalised. Null: for anybody. */
    email: text(),
    usesMax: integer('uses_max').notNull(),
    uses: integer().notNull().default(0),
    createdAtMs: integer('created_at_ms').notNull(),
    expiresAtMs: integer('expires_at_ms').notNull(),
  },
  (table) => [index('invitations_by_creation').on(table.createdAtMs, table.id)],
);

export const sessions = sqliteTable(
  'sessions',
  {
    id: text().primaryKey(),
    userId: userColumn(),
    /** The IP address of the sign-in, and the `User-Agent` of the browser. */
    address: text().notNull().default(''),
    browser: text().notNull().default(''),
    createdAtMs: integer('created_at_ms').notNull(),
    /** When it was last used. 0 for a session of an earlier version that was not used since. */
    seenAtMs: integer('seen_at_ms').notNull().default(0),
    expiresAtMs: integer('expires_at_ms').notNull(),
  },
  (table) => [index('sessions_by_user').on(table.userId), index('sessions_by_expiry').on(table.expiresAtMs)],
);

export type KeyScope = 'v1' | 'agents' | 'manage';

export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    userId: userColumn(),
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

/** What a user may have; the row of the empty subject is for everybody. No foreign key, because of that row. */
export const userLimits = sqliteTable('user_limits', {
  subjectId: text('subject_id').primaryKey(),
  /** Runners at once, and agents of one backend. Null: not set. */
  runners: integer(),
  agents: integer(),
  /** Names of the backends that may be used. Null: not set. */
  backends: text({ mode: 'json' }).$type<readonly string[]>(),
});
