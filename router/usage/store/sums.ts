/**
 * Sums of usage: running totals per day, which are written together with the calls. A report over any span of days reads two
 * totals for each of its lines, however many calls there were; that of the newest day is in the row of its series.
 */
import type { Db } from '../../database/database';
import type { budgets } from '../../database/schema/usage';
import { lazy } from '../../lib/lazy';
import { DAY_MS } from '../../lib/time';
import { COLUMNS, PICOS, sumsWriter } from './sums-writing';

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

/** The amounts as SQLite has them, in the order of their names. */
type Amounts = [number, number, number, number, number, number, number];

/** Parameters: ?1 and ?2 are the first day and the day after the last one. Then come those of `where`. */
function statements({ $client }: Db) {
  const newestBefore = (day: string) =>
    `(SELECT max(day) FROM usage_sums AS newest WHERE newest.series_id = series.id AND newest.day < ${day})`;
  /** Each series that was used since the first day, with its totals at the end of the days and before them. */
  const ends = `LEFT JOIN usage_sums AS last ON last.series_id = series.id
      AND last.day = CASE WHEN series.day >= ?2 THEN ${newestBefore('?2')} END
    LEFT JOIN usage_sums AS earlier ON earlier.series_id = series.id AND earlier.day = ${newestBefore('?1')}`;
  const used = (column: string) =>
    `iif(series.day < ?2, series.${column}, ifnull(last.${column}, 0)) - ifnull(earlier.${column}, 0)`;
  const isUsed = `series.day >= ?1 AND ${used('calls')} > 0`;
  const lines = (whose: string) =>
    $client.query(
      `SELECT series.key, ${COLUMNS.map(used).join(', ')} FROM usage_series AS series ${ends}
        WHERE series.dimension = ?3 AND ${whose} AND ${isUsed}
        ORDER BY ${used('prompt_tokens')} + ${used('completion_tokens')} DESC, 1 LIMIT ?5 OFFSET ?6`,
    );
  /** The sum of the costs is a real number: one of integers overflows. */
  const spent = `sum(${used('prompt_tokens')} + ${used('completion_tokens')}), sum(CAST(${used('cost_picos')} AS real))`;
  const spentOfBudgets = (which: string) =>
    $client.query(
      // SQLite reads the tables of a cross join in this order.
      `SELECT budgets.subject_id, ${spent} FROM budgets CROSS JOIN usage_series AS series ${ends}
        WHERE budgets.period = ?3 AND ${which} AND series.dimension IN ('backend', 'key', 'possible-key')
        AND series.user_id = budgets.user_id AND (series.dimension <> 'backend') = (budgets.key_id IS NOT NULL)
        AND ifnull(budgets.key_id, series.key) = series.key AND ${isUsed} GROUP BY 1`,
    );
  const list = COLUMNS.join(', ');
  return {
    lines: lines('series.user_id = ?4'),
    // Everybody's use without a key is a series of its own, so that each line is one series.
    linesOfOwners: lines("(series.user_id = ?4) = (series.key = '')"),
    /** The totals of a user's days, and of the newest day before them. */
    days: $client.query<never, [number, number, string]>(
      `SELECT sums.series_id, sums.day, ${list.replaceAll(/\w+/g, 'sums.$&')} FROM usage_series AS series
        JOIN usage_sums AS sums ON sums.series_id = series.id AND sums.day < ?2
          AND sums.day >= ifnull(${newestBefore('?1')}, ?1)
        WHERE series.dimension = 'backend' AND series.user_id = ?3 AND series.day >= ?1
      UNION ALL SELECT id, day, ${list} FROM usage_series
        WHERE dimension = 'backend' AND user_id = ?3 AND day >= ?1 AND day < ?2
      ORDER BY 1, 2`,
    ),
    spentBy: $client.query(
      `SELECT series.user_id, ${spent} FROM usage_series AS series ${ends} WHERE series.dimension = 'backend'
        AND series.user_id IN (SELECT value FROM json_each(?3)) AND ${isUsed} GROUP BY 1`,
    ),
    spentOfAll: spentOfBudgets('true'),
    spentOfOne: spentOfBudgets('budgets.subject_id = ?4'),
    usersAfter: $client.query<{ userId: string }, [string, number]>(
      `SELECT DISTINCT user_id AS userId FROM usage_series WHERE dimension = 'backend' AND user_id > ? ORDER BY user_id LIMIT ?`,
    ),
  };
}

