/**
 * Sums of usage: running totals per day (`usage_sums`), which are written together with the calls. A report over any span
 * of days reads two rows for each of its lines, however many calls there were.
 */
import { and, eq, gt, gte, inArray, lt, max, type SQL, sql } from 'drizzle-orm';
import { alias, type SQLiteSelect } from 'drizzle-orm/sqlite-core';
import type { Db } from '../../database/database';
import { inList } from '../../database/in-list';
import { budgets, usageSeries, usageSums } from '../../database/schema/usage';
import { type Amounts, DAY_MS, eachName, PICOS, sumsWriter } from './sums-writing';

/** Whole UTC days: from the one of `fromMs` until before the one of `untilMs`, of one user or of all. */
export interface UsageRange {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly userId?: string;
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
}

/** One line of a report: the totals of all calls with the same `key`. */
export interface UsageGroup extends UsageTotals {
  readonly key: string;
}

/** A day is a UTC day, such as `2026-11-22`. */
export type UsageDimension = 'day' | 'user' | 'agent' | 'backend' | 'model' | 'key';

/** The amount used of a budget. A key's includes every call that may belong to the key. */
interface Spent {
  readonly tokens: number;
  readonly cost: number;
}

type BudgetPeriod = typeof budgets.$inferSelect.period;

