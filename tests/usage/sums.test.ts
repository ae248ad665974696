/** Sums of usage: every report has exactly the figures of the calls in it, whatever the order in which they were written. */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openDatabase } from '../../router/database/database';
import { metricsService } from '../../router/metrics/metrics';
import { createStores } from '../../router/stores';
import { budgetsService } from '../../router/usage/budgets/budgets';
import { meteringService } from '../../router/usage/metering';
import { type NewUsageRow, type UsageDimension, usageStore } from '../../router/usage/store/calls';
import { usageRow } from '../support/usage';

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2026, 0, 1);
const DIMENSIONS = ['day', 'user', 'agent', 'backend', 'model', 'key'] as const;

const folder = await mkdtemp(join(tmpdir(), 'agent-stack-sums-'));
afterAll(() => rm(folder, { recursive: true }));

/** Calls of 40 days, not in order: a clock that was set back, and batches that mix users and days. */
function calls(count: number): NewUsageRow[] {
  let seed = 7;
  const below = (limit: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * limit);
  };
  return Array.from({ length: count }, () => {
    const user = below(4);
    const keys = [`key-${user}-0`, `key-${user}-1`];
    return usageRow({
      userId: `user-${user}`,
      agentId: `agent-${user}-${below(2)}`,
      backend: `backend-${below(2)}`,
      model: `model-${below(3)}`,
      ...[{ keyId: null }, { keyId: keys[below(2)] ?? null }, { keyId: null, keyIds: keys }][below(3)],
      atMs: FIRST_MS + below(40 * DAY_MS),
      promptTokens: below(100_000),
      completionTokens: below(5_000),
      cachedTokens: below(50),
      reasoningTokens: below(90),
      estimated: below(3) === 0,
      cost: below(4) === 0 ? null : below(1_000_000_000) / 1e9,
    });
  });
}

const keyOf: Record<UsageDimension, (row: NewUsageRow) => string> = {
  day: ({ atMs }) => new Date(atMs).toISOString().slice(0, 10),
  user: ({ userId }) => userId,
  agent: ({ agentId }) => agentId,
  backend: ({ backend }) => backend,
  model: ({ model }) => model,
  key: ({ keyId }) => keyId ?? '',
};