export function sumsStore(db: Db) {
  // Rows as SQLite has them: Drizzle takes a quarter as long to read thousands of rows as SQLite takes to find them.
  const made = lazy(() => statements(db));

  function linesOf(range: UsageRange, by: UsageDimension, limit = -1, offset = 0) {
    const isOfOwners = range.userId === undefined && (by === 'agent' || by === 'key');
    const { linesOfOwners, lines } = made();
    const found = isOfOwners ? linesOfOwners : lines;
    return found.values(firstDay(range), dayAfter(range), by, range.userId ?? '', limit, offset) as [
      string,
      ...Amounts,
    ][];
  }

  return {
    count: sumsWriter(db),

    async totals(range: UsageRange): Promise<UsageTotals> {
      const all = linesOf(range, 'backend').map(([_, ...amounts]) => amounts);
      const { key: _, ...totals } = groupOf('', all.reduce(added, NOTHING));
      return totals;
    },

    /** All days in order; other dimensions by tokens, most first: `limit` of them, from `offset` on. */
    async groups(
      range: UsageRange,
      by: UsageDimension,
      limit?: number,
      offset?: number,
    ): Promise<readonly UsageGroup[]> {
      if (by === 'day') return daysOf(range, made().days.values(firstDay(range), dayAfter(range), range.userId ?? ''));
      return linesOf(range, by, limit, offset).map(([key, ...amounts]) => groupOf(key, amounts));
    },

    /** Users who have used something at any time, in the order of their ids, after the user `after`. */
    async usersAfter(after: string, limit: number): Promise<readonly string[]> {
      return made()
        .usersAfter.all(after, limit)
        .map(({ userId }) => userId);
    },

    /** What each of the users has used. A user without use is absent. */
    async spentBy(userIds: readonly string[], range: UsageRange): Promise<ReadonlyMap<string, Spent>> {
      return spentIn(made().spentBy.values(firstDay(range), dayAfter(range), JSON.stringify(userIds)));
    },

    /** The amounts used of this period's budgets, by subject: of all, or of one. A subject without use is absent. */
    async spent(period: BudgetPeriod, range: UsageRange, subjectId?: string): Promise<ReadonlyMap<string, Spent>> {
      const { spentOfAll, spentOfOne } = made();
      const asked = [firstDay(range), dayAfter(range), period] as const;
      return spentIn(subjectId === undefined ? spentOfAll.values(...asked) : spentOfOne.values(...asked, subjectId));
    },
  };
}

const firstDay = ({ fromMs }: UsageRange) => Math.floor(fromMs / DAY_MS);
const dayAfter = ({ untilMs }: UsageRange) => Math.ceil(untilMs / DAY_MS);
const NOTHING: Amounts = [0, 0, 0, 0, 0, 0, 0];

/** The use of each day, of all series together. @param totals of each series in order, from the newest before the days on. */
function daysOf(range: UsageRange, totals: readonly unknown[][]): readonly UsageGroup[] {
  const used = new Map<number, Amounts>();
  let [beforeId, before] = [-1, NOTHING];
  for (const [id, day, ...soFar] of totals as [id: number, day: number, ...Amounts][]) {
    const from = id === beforeId ? before : NOTHING;
    [beforeId, before] = [id, soFar];
    if (day < firstDay(range)) continue;
    const sum = used.get(day) ?? NOTHING;
    used.set(day, sum.map((amount, place) => amount + (soFar[place] ?? 0) - (from[place] ?? 0)) as Amounts);
  }
  return [...used]
    .sort(([one], [other]) => one - other)
    .map(([day, amounts]) => groupOf(new Date(day * DAY_MS).toISOString().slice(0, 10), amounts));
}

/** Written out, because a report has thousands. */
function groupOf(key: string, amounts: Amounts): UsageGroup {
  const [calls, promptTokens, completionTokens, cachedTokens, reasoningTokens, estimatedCalls, costPicos] = amounts;
  const cost = costPicos / PICOS;
  return { key, calls, promptTokens, completionTokens, cachedTokens, reasoningTokens, estimatedCalls, cost };
}

function added(one: Amounts, other: Amounts): Amounts {
  return one.map((amount, place) => amount + (other[place] ?? 0)) as Amounts;
}

function spentIn(rows: readonly unknown[][]): ReadonlyMap<string, Spent> {
  return new Map(
    (rows as [string, number, number][]).map(([id, tokens, picos]) => [id, { tokens, cost: picos / PICOS }]),
  );
}