export function sumsStore(db: Db) {
  const last = alias(usageSums, 'last');
  const earlier = alias(usageSums, 'earlier');
  /** The difference between `last` and `earlier`. */
  const used = eachName((name) => sql<number>`${last[name]} - coalesce(${earlier[name]}, 0)`);
  /** The same differences, summed over a group. The cost is a real number: a sum of integers overflows. */
  const totals = {
    ...eachName((name) => sql<number>`coalesce(sum(${used[name]}), 0)`),
    costPicos: sql<number>`coalesce(sum(CAST(${used.costPicos} AS real)), 0)`,
  };
  const newest = (until: SQL) => {
    const sums = alias(usageSums, 'newest');
    return db
      .select({ day: max(sums.day) })
      .from(sums)
      .where(and(eq(sums.seriesId, usageSeries.id), sql`${sums.day} < ${until}`));
  };
  /** With the sums of each series at the end of the range, and before it. */
  const joined = <Query extends SQLiteSelect>(query: Query, { fromMs, untilMs }: UsageRange) =>
    query
      .innerJoin(last, and(eq(last.seriesId, usageSeries.id), eq(last.day, newest(sql`${dayAfter(untilMs)}`))))
      .leftJoin(
        earlier,
        and(eq(earlier.seriesId, usageSeries.id), eq(earlier.day, newest(sql`${Math.floor(fromMs / DAY_MS)}`))),
      );
  /** The use of the series that `which` selects, as `amounts`. */
  const ofSeries = <Columns extends Record<string, SQL<number>>>(
    amounts: Columns,
    which: SQL | undefined,
    range: UsageRange,
  ) =>
    joined(
      db
        .select({ key: usageSeries.key, ...amounts })
        .from(usageSeries)
        .$dynamic(),
      range,
    ).where(and(which, sql`${last.calls} > coalesce(${earlier.calls}, 0)`));
  const ofBackends = ({ userId = '' }: UsageRange) =>
    and(eq(usageSeries.dimension, 'backend'), eq(usageSeries.userId, userId));

  return {
    count: sumsWriter(db),

    async totals(range: UsageRange): Promise<UsageTotals> {
      const [row] = ofSeries(totals, ofBackends(range), range).all();
      if (!row) throw new Error('An aggregate without a row');
      const { key: _, ...sums } = row;
      return withCost(sums);
    },

    /** All days in order; other dimensions by tokens, most first: `limit` of them, from `offset` on. */
    async groups(range: UsageRange, by: UsageDimension, limit = -1, offset = 0): Promise<readonly UsageGroup[]> {
      if (by === 'day') return days(range);
      const { userId } = range;
      const isOfOwners = by === 'agent' || by === 'key';
      // Everybody's use without a key is a series of its own, so that each line is one series.
      const whose =
        userId === undefined && isOfOwners
          ? sql`(${usageSeries.userId} = '') = (${usageSeries.key} = '')`
          : eq(usageSeries.userId, userId ?? '');
      return (
        ofSeries(used, and(eq(usageSeries.dimension, by), whose), range)
          .orderBy(sql`${used.promptTokens} + ${used.completionTokens} DESC, 1`)
          .limit(limit)
          .offset(offset)
          // Drizzle takes a quarter as long to read thousands of rows as SQLite takes to find them.
          .values()
          .map(toGroup)
      );
    },

    /** Users who have used something at any time, in the order of their ids, after the user `after`. */
    async usersAfter(after: string, limit: number): Promise<readonly string[]> {
      return db
        .selectDistinct({ userId: usageSeries.userId })
        .from(usageSeries)
        .where(and(eq(usageSeries.dimension, 'backend'), gt(usageSeries.userId, after)))
        .orderBy(usageSeries.userId)
        .limit(limit)
        .all()
        .map(({ userId }) => userId);
    },

    /** What each of the users has used. A user without use is absent. */
    async spentBy(userIds: readonly string[], range: UsageRange): Promise<ReadonlyMap<string, Spent>> {
      const rows = joined(
        db
          .select({ userId: usageSeries.userId, ...totals })
          .from(usageSeries)
          .$dynamic(),
        range,
      )
        .where(and(eq(usageSeries.dimension, 'backend'), inList(usageSeries.userId, userIds)))
        .groupBy(usageSeries.userId)
        .all();
      return new Map(rows.map((row) => [row.userId, spentIn(row)]));
    },

    /** The amounts used of this period's budgets, by subject: of all, or of one. A subject without use is absent. */
    async spent(period: BudgetPeriod, range: UsageRange, subjectId?: string): Promise<ReadonlyMap<string, Spent>> {
      const isOfKey = sql`${budgets.keyId} IS NOT NULL`;
      const rows = joined(
        db
          .select({ subjectId: budgets.subjectId, ...totals })
          .from(budgets)
          // SQLite reads the tables of a cross join in this order.
          .crossJoin(usageSeries)
          .$dynamic(),
        range,
      )
        .where(
          and(
            eq(budgets.period, period),
            subjectId === undefined ? undefined : eq(budgets.subjectId, subjectId),
            inArray(usageSeries.dimension, ['backend', 'key', 'possible-key']),
            eq(usageSeries.userId, budgets.userId),
            sql`(${usageSeries.dimension} <> 'backend') = (${isOfKey})`,
            sql`ifnull(${budgets.keyId}, ${usageSeries.key}) = ${usageSeries.key}`,
          ),
        )
        .groupBy(budgets.subjectId)
        .all();
      return new Map(rows.map((row) => [row.subjectId, spentIn(row)]));
    },
  };

  function days(range: UsageRange): readonly UsageGroup[] {
    return db
      .select({ day: last.day, ...totals })
      .from(usageSeries)
      .innerJoin(
        last,
        and(
          eq(last.seriesId, usageSeries.id),
          gte(last.day, Math.floor(range.fromMs / DAY_MS)),
          lt(last.day, dayAfter(range.untilMs)),
        ),
      )
      .leftJoin(earlier, and(eq(earlier.seriesId, usageSeries.id), eq(earlier.day, newest(sql`${last.day}`))))
      .where(ofBackends(range))
      .groupBy(last.day)
      .orderBy(last.day)
      .all()
      .map(({ day, ...row }) => withCost({ key: new Date(day * DAY_MS).toISOString().slice(0, 10), ...row }));
  }
}

const dayAfter = (untilMs: number) => Math.ceil(untilMs / DAY_MS);

/** @param row its key, and its amounts in the order of their names. Written out, because a report has thousands. */
function toGroup(row: unknown[]): UsageGroup {
  const [key, calls, promptTokens, completionTokens, cachedTokens, reasoningTokens, estimatedCalls, costPicos] =
    row as [string, number, number, number, number, number, number, number];
  const cost = costPicos / PICOS;
  return { key, calls, promptTokens, completionTokens, cachedTokens, reasoningTokens, estimatedCalls, cost };
}

function withCost<Row extends Amounts>({ costPicos, ...row }: Row) {
  return { ...row, cost: costPicos / PICOS };
}

function spentIn(row: { promptTokens: number; completionTokens: number; costPicos: number }): Spent {
  return { tokens: row.promptTokens + row.completionTokens, cost: row.costPicos / PICOS };
}