/** What a report has to show, added up call by call. */
function addedUp(rows: readonly NewUsageRow[]) {
  const sum = (of: (row: NewUsageRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  return {
    calls: rows.length,
    promptTokens: sum((row) => row.promptTokens),
    completionTokens: sum((row) => row.completionTokens),
    cachedTokens: sum((row) => row.cachedTokens),
    reasoningTokens: sum((row) => row.reasoningTokens),
    estimatedCalls: sum((row) => (row.estimated ? 1 : 0)),
    cost: sum((row) => Math.round((row.cost ?? 0) * 1e9)) / 1e9,
  };
}

async function expectExact(store: ReturnType<typeof usageStore>, all: readonly NewUsageRow[]): Promise<void> {
  const spans = [
    [0, 40],
    [3, 4],
    [10, 31],
    [39, 90],
    [50, 60],
  ] as const;
  for (const userId of [undefined, 'user-1', 'nobody']) {
    for (const [from, until] of spans) {
      const range = { fromMs: FIRST_MS + from * DAY_MS, untilMs: FIRST_MS + until * DAY_MS };
      const rows = all.filter(
        (row) => row.atMs >= range.fromMs && row.atMs < range.untilMs && (userId ?? row.userId) === row.userId,
      );
      const asked = userId === undefined ? range : { ...range, userId };
      expect(await store.totals(asked)).toEqual(addedUp(rows));
      for (const by of DIMENSIONS.filter((one) => one !== 'user' || userId === undefined)) {
        const keys = [...new Set(rows.map(keyOf[by]))];
        const expected = keys.map((key) => ({ key, ...addedUp(rows.filter((row) => keyOf[by](row) === key)) }));
        const order = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
        expect([...(await store.groups(asked, by))].sort(order)).toEqual(expected.sort(order));
      }
    }
  }
}

test('a report over any days has the figures of its calls, written in any order', async () => {
  const database = openDatabase(':memory:');
  const store = usageStore(database.db);
  const all = calls(2_000);
  for (let from = 0; from < all.length; from += 7) await store.insert(all.slice(from, from + 7));
  await expectExact(store, all);
  database.close();
});

test('a database from before the sums gets them from its calls', async () => {
  const path = join(folder, 'before.db');
  const migrations = ['0008_usage_sums.sql', '0021_usage_without_key.sql', '0030_newest-sums.sql'];
  const all = calls(1_000);
  const database = openDatabase(path);
  const store = usageStore(database.db);
  await store.insert(all);
  {
    using sqlite = new Sqlite(path);
    sqlite.run('DROP TABLE usage_series');
    sqlite.run('DROP TABLE usage_sums');
    for (const migration of migrations) {
      const statements = await readFile(join(import.meta.dir, '../../router/database/migrations', migration), 'utf8');
      for (const statement of statements.split('--> statement-breakpoint')) sqlite.run(statement);
    }
  }
  await expectExact(store, all);
  database.close();
});

/** A database with Alice and her keys, and the budgets of all of them: of tokens, a day. */
async function withAlice(keyIds: readonly string[]) {
  const database = openDatabase(':memory:');
  const stores = createStores(database.db);
  const user = { id: 'alice', email: 'alice@example.org', name: 'Alice', slug: 'alice', passwordHash: 'x' } as const;
  await stores.users.insert({ ...user, role: 'user', createdAtMs: FIRST_MS });
  for (const id of keyIds) {
    await stores.keys.insert({
      ...{ id, userId: 'alice', name: id, hash: id, lastFour: 'abcd', createdAtMs: FIRST_MS, lastUsedAtMs: null },
      ...{ expiresAtMs: null, scopes: ['v1'], backends: [], agents: [], eventsWhileWaiting: false },
      ...{ requestsPerMinute: null, tokensPerMinute: null, concurrentMax: null },
    });
  }
  const budget = { userId: 'alice', unit: 'tokens', period: 'day', softLimit: null, hardLimit: 99 } as const;
  const all = [null, ...keyIds].map((keyId) => ({ ...budget, subjectId: keyId ?? 'alice', keyId }));
  return { database, stores, budgets: all };
}

test('a call that may belong to two keys counts in full for each, and once for its user', async () => {
  const { database, stores, budgets } = await withAlice(['a', 'b', 'c']);
  const call = { userId: 'alice', atMs: FIRST_MS + 1, promptTokens: 60, completionTokens: 3, cost: 0.5 };
  await stores.usage.insert([usageRow({ ...call, keyIds: ['a', 'b'] }), usageRow({ ...call, keyId: 'a' })]);
  for (const budget of budgets) await stores.budgets.put(budget);
  const range = { fromMs: FIRST_MS, untilMs: FIRST_MS + DAY_MS };
  const spent = [
    ['a', { tokens: 126, cost: 1 }],
    ['alice', { tokens: 126, cost: 1 }],
    ['b', { tokens: 63, cost: 0.5 }],
  ] as const;
  expect([...(await stores.usage.spent('day', range))].sort()).toEqual(spent as never);
  expect([...(await stores.usage.spent('day', range, 'b'))]).toEqual([spent[2]] as never);
  expect([...(await stores.usage.spent('month', range))]).toEqual([]);
  database.close();
});

test('a budget counts what was used before it was set, written or not, and a call made meanwhile', async () => {
  const { database, stores, budgets: all } = await withAlice(['a', 'b']);
  const call = (keyId: string | null) =>
    usageRow({ userId: 'alice', keyId, atMs: FIRST_MS + 1, promptTokens: 7, completionTokens: 3 });
  const unwritten = [call('a'), call(null), { ...call('a'), atMs: FIRST_MS - DAY_MS }];
  const budgets = budgetsService({
    budgets: stores.budgets,
    usage: stores.usage,
    unwritten: () => unwritten,
    now: () => FIRST_MS + DAY_MS / 2,
  });
  await stores.usage.insert([call('a'), call('b')]);
  const set = Promise.all(all.slice(0, 2).map((budget) => budgets.put(budget)));
  // Between the two: the budgets are in force, and what was used is being read.
  await Promise.resolve();
  budgets.add({ userId: 'alice', keyIds: ['a'], tokens: 1, cost: 0 });
  await set;
  const used = () => budgets.statesOf('alice').map((state) => state.used);
  expect(used()).toEqual([41, 21]);
  // With another period it is counted anew.
  for (const budget of all.slice(0, 2)) await budgets.put({ ...budget, period: 'month' });
  expect(used()).toEqual([40, 20]);
  database.close();
});

test('pages of single calls have each call once, oldest first, whatever the order of their ids', async () => {
  const database = openDatabase(':memory:');
  const store = usageStore(database.db);
  const all = calls(500);
  await store.insert([...all, usageRow({ ...all[0], userId: 'user-0', atMs: all[1]?.atMs ?? 0 })]);
  const range = { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };
  const seen: { atMs: number; id: number }[] = [];
  for (;;) {
    const page = await store.page(range, seen.at(-1), 60);
    if (page.length === 0) break;
    seen.push(...page);
  }
  expect(seen).toHaveLength(501);
  expect(new Set(seen.map(({ id }) => id)).size).toBe(501);
  expect(seen).toEqual(seen.toSorted((a, b) => a.atMs - b.atMs || a.id - b.id));
  database.close();
});

test('rows that have waited for the database are written in parts, between which others have their turn', async () => {
  const { db, close } = openDatabase(':memory:');
  const usage = usageStore(db);
  const metrics = metricsService();
  const metering = meteringService({ usage, prices: { costOf: () => 0 }, counters: [], metrics, now: () => FIRST_MS });
  const used = {
    backend: 'demo',
    path: 'chat/completions',
    model: 'm',
    source: 'global',
    status: 200,
    ending: 'done',
  } as const;
  for (let call = 0; call < 2_000; call += 1) {
    const tokens = { prompt: 1, completion: 1, cached: 0, reasoning: 0 };
    metering.record({ ...used, userId: 'u', agentId: 'a', tokens, estimated: false, totalMs: 1 });
  }
  const whole = metering.flush();
  await nextTurn();
  const { calls: soFar } = await usage.totals({ fromMs: FIRST_MS, untilMs: FIRST_MS + DAY_MS });
  await whole;
  const { calls: all } = await usage.totals({ fromMs: FIRST_MS, untilMs: FIRST_MS + DAY_MS });
  close();
  expect(soFar).toBeLessThan(all);
  expect(all).toBe(2_000);
});
