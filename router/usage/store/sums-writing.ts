/** Writes the running totals of usage, which `sums.ts` reads: the newest beside its series, earlier ones in `usage_sums`. */
import type { Db } from '../../database/database';
import type { usageSeries } from '../../database/schema/usage';
import { lazy } from '../../lib/lazy';
import { DAY_MS } from '../../lib/time';
import type { NewUsageRow } from './calls';

/** Costs are summed as integers, in 10^-12 of the currency. */
export const PICOS = 1e12;

type Dimension = typeof usageSeries.$inferSelect.dimension;
const NAMES = [
  ...(['calls', 'promptTokens', 'completionTokens', 'cachedTokens', 'reasoningTokens'] as const),
  ...(['estimatedCalls', 'costPicos'] as const),
];
/** The columns of the amounts, in both tables and in the order of their names. */
export const COLUMNS = NAMES.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));

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

function amountsOf(row: NewUsageRow): number[] {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens, estimated, cost } = row;
  const costPicos = Math.round((cost ?? 0) * PICOS);
  return [1, promptTokens, completionTokens, cachedTokens, reasoningTokens, estimated ? 1 : 0, costPicos];
}

/** Parameters: the day, the amounts, and which series or total. */
function statements({ $client }: Db) {
  const list = COLUMNS.join(', ');
  const added = COLUMNS.map((column, place) => `${column} = ${column} + ?${place + 2}`).join(', ');
  const after = (place: number) => `?${COLUMNS.length + 1 + place}`;
  const isSeries = `dimension = ${after(1)} AND user_id = ${after(2)} AND key = ${after(3)}`;
  return {
    /** To the newest day, as most calls are. */
    addNewest: $client.query(`UPDATE usage_series SET ${added} WHERE ${isSeries} AND day = ?1`),
    find: $client.query<{ id: number; day: number }, [Dimension, string, string]>(
      'SELECT id, day FROM usage_series WHERE dimension = ? AND user_id = ? AND key = ?',
    ),
    begin: $client.query(
      `INSERT INTO usage_series (day, ${list}, dimension, user_id, key)
        VALUES (${[...COLUMNS, 'day', 'dimension', 'user', 'key'].map(() => '?').join(', ')})`,
    ),
    keep: $client.query(
      `INSERT INTO usage_sums (series_id, day, ${list}) SELECT id, day, ${list} FROM usage_series WHERE id = ?`,
    ),
    addTo: $client.query(`UPDATE usage_series SET day = ?1, ${added} WHERE id = ${after(1)}`),
    upTo: $client.query<[day: number, ...number[]], [id: number, day: number]>(
      `SELECT day, ${list} FROM usage_sums WHERE series_id = ? AND day <= ? ORDER BY day DESC LIMIT 1`,
    ),
    insert: $client.query(
      `INSERT INTO usage_sums (series_id, day, ${list}) VALUES (${[...COLUMNS, 'id', 'day'].map(() => '?').join(', ')})`,
    ),
    addFrom: $client.query(`UPDATE usage_sums SET ${added} WHERE series_id = ${after(1)} AND day >= ?1`),
  };
}

/** Returns the function that adds the use of calls to the sums; call it inside the transaction that writes the calls. */
export function sumsWriter(db: Db) {
  const made = lazy(() => statements(db));
  return (rows: readonly NewUsageRow[]): void => {
    const sums = new Map<string, { series: readonly [Dimension, string, string]; day: number; amounts: number[] }>();
    for (const row of rows) {
      const day = Math.floor(row.atMs / DAY_MS);
      const amounts = amountsOf(row);
      for (const series of seriesOf(row)) {
        const place = `${day}\n${series.join('\n')}`;
        const sum = sums.get(place);
        if (!sum) sums.set(place, { series, day, amounts });
        else sum.amounts = sum.amounts.map((amount, index) => amount + (amounts[index] ?? 0));
      }
    }
    const { addNewest, find, begin, keep, addTo, upTo, insert, addFrom } = made();
    for (const { series, day, amounts } of sums.values()) {
      if (addNewest.run(day, ...amounts, ...series).changes > 0) continue;
      const known = find.get(...series);
      if (!known) begin.run(day, ...amounts, ...series);
      else if (known.day < day) {
        keep.run(known.id);
        addTo.run(day, ...amounts, known.id);
      } else {
        // The clock was set back: all totals from that day on grow.
        const [soFar = []] = upTo.values(known.id, day);
        if (soFar[0] !== day) insert.run(known.id, day, ...COLUMNS.map((_, place) => soFar[place + 1] ?? 0));
        addFrom.run(day, ...amounts, known.id);
        addTo.run(known.day, ...amounts, known.id);
      }
    }
  };
}
