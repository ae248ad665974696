/** Checkpoints: made in a thread, and the log of the database has a bound without them. */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createCheckpoints } from '../../router/database/checkpoints';
import { type Database, openDatabase, roomInLog, saysPagesInLog } from '../../router/database/database';

const root = mkdtempSync(join(tmpdir(), 'agent-stack-checkpoints-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PAGE_BYTES = 4_096;

/** Writes about so many pages, in transactions of 100. */
function write({ db }: Database, pages: number): void {
  const text = 'x'.repeat(100 * PAGE_BYTES);
  for (let written = 0; written < pages; written += 100) {
    db.$client.query('INSERT INTO installation (name, value) VALUES (?, ?)').run(crypto.randomUUID(), text);
  }
}

function open(name: string) {
  const path = join(root, name);
  const database = openDatabase(path);
  return { path, database, [Symbol.dispose]: () => database.close() };
}

test('a thread copies the log into the file, and what is written next is at the beginning of the log', async () => {
  using opened = open('written.db');
  const { database, path } = opened;
  using checkpoints = createCheckpoints(database, path);
  write(database, 3_000);
  expect(database.pagesInLog()).toBeGreaterThan(3_000);
  expect(statSync(path).size).toBeLessThan(3_000 * PAGE_BYTES);
  await checkpoints.whenDue();
  expect(database.pagesInLog()).toBe(0);
  expect(statSync(path).size).toBeGreaterThan(3_000 * PAGE_BYTES);
  const { size } = statSync(`${path}-wal`);
  write(database, 2_500);
  expect(statSync(`${path}-wal`).size).toBe(size);
  await checkpoints.whenDue();
  expect(database.pagesInLog()).toBe(0);
});

test('who writes much in parts waits while the log is long, until it is copied', async () => {
  using opened = open('full.db');
  using checkpoints = createCheckpoints(opened.database, opened.path);
  write(opened.database, 13_000);
  let hasRoom = false;
  const waiting = roomInLog(opened.database.db).then(() => {
    hasRoom = true;
  });
  await nextTurn();
  expect(hasRoom).toBe(false);
  await checkpoints.whenDue();
  await waiting;
  expect(opened.database.pagesInLog()).toBe(0);
});

test('a small log is left alone', async () => {
  using opened = open('small.db');
  using checkpoints = createCheckpoints(opened.database, opened.path);
  write(opened.database, 500);
  const pages = opened.database.pagesInLog();
  await checkpoints.whenDue();
  expect(opened.database.pagesInLog()).toBe(pages);
});

test('without a checkpoint the log has a bound', () => {
  using opened = open('unattended.db');
  write(opened.database, 40_000);
  expect(statSync(`${opened.path}-wal`).size).toBeLessThan(16_300 * (PAGE_BYTES + 24));
});

test('what the log has grown to while somebody reads all of the database, such as a backup, is given back after that', async () => {
  using opened = open('read.db');
  const { database, path } = opened;
  using checkpoints = createCheckpoints(database, path);
  write(database, 100);
  const reader = new Sqlite(path, { readonly: true });
  reader.run('BEGIN');
  reader.query('SELECT count(*) FROM installation').get();
  write(database, 20_000);
  await checkpoints.whenDue();
  const size = () => statSync(`${path}-wal`).size;
  expect(size()).toBeGreaterThan(20_000 * PAGE_BYTES);
  reader.run('COMMIT');
  reader.close();
  await checkpoints.whenDue();
  write(database, 100);
  expect(size()).toBeLessThanOrEqual(67_108_864);
});

test('a database in memory has no log', () => {
  const database = openDatabase(':memory:');
  write(database, 3_000);
  expect(database.pagesInLog()).toBe(0);
  database.close();
});

test('a SQLite before 3.51 is not asked what is in its log: it would make a checkpoint', () => {
  expect(['3.43.2', '3.50.4', '3.51.0', '3.53.1', '4.0.0'].map(saysPagesInLog)).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});
