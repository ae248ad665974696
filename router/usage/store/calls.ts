/** The usage of upstream calls, and the prices of models. */
import { and, eq, getTableColumns, gte, inArray, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { prices, sharedModels, usage } from '../../database/schema/usage';
import { transaction } from '../../database/transaction';
import { lazy } from '../../lib/lazy';
import { sumsStore, type UsageRange } from './sums';

export type { UsageDimension, UsageGroup, UsageRange, UsageTotals } from './sums';

export type UsageRow = typeof usage.$inferSelect;
export type NewUsageRow = typeof usage.$inferInsert;
export type Price = typeof prices.$inferSelect;

export type UsageStore = ReturnType<typeof usageStore>;

/** Where a page of calls begins: after this call. */
type UsagePlace = Pick<UsageRow, 'atMs' | 'id'>;

export function usageStore(db: Db) {
  const { count, ...sums } = sumsStore(db);
  const { id: _, ...columns } = getTableColumns(usage);
  const insert = lazy(() =>
    db
      .insert(usage)
      .values(
        Object.fromEntries(Object.keys(columns).map((name) => [name, sql`${sql.placeholder(name)}`])) as Record<
          keyof typeof columns,
          SQL
        >,
      )
      .prepare(),
  );

  return {
    ...sums,

    /** Writes all rows, and counts them in the sums, or none. */
    async insert(rows: readonly NewUsageRow[]): Promise<void> {
      if (rows.length === 0) return;
      transaction(db, () => {
        for (const row of rows) insert().run(encoded(row));
        count(rows);
      });
    },

    /** Single calls, oldest first: at most `limit` of them, after the call at `after`. */
    async page(range: UsageRange, after: UsagePlace | undefined, limit: number): Promise<readonly UsageRow[]> {
      const { fromMs, untilMs, userId } = range;
      return db
        .select()
        .from(usage)
        .where(
          and(
            gte(usage.atMs, fromMs),
            lt(usage.atMs, untilMs),
            userId === undefined ? undefined : eq(usage.userId, userId),
            after && sql`(${usage.atMs}, ${usage.id}) > (${after.atMs}, ${after.id})`,
          ),
        )
        .orderBy(usage.atMs, usage.id)
        .limit(limit)
        .all();
    },

    /** Deletes at most `limit` of the calls before a time, the oldest first. The sums keep them. @returns how many. */
    async deleteBefore(beforeMs: number, limit: number): Promise<number> {
      const due = db
        .select({ id: usage.id })
        .from(usage)
        .where(lt(usage.atMs, beforeMs))
        .orderBy(usage.atMs)
        .limit(limit);
      return db.delete(usage).where(inArray(usage.id, due)).returning({ id: usage.id }).all().length;
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
    /** The calls of a user that certainly served a conversation in a time, its ends included; in milliseconds. */
    async ofConversation(of: { userId: string; conversationId: string; fromMs: number; untilMs: number }) {
      const { promptTokens, completionTokens, model, cost } = usage;
      const there = and(eq(usage.userId, of.userId), gte(usage.atMs, of.fromMs), lte(usage.atMs, of.untilMs));
      return db
        .select({ promptTokens, completionTokens, model, cost })
        .from(usage)
        .where(and(there, eq(usage.conversationId, of.conversationId)))
        .orderBy(usage.atMs)
        .all();
    },
    /** @returns whether there was a price. */
    async deletePrice(model: string): Promise<boolean> {
      return db.delete(prices).where(eq(prices.model, model)).returning({ model: prices.model }).all().length > 0;
    },
  };
}

/** Columns of prepared statements are not encoded by Drizzle. */
function encoded({ keyIds, keyId, conversationId, cost, firstByteMs, estimated, ...row }: NewUsageRow) {
  return {
    ...row,
    keyIds: keyIds ? JSON.stringify(keyIds) : null,
    keyId: keyId ?? null,
    conversationId: conversationId ?? null,
    cost: cost ?? null,
    firstByteMs: firstByteMs ?? null,
    estimated: estimated ? 1 : 0,
  };
}
