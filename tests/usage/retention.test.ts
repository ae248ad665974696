/** Single calls are deleted after their time; totals are not. */
import { expect, test } from 'bun:test';
import { openDatabase } from '../../router/database/database';
import { deleteOldCalls } from '../../router/usage/retention';
import { usageStore } from '../../router/usage/store/calls';
import { usageRow } from '../support/usage';

test('calls before the time go, later ones and all totals stay', async () => {
  const { db, close } = openDatabase(':memory:');
  const usage = usageStore(db);
  const dayMs = 86_400_000;
  const old = Array.from({ length: 1_200 }, (_, n) => usageRow({ userId: 'u', atMs: dayMs + n }));
  await usage.insert([...old, usageRow({ userId: 'u', atMs: 5 * dayMs })]);
  const range = { fromMs: 0, untilMs: 10 * dayMs };
  const totals = await usage.totals(range);
  expect(totals.calls).toBe(1_201);

  await deleteOldCalls(usage, dayMs);
  expect(await usage.page(range, undefined, 2_000)).toHaveLength(1_201);
  await deleteOldCalls(usage, 5 * dayMs);
  const left = await usage.page(range, undefined, 2_000);
  expect(left.map(({ atMs }) => atMs)).toEqual([5 * dayMs]);
  expect(await usage.totals(range)).toEqual(totals);
  close();
});
