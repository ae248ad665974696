/** The usage of upstream calls, and the prices of models. */
import { and, count, eq, gte, lt, max, type SQL, sql, sum } from 'drizzle-orm';
import { type Db, transaction } from '../database/database';
import { prices, sharedModels, usage } from '../database/schema';

export type UsageRow = typeof usage.$inferSelect;
export type NewUsageRow = typeof usage.$inferInsert;
export type Price = typeof prices.$inferSelect;

/** Selects rows: from `fromMs` until before `untilMs`, of one user or of all. */
export interface UsageRange {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly userId?: string;
  readonly keyId?: string;
}

export interface UsageTotals {
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly reasoningTokens: number;
  /** The cost of calls whose model had a price. */
  readonly cost: number;
  /** Calls whose tokens are an estimate. */
  readonly estimatedCalls: number;
  readonly lastAtMs: number;
}

/** One line of a report: the totals of all rows with the same `key`. */
export interface UsageGroup extends UsageTotals {
  readonly key: string;
}

/** A day is a UTC day, such as `2026-11-22`. */
export type UsageDimension = 'day' | 'user' | 'agent' | 'backend' | 'model' | 'key';

const dimensions: Record<UsageDimension, SQL<string>> = {
  day: sql<string>`strftime('%Y-%m-%d', ${usage.atMs} / 1000, 'unixepoch')`,
  user: sql<string>`${usage.userId}`,
  agent: sql<string>`${usage.agentId}`,
  backend: sql<string>`${usage.backend}`,
  model: sql<string>`${usage.model}`,
  key: sql<string>`coalesce(${usage.keyId}, '')`,
};

const total = (column: Parameters<typeof sum>[0]) => sql<number>`coalesce(${sum(column)}, 0)`.mapWith(Number);

const totals = {
  calls: count(),
  promptTokens: total(usage.promptTokens),
  completionTokens: total(usage.completionTokens),
  cachedTokens: total(usage.cachedTokens),
  reasoningTokens: total(usage.reasoningTokens),
  cost: total(usage.cost),
  estimatedCalls: total(usage.estimated),
  lastAtMs: sql<number>`coalesce(${max(usage.atMs)}, 0)`.mapWith(Number),
};

export type UsageStore = ReturnType<typeof usageStore>;

export function usageStore(db: Db) {
  return {
    /** Writes all rows or none. */
    async insert(rows: readonly NewUsageRow[]): Promise<void> {
      if (rows.length === 0) return;
      transaction(db, (tx) => {
        for (const row of rows) tx.insert(usage).values(row).run();
      });
    },

    async totals(range: UsageRange): Promise<UsageTotals> {
      const row = db.select(totals).from(usage).where(within(range)).get();
      if (!row) throw new Error('An aggregate without a row');
      return row;
    },

    /** Days in order, other dimensions by tokens, most first. */
    async groups(range: UsageRange, by: UsageDimension, limit?: number): Promise<readonly UsageGroup[]> {
      const key = dimensions[by];
      const order = by === 'day' ? sql`1` : sql`${totals.promptTokens} + ${totals.completionTokens} DESC, 1`;
      return db
        .select({ key, ...totals })
        .from(usage)
        .where(within(range))
        .groupBy(key)
        .orderBy(order)
        .limit(limit ?? -1)
        .all();
    },

    /** The usage of calls that may belong to several keys: each of these keys gets all of it. */
    async possibleKeys(range: UsageRange): Promise<readonly { keyId: string; tokens: number; cost: number }[]> {
      const keyId = sql<string>`json_each.value`;
      const tokens = sql<number>`sum(${usage.promptTokens} + ${usage.completionTokens})`.mapWith(Number);
      return db
        .select({ keyId, tokens, cost: totals.cost })
        .from(usage)
        .innerJoin(possibleKeys, sql`true`)
        .where(within(range))
        .groupBy(keyId)
        .all();
    },

    /** Single calls, oldest first: at most `limit` rows after the row with the id `afterId`. */
    async page(range: UsageRange, afterId: number, limit: number): Promise<readonly UsageRow[]> {
      return db
        .select()
        .from(usage)
        .where(and(within(range), sql`${usage.id} > ${afterId}`))
        .orderBy(usage.id)
        .limit(limit)
        .all();
    },

    async prices(): Promise<readonly Price[]> {
      return db.select().from(prices).orderBy(prices.model).all();
    },
    async putPrice(price: Price): Promise<void> {
      db.insert(prices).values(price).onConflictDoUpdate({ target: prices.model, set: price }).run();
    },
    async sharedModels(): Promise<readonly string[]> {
      return db
        .select()
        .from(sharedModels)
        .all()
        .map(({ model }) => model);
    },
    async putSharedModels(models: readonly string[]): Promise<void> {
      transaction(db, (tx) => {
        tx.delete(sharedModels).run();
        for (const model of models) tx.insert(sharedModels).values({ model }).run();
      });
    },
    /** @returns whether there was a price. */
    async deletePrice(model: string): Promise<boolean> {
      return db.delete(prices).where(eq(prices.model, model)).returning({ model: prices.model }).all().length > 0;
    },
  };
}

/** The uncertain keys of the rows, one line for each key. */
const possibleKeys = sql`json_each(${usage.keyIds})`;

function within({ fromMs, untilMs, userId, keyId }: UsageRange): SQL | undefined {
  return and(
    gte(usage.atMs, fromMs),
    lt(usage.atMs, untilMs),
    userId === undefined ? undefined : eq(usage.userId, userId),
    keyId === undefined ? undefined : eq(usage.keyId, keyId),
  );
}
