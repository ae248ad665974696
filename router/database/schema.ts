/**
 * The tables. Times are milliseconds since the epoch; ids are 24 hex characters. After a change here run
 * `bun run migration`, which writes the SQL into `migrations/`; it is applied at start.
 */
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/** Facts about this installation, such as its id. */
export const installation = sqliteTable('installation', {
  name: text().primaryKey(),
  value: text().notNull(),
});

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
  (table) => [index('sessions_by_user').on(table.userId)],
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
    /** SHA-256 of the key; the key itself is shown once and not kept. */
    hash: text().notNull().unique(),
    lastFour: text('last_four').notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    lastUsedAtMs: integer('last_used_at_ms'),
    /** Null: good until it is revoked. */
    expiresAtMs: integer('expires_at_ms'),
    /** `v1`: the OpenAI API; `manage`: the owner's `/api/me` and `/api/runners`. */
    scopes: text({ mode: 'json' }).$type<readonly KeyScope[]>().notNull().default(['v1']),
    /** Names of backends and ids of agents that it opens; where both are empty it opens all. */
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

export const agents = sqliteTable(
  'agents',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    backend: text().notNull(),
    name: text().notNull(),
    /** 1, 2, … per user and backend; the lowest is the default agent. */
    ordinal: integer().notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [uniqueIndex('agents_by_ordinal').on(table.userId, table.backend, table.ordinal)],
);

/** Intent and fact: a row is written before the driver is called, so that no runner is ever unknown (law 2). */
export const runners = sqliteTable('runners', {
  agentId: text('agent_id')
    .primaryKey()
    // No cascade: an agent goes only after its runner has.
    .references(() => agents.id),
  id: text().notNull().unique(),
  driver: text().notNull(),
  backend: text().notNull(),
  state: text({ enum: ['starting', 'running'] }).notNull(),
  handle: text({ mode: 'json' }).$type<Readonly<Record<string, unknown>>>(),
  url: text(),
  /** What the router shows to the runner, sealed for the runner's id. */
  accessKeySealed: text('access_key_sealed').notNull(),
  /** SHA-256 of what the runner shows to the broker. */
  runnerKeyHash: text('runner_key_hash').notNull().unique(),
  /** `fingerprint` of the spec it was started with; another one by now means that it is stale. Null until it has started. */
  specHash: text('values_hash'),
  startedAtMs: integer('started_at_ms').notNull(),
  lastActiveAtMs: integer('last_active_at_ms').notNull(),
});

export const conversations = sqliteTable(
  'conversations',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    title: text().notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
    /** Position of the newest message; grows, never shrinks, so that no position is used twice. */
    lastPosition: integer('last_position').notNull(),
    /** The runtime's session knows the messages after this position; it is named by it (`sessionName`). */
    sessionFrom: integer('session_from').notNull().default(0),
    /** Of one that a program's answers are kept in unasked: then it goes. Null: it stays until it is deleted. */
    expiresAtMs: integer('expires_at_ms'),
  },
  (table) => [
    index('conversations_by_user').on(table.userId, table.updatedAtMs),
    index('conversations_by_expiry').on(table.expiresAtMs),
  ],
);

export interface MessageFailure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** A call of one of the client's tools, in an answer. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON, as far as it came. */
  readonly arguments: string;
  /** Characters of the answer's text that came before it. */
  readonly textLengthBefore: number;
  /** Members that nobody here knows, and that the model wants back with the call. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What the client's tool gave for a call. */
export interface ToolResult {
  readonly callId: string;
  readonly output: string;
}

