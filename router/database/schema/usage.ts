/** Tables of usage, prices and budgets. */
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { keys, users } from './accounts';

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

/** What calls used. Costs are in 10⁻¹² of the currency, so that adding them is exact for prices of up to six decimals. */
const amounts = <Column>(amount: (name: string) => Column) => ({
  calls: amount('calls'),
  promptTokens: amount('prompt_tokens'),
  completionTokens: amount('completion_tokens'),
  cachedTokens: amount('cached_tokens'),
  reasoningTokens: amount('reasoning_tokens'),
  estimatedCalls: amount('estimated_calls'),
  costPicos: amount('cost_picos'),
});

/**
 * The series of usage sums: one row for each thing whose use a report or a budget shows, with all its use up to the newest
 * day with any. Every call counts in several of them (`seriesOf` in `usage/store/sums-writing.ts`).
 */
export const usageSeries = sqliteTable(
  'usage_series',
  {
    id: integer().primaryKey(),
    dimension: text({ enum: ['user', 'agent', 'backend', 'model', 'key', 'possible-key'] }).notNull(),
    /** Whose use; empty for that of all users together. */
    userId: text('user_id').notNull(),
    /** Id of the user, agent or key, or name of the backend or model; empty for calls without a certain key. */
    key: text().notNull(),
    /** The newest day with use, in days since the epoch. */
    day: integer().notNull().default(0),
    ...amounts((name) => integer(name).notNull().default(0)),
  },
  (table) => [uniqueIndex('usage_series_by_key').on(table.dimension, table.userId, table.key)],
);

/**
 * Running totals: the use of a series up to the end of a UTC day before its newest, in one row for each day with use. The use
 * of any span of days is the difference of two totals, however long it is. `WITHOUT ROWID` in the database: the rows are in
 * the index.
 */
export const usageSums = sqliteTable(
  'usage_sums',
  {
    seriesId: integer('series_id').notNull(),
    /** Days since the epoch. */
    day: integer().notNull(),
    ...amounts((name) => integer(name).notNull()),
  },
  (table) => [primaryKey({ columns: [table.seriesId, table.day] })],
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

/** How much a user, one API key, or each user without a budget of their own may use in a period. */
export const budgets = sqliteTable(
  'budgets',
  {
    /** Id of the key, or of the user; `everybody` for users without a budget of their own. */
    subjectId: text('subject_id').primaryKey(),
    /** Null: everybody. */
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    keyId: text('key_id').references(() => keys.id, { onDelete: 'cascade' }),
    unit: text({ enum: ['tokens', 'money'] }).notNull(),
    period: text({ enum: ['day', 'month'] }).notNull(),
    /** Above this limit the owner gets a warning. */
    softLimit: real('soft_limit'),
    /** Above this limit no more calls are passed to an upstream. */
    hardLimit: real('hard_limit'),
  },
  (table) => [index('budgets_by_user').on(table.userId), index('budgets_by_key').on(table.keyId)],
);
