/**
 * Sums of usage: running totals per day (`usage_sums`), which are written together with the calls. A report over any span
 * of days reads two rows for each of its lines, however many calls there were.
 */
import { and, eq, gte, inArray, lt, max, type SQL, sql } from 'drizzle-orm';
import { alias, type SQLiteSelect } from 'drizzle-orm/sqlite-core';
import type { Db } from '../database/database';
import { budgets, usageSeries, usageSums } from '../database/schema/usage';
import type { NewUsageRow } from './store';

const DAY_MS = 86_400_000;
const PICOS = 1e12;

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

/** What was used of a budget; of a key's, with all calls that may belong to it. */
export interface Spent {
  readonly tokens: number;
  readonly cost: number;
}

type BudgetPeriod = typeof budgets.$inferSelect.period;
type Dimension = typeof usageSeries.$inferSelect.dimension;
type Amounts = Omit<typeof usageSums.$inferSelect, 'seriesId' | 'day'>;
type Name = keyof Amounts;
const NAMES = [
  ...(['calls', 'promptTokens', 'completionTokens', 'cachedTokens', 'reasoningTokens'] as const),
  ...(['estimatedCalls', 'costPicos'] as const),
];

/** What each call counts in, as dimension, user and key. Everybody's use of agents and keys is that of their owners. */
function seriesOf({
  userId,
  agentId,
  backend,
  model,
  keyId,
  keyIds,
}: NewUsageRow): (readonly [Dimension, string, string])[] {
  return [
    ['user', '', userId],
    ['backend', '', backend],
    ['model', '', model],
    ['backend', userId, backend],
    ['model', userId, model],
    ['agent', userId, agentId],
    ['key', userId, keyId ?? ''],
    ...(keyIds ?? []).map((id) => ['possible-key', userId, id] as const),
  ];
}

function amountsOf(row: NewUsageRow): Amounts {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens, estimated, cost } = row;
  const costPicos = Math.round((cost ?? 0) * PICOS);
  return {
    ...{ calls: 1, promptTokens, completionTokens, cachedTokens, reasoningTokens },
    ...{ estimatedCalls: estimated ? 1 : 0, costPicos },
  };
}

const eachName = <Value>(of: (name: Name) => Value) =>
  Object.fromEntries(NAMES.map((name) => [name, of(name)])) as Record<Name, Value>;

export function sumsStore(db: Db) {
  const { placeholder } = sql;
  const find = db
    .select({ id: usageSeries.id })
    .from(usageSeries)
    .where(
      and(
        eq(usageSeries.dimension, placeholder('dimension')),
        eq(usageSeries.userId, placeholder('userId')),
        eq(usageSeries.key, placeholder('key')),
      ),
    )
    .prepare();
  const ofSeries = eq(usageSums.seriesId, placeholder('id'));
  // Usually one row: there are later ones only where the clock was set back.
  const add = db
    .update(usageSums)
    .set(eachName((name) => sql`${usageSums[name]} + ${placeholder(name)}`))
    .where(and(ofSeries, gte(usageSums.day, placeholder('day'))))
    .returning({ day: usageSums.day })
    .prepare();
  const before = db
    .select()
    .from(usageSums)
    .where(and(ofSeries, lt(usageSums.day, placeholder('day'))))
    .orderBy(sql`${usageSums.day} DESC`)
    .limit(1)
    .prepare();

  const begin = db
    .insert(usageSeries)
    .values({ dimension: placeholder('dimension'), userId: placeholder('userId'), key: placeholder('key') })
    .returning({ id: usageSeries.id })
    .prepare();
  const insert = db
    .insert(usageSums)
    .values({ seriesId: placeholder('id'), day: placeholder('day'), ...eachName((name) => placeholder(name)) })
    .prepare();

  /** Adds the use of calls to the sums; inside the transaction that writes the calls. */
  function count(rows: readonly NewUsageRow[]): void {
    const sums = new Map<string, { series: readonly [Dimension, string, string]; day: number; amounts: Amounts }>();
    for (const row of rows) {
      const day = Math.floor(row.atMs / DAY_MS);
      const amounts = amountsOf(row);
      for (const series of seriesOf(row)) {
        const place = `${day}\n${series.join('\n')}`;
        const sum = sums.get(place);
        if (!sum) sums.set(place, { series, day, amounts });
        else sum.amounts = eachName((name) => sum.amounts[name] + amounts[name]);
      }
    }
    for (const { series, day, amounts } of sums.values()) {
      const [dimension, userId, key] = series;
      const { id } = find.get({ dimension, userId, key }) ?? begin.get({ dimension, userId, key });
      if (add.all({ id, day, ...amounts }).some((row) => row.day === day)) continue;
      const soFar = before.get({ id, day });
      const row = eachName((name) => (soFar?.[name] ?? 0) + amounts[name]);
      insert.run({ id, day, ...row });
    }
  }

  const last = alias(usageSums, 'last');
  const earlier = alias(usageSums, 'earlier');
  /** What `last` has more than `earlier`, over all series of a group. The cost as a real number: sums of integers overflow. */
  const totals = {
    ...eachName((name) => sql<number>`coalesce(sum(${last[name]} - coalesce(${earlier[name]}, 0)), 0)`),
    costPicos: sql<number>`coalesce(sum(CAST(${last.costPicos} - coalesce(${earlier.costPicos}, 0) AS real)), 0)`,
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
  /** The lines of the series that `which` selects. */
  const grouped = (which: SQL | undefined, range: UsageRange) =>
    joined(
      db
        .select({ key: usageSeries.key, ...totals })
        .from(usageSeries)
        .$dynamic(),
      range,
    ).where(and(which, sql`${last.calls} > coalesce(${earlier.calls}, 0)`));
  const ofBackends = ({ userId = '' }: UsageRange) =>
    and(eq(usageSeries.dimension, 'backend'), eq(usageSeries.userId, userId));

  return {
    count,

    async totals(range: UsageRange): Promise<UsageTotals> {
      const [row] = grouped(ofBackends(range), range).all();
      if (!row) throw new Error('An aggregate without a row');
      const { key: _, ...sums } = row;
      return withCost(sums);
    },

    /** All days in order; other dimensions by tokens, most first: `limit` of them, from `offset` on. */
    async groups(range: UsageRange, by: UsageDimension, limit = -1, offset = 0): Promise<readonly UsageGroup[]> {
      if (by === 'day') return days(range);
      const { userId } = range;
      const isOfOwners = by === 'agent' || by === 'key';
      const whose = userId === undefined && isOfOwners ? undefined : eq(usageSeries.userId, userId ?? '');
      return grouped(and(eq(usageSeries.dimension, by), whose), range)
        .groupBy(usageSeries.key)
        .orderBy(sql`${totals.promptTokens} + ${totals.completionTokens} DESC, 1`)
        .limit(limit)
        .offset(offset)
        .all()
        .map(withCost);
    },

    /** What the budgets of this period have been used, by subject: of all of them, or of one. Absent where nothing was. */
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
      return new Map(
        rows.map((row) => [
          row.subjectId,
          { tokens: row.promptTokens + row.completionTokens, cost: row.costPicos / PICOS },
        ]),
      );
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

function withCost<Row extends Amounts>({ costPicos, ...row }: Row) {
  return { ...row, cost: costPicos / PICOS };
}