export const messages = sqliteTable(
  'messages',
  {
    id: text().primaryKey(),
    conversationId: text('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    /** The strict order of a conversation (law 18). */
    position: integer().notNull(),
    role: text({ enum: ['user', 'assistant'] }).notNull(),
    content: text().notNull(),
    /** An answer's id is the id of its generation, which ends in exactly one of done, stopped, failed (law 19). */
    status: text({ enum: ['streaming', 'done', 'stopped', 'failed'] }).notNull(),
    failure: text({ mode: 'json' }).$type<MessageFailure>(),
    /** Of an answer that has ended. */
    calls: text({ mode: 'json' }).$type<readonly ToolCall[]>(),
    /** What the client sent for the calls of earlier answers, together with this message or for this answer. */
    results: text({ mode: 'json' }).$type<readonly ToolResult[]>(),
    createdAtMs: integer('created_at_ms').notNull(),
    endedAtMs: integer('ended_at_ms'),
  },
  (table) => [
    uniqueIndex('messages_by_position').on(table.conversationId, table.position),
    // At most one answer is being written in a conversation.
    uniqueIndex('messages_streaming').on(table.conversationId).where(sql`status = 'streaming'`),
  ],
);

/** A user's own values; `backend` is empty for the value that holds for all. */
export const credentials = sqliteTable(
  'credentials',
  {
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    backend: text().notNull(),
    name: text().notNull(),
    sealed: text().notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.backend, table.name] })],
);

export const idlePreferences = sqliteTable(
  'idle_preferences',
  {
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    backend: text().notNull(),
    /** 0 means never. */
    idleSeconds: integer('idle_seconds').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.backend] })],
);

/** Variables whose value of the administrator holds for everybody who has set none. */
export const sharedVariables = sqliteTable('shared_variables', {
  name: text().primaryKey(),
  updatedAtMs: integer('updated_at_ms').notNull(),
});

/** One row per call to an upstream. Without foreign keys: what was used stays known when its user is gone. */
export const usage = sqliteTable(
  'usage',
  {
    id: integer().primaryKey(),
    atMs: integer('at_ms').notNull(),
    userId: text('user_id').notNull(),
    agentId: text('agent_id').notNull(),
    backend: text().notNull(),
    /** Of the request that the runner was at work on, where that is certain. */
    conversationId: text('conversation_id'),
    keyId: text('key_id'),
    /** Where that is not certain, but can only be some: the keys of all of them. Their budgets count it, each in full. */
    keyIds: text('key_ids', { mode: 'json' }).$type<readonly string[]>(),
    /** Below `/v1/`, such as `chat/completions`. */
    path: text().notNull(),
    model: text().notNull(),
    /** Whose credentials paid for it. */
    source: text({ enum: ['backend', 'global', 'shared'] }).notNull(),
    /** Cached tokens are among the prompt's, reasoning tokens among the completion's. */
    promptTokens: integer('prompt_tokens').notNull(),
    completionTokens: integer('completion_tokens').notNull(),
    cachedTokens: integer('cached_tokens').notNull(),
    reasoningTokens: integer('reasoning_tokens').notNull(),
    /** The upstream did not say how many: they are a guess from the text. */
    estimated: integer({ mode: 'boolean' }).notNull(),
    /** By the prices of that moment; null for a model without one. */
    cost: real(),
    status: integer().notNull(),
    ending: text({ enum: ['done', 'stopped', 'failed'] }).notNull(),
    firstByteMs: integer('first_byte_ms'),
    totalMs: integer('total_ms').notNull(),
  },
  (table) => [index('usage_by_user').on(table.userId, table.atMs), index('usage_by_time').on(table.atMs)],
);

/** Money per million tokens, in whatever currency the administrator counts in. */
export const prices = sqliteTable('prices', {
  model: text().primaryKey(),
  prompt: real().notNull(),
  completion: real().notNull(),
  /** Null: as the other tokens of the prompt. */
  cached: real(),
  /** Money for each call on top, or for each picture of it. Null: none. */
  perCall: real('per_call'),
});

/** What the shared key may be used for; where there is no row, every model. */
export const sharedModels = sqliteTable('shared_models', { model: text().primaryKey() });

/** What a user, or one of their keys, may use in a period. */
export const budgets = sqliteTable('budgets', {
  /** The key's id, else the user's. */
  subjectId: text('subject_id').primaryKey(),
  userId: text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' }),
  keyId: text('key_id').references(() => keys.id, { onDelete: 'cascade' }),
  unit: text({ enum: ['tokens', 'money'] }).notNull(),
  period: text({ enum: ['day', 'month'] }).notNull(),
  /** Beyond it its owner is warned. */
  softLimit: real('soft_limit'),
  /** Beyond it nothing more is passed to an upstream. */
  hardLimit: real('hard_limit'),
});
