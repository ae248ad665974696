/**
 * The tables. Times are milliseconds since the epoch; ids are 24 hex characters. After a change here run
 * `bun run migration`, which writes the SQL into `migrations/`. The router applies it at start.
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

/** Runners. A row is written before the driver is called, so that a crash never leaves an unknown runner (law 2). */
export const runners = sqliteTable('runners', {
  agentId: text('agent_id')
    .primaryKey()
    // No cascade: an agent may be deleted only after its runner.
    .references(() => agents.id),
  id: text().notNull().unique(),
  driver: text().notNull(),
  backend: text().notNull(),
  state: text({ enum: ['starting', 'running'] }).notNull(),
  handle: text({ mode: 'json' }).$type<Readonly<Record<string, unknown>>>(),
  url: text(),
  /** The key that the router sends to the runner, sealed for the runner's id. */
  accessKeySealed: text('access_key_sealed').notNull(),
  /** SHA-256 of the key that the runner sends to the broker. */
  runnerKeyHash: text('runner_key_hash').notNull().unique(),
  /**
   * `fingerprint` of the spec with which the runner was started. The runner is stale when the current spec has another.
   * Null until it has started.
   */
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
    /** The model that a client of the API has given it. Only that client uses it. Empty: none. */
    model: text().notNull().default(''),
    createdAtMs: integer('created_at_ms').notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
    /** Position of the newest message. It never shrinks, so that no position is used twice. */
    lastPosition: integer('last_position').notNull(),
    /**
     * The session of the agent software contains the messages after this position. The name of the session contains it
     * (`sessionName`).
     */
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

/** A tool call in an answer, to a tool of the client. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text; incomplete when the answer broke off. */
  readonly arguments: string;
  /** Number of characters of the answer's text before the call. */
  readonly textLengthBefore: number;
  /** Members that nobody here knows, and that the model wants back with the call. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** The output of the client's tool for a call. */
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
    /** Strict order of the messages in a conversation (law 18). */
    position: integer().notNull(),
    role: text({ enum: ['user', 'assistant'] }).notNull(),
    /** The text, or the beginning of one that goes on in `message_pieces`. */
    content: text().notNull(),
    /** An answer's id is the id of its generation, which ends in exactly one of done, stopped, failed (law 19). */
    status: text({ enum: ['streaming', 'done', 'stopped', 'failed'] }).notNull(),
    failure: text({ mode: 'json' }).$type<MessageFailure>(),
    /** Tool calls of an answer that has ended. */
    calls: text({ mode: 'json' }).$type<readonly ToolCall[]>(),
    /** Tool results of earlier answers, which the client sent together with this message or for this answer. */
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

/**
 * The text of an answer that does not stand in its row: all of it while the answer grows, and what comes behind the
 * row's `content` in a long one. To write a row takes time with its length, so a long text is never one row.
 */
export const messagePieces = sqliteTable(
  'message_pieces',
  {
    messageId: text('message_id')
      .notNull()
      .references(() => messages.id, { onDelete: 'cascade' }),
    /** 0, 1, … in the order of the text. */
    ordinal: integer().notNull(),
    content: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.messageId, table.ordinal] })],
);

/** Values that users have set. `backend` is empty for a value that applies to all backends. */
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
    /** 0: the runner is never stopped for being idle. */
    idleSeconds: integer('idle_seconds').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.backend] })],
);

/** Variables whose administrator's value applies to every user who has not set a value. */
export const sharedVariables = sqliteTable('shared_variables', {
  name: text().primaryKey(),
  updatedAtMs: integer('updated_at_ms').notNull(),
});

/** One row per call to an upstream. No foreign keys, so that the usage remains when its user is deleted. */
export const usage = sqliteTable(
  'usage',
  {
    id: integer().primaryKey(),
    atMs: integer('at_ms').notNull(),
    userId: text('user_id').notNull(),
    agentId: text('agent_id').notNull(),
    backend: text().notNull(),
    /** Conversation and key of the request that caused the call; null when the request is not certain. */
    conversationId: text('conversation_id'),
    keyId: text('key_id'),
    /**
     * The keys of all requests that may have caused the call, when it is not certain which. The call counts in full
     * against the budget of each.
     */
    keyIds: text('key_ids', { mode: 'json' }).$type<readonly string[]>(),
    /** Path below `/v1/`, such as `chat/completions`. */
    path: text().notNull(),
    model: text().notNull(),
    /** Tier of the credentials that paid for the call. */
    source: text({ enum: ['backend', 'global', 'shared'] }).notNull(),
    /** Prompt tokens include cached tokens; completion tokens include reasoning tokens. */
    promptTokens: integer('prompt_tokens').notNull(),
    completionTokens: integer('completion_tokens').notNull(),
    cachedTokens: integer('cached_tokens').notNull(),
    reasoningTokens: integer('reasoning_tokens').notNull(),
    /** The upstream did not report tokens, so they were estimated from the text. */
    estimated: integer({ mode: 'boolean' }).notNull(),
    /** Cost by the price at the time of the call; null when the model had no price. */
    cost: real(),
    status: integer().notNull(),
    ending: text({ enum: ['done', 'stopped', 'failed'] }).notNull(),
    firstByteMs: integer('first_byte_ms'),
    totalMs: integer('total_ms').notNull(),
  },
  (table) => [index('usage_by_user').on(table.userId, table.atMs), index('usage_by_time').on(table.atMs)],
);

/** Prices: money per million tokens, in the currency that the administrator uses. */
export const prices = sqliteTable('prices', {
  model: text().primaryKey(),
  prompt: real().notNull(),
  completion: real().notNull(),
  /** Price of cached tokens. Null: the price of prompt tokens. */
  cached: real(),
  /** Additional price per call, or per picture for a call that makes pictures. Null: none. */
  perCall: real('per_call'),
});

/** The models for which the shared key may be used. No rows: every model. */
export const sharedModels = sqliteTable('shared_models', { model: text().primaryKey() });

/** How much a user, or one API key, may use in a period. */
export const budgets = sqliteTable('budgets', {
  /** Id of the key, or of the user. */
  subjectId: text('subject_id').primaryKey(),
  userId: text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' }),
  keyId: text('key_id').references(() => keys.id, { onDelete: 'cascade' }),
  unit: text({ enum: ['tokens', 'money'] }).notNull(),
  period: text({ enum: ['day', 'month'] }).notNull(),
  /** Above this limit the owner gets a warning. */
  softLimit: real('soft_limit'),
  /** Above this limit no more calls are passed to an upstream. */
  hardLimit: real('hard_limit'),
});
