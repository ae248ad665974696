/** Writes the running totals of usage (`usage_sums`), which `sums.ts` reads. */
import { and, eq, gte, lt, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { usageSeries, usageSums } from '../../database/schema/usage';
import { lazy } from '../../lib/lazy';
import type { NewUsageRow } from './calls';

export const DAY_MS = 86_400_000;
/** Costs are summed as integers, in 10^-12 of the currency. */
export const PICOS = 1e12;

type Dimension = typeof usageSeries.$inferSelect.dimension;
export type Amounts = Omit<typeof usageSums.$inferSelect, 'seriesId' | 'day'>;
type Name = keyof Amounts;
const NAMES = [
  ...(['calls', 'promptTokens', 'completionTokens', 'cachedTokens', 'reasoningTokens'] as const),
  ...(['estimatedCalls', 'costPicos'] as const),
];

/** The series that a call is added to, as dimension, user and key. Everybody's use of an agent or a key is that of its owner. */
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
    ...(keyId == null ? [['key', '', ''] as const] : []),
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

/** An object with a value for each amount. */
export const eachName = <Value>(of: (name: Name, place: number) => Value) =>
  Object.fromEntries(NAMES.map((name, place) => [name, of(name, place)])) as Record<Name, Value>;

function statements(db: Db) {
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

  return { find, begin, add, before, insert };
}

/** Returns the function that adds the use of calls to the sums; call it inside the transaction that writes the calls. */
export function sumsWriter(db: Db) {
  const made = lazy(() => statements(db));
  return (rows: readonly NewUsageRow[]): void => {
    const { find, begin, add, before, insert } = made();
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
  };
}
