/** What is written in one moment is one transaction, and what fails in it fails alone. */
import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { type Db, openDatabase } from '../../router/database/database';
import { groupedWrites } from '../../router/database/grouped-writes';
import { prices } from '../../router/database/schema/usage';
import { until } from '../support/router';

const folder = mkdtempSync(join(tmpdir(), 'agent-stack-writes-'));
const path = join(folder, 'router.db');
const { db, close } = openDatabase(path);
afterAll(() => {
  close();
  rmSync(folder, { recursive: true, force: true });
});

const write = groupedWrites(db);
const insert = (model: string) => (tx: Db) => void tx.insert(prices).values({ model, prompt: 1, completion: 1 }).run();
const there = () =>
  db
    .select()
    .from(prices)
    .all()
    .map(({ model }) => model);
const outcomes = async (writes: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(writes)).map(({ status }) => status);

test('writes of one moment are committed together, in their order, and are promised when they are', async () => {
  const writes = [write(insert('a')), write(insert('b'))];
  const deleted = write((tx) => tx.delete(prices).where(eq(prices.model, 'a')).returning().all().length);
  expect(there()).toEqual([]);
  expect(await deleted).toBe(1);
  expect(await outcomes(writes)).toEqual(['fulfilled', 'fulfilled']);
  expect(there()).toEqual(['b']);
});

test('a write that throws fails alone, and leaves nothing of its own', async () => {
  const half = write((tx) => {
    insert('half')(tx);
    insert('b')(tx);
  });
  expect(await outcomes([write(insert('c')), half, write(insert('d'))])).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(there()).toEqual(['b', 'c', 'd']);
});

test('while several write at once, what is written in the next turn of the event loop is in the same transaction', async () => {
  let isOpen = false;
  const together = async () => {
    await Promise.all([write(() => undefined), write(() => undefined)]);
    const first = write(() => {
      isOpen = true;
      queueMicrotask(() => {
        isOpen = false;
      });
    });
    const next = nextTurn().then(() => write(() => isOpen));
    await first;
    return next;
  };
  // On a busy machine a turn may take longer than writes are gathered.
  await until(together, 'the writes of two turns were one transaction');
});

test('writes wait for a lock that another connection has for a moment, and the event loop does not', async () => {
  const other = new Database(path);
  other.run('BEGIN IMMEDIATE');
  const written = write(() => 'written');
  for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  other.run('ROLLBACK');
  other.close();
  expect(await written).toBe('written');
});

test('while another program holds the lock all writes of a moment fail after one wait, and later ones do not', async () => {
  const other = new Database(path);
  other.run('BEGIN IMMEDIATE');
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => write(insert(`locked ${n}`))));
  // One failure of one wait, told to all.
  const reasons = results.map((result) => result.status === 'rejected' && result.reason);
  expect(new Set(reasons).size).toBe(1);
  expect(reasons[0]).toMatchObject({ code: 'SQLITE_BUSY' });
  other.run('ROLLBACK');
  other.close();
  await write(insert('e'));
  expect(there()).toEqual(['b', 'c', 'd', 'e']);
});

test('writes that take too long together are committed in several transactions, none is lost', async () => {
  const busy = (model: string) => (tx: Db) => {
    const untilMs = performance.now() + 8;
    while (performance.now() < untilMs);
    insert(model)(tx);
  };
  expect(await outcomes(['f', 'g', 'h', 'i'].map((model) => write(busy(model))))).toEqual(Array(4).fill('fulfilled'));
  expect(there()).toEqual(['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']);
});

test('many writes that fail in one moment leave turns of the event loop to others, and those between are kept in order', async () => {
  let turns = 0;
  const turn = () => {
    turns += 1;
    timer = setImmediate(turn);
  };
  let timer = setImmediate(turn);
  // Each of another model, every second of which exists.
  await Promise.all(Array.from({ length: 40 }, (_, n) => write(insert(`even ${n * 2}`))));
  const before = turns;
  const results = await outcomes(Array.from({ length: 80 }, (_, n) => write(insert(`even ${n}`))));
  clearImmediate(timer);
  expect(results).toEqual(Array.from({ length: 80 }, (_, n) => (n % 2 === 0 ? 'rejected' : 'fulfilled')));
  expect(turns - before).toBeGreaterThan(40);
  expect(there().filter((model) => model.startsWith('even'))).toHaveLength(80);
});
