/** What the router does with a database file that it cannot use, and with one that it is about to change. */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listBackups, newBackupFolder } from '../../router/database/backup-folders';
import { DatabaseError } from '../../router/database/checks';
import { openDatabase } from '../../router/database/database';
import journal from '../../router/database/migrations/meta/_journal.json';
import { oldDatabase } from '../support/old-database';

const folder = await mkdtemp(join(tmpdir(), 'agent-stack-opening-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const bytesOf = async (path: string) => (await readFile(path)).toString('base64');

/** Expects that the file is refused in one sentence or two, and stays as it is. */
async function expectRefused(path: string, words: string): Promise<void> {
  const before = await bytesOf(path);
  let thrown: unknown;
  try {
    openDatabase(path).close();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DatabaseError);
  expect(String(thrown)).toContain(words);
  expect(String(thrown)).toContain(path);
  expect(String(thrown)).not.toContain('\n');
  expect(await bytesOf(path)).toBe(before);
}

test('a database of another program is refused and stays as it is', async () => {
  const path = join(folder, 'router.db');
  {
    using other = new Sqlite(path);
    other.run('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)');
    other.run("INSERT INTO users (email) VALUES ('somebody@example.org')");
  }
  await expectRefused(path, 'is the database of another program');
});

test('a database of another program that uses Drizzle too is refused', async () => {
  const path = join(folder, 'drizzle.db');
  {
    using other = new Sqlite(path);
    other.run('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)');
    other.run("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('x', 1)");
  }
  await expectRefused(path, 'is the database of another program');
});

test('a database of a newer version is refused and stays as it is', async () => {
  const path = join(folder, 'newer.db');
  openDatabase(path).close();
  {
    using sqlite = new Sqlite(path);
    const when = (journal.entries.at(-1)?.when ?? 0) + 1;
    sqlite.run('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)', ['later', when]);
    sqlite.run('PRAGMA wal_checkpoint(TRUNCATE)');
  }
  await expectRefused(path, 'was last used by a newer version');
});

test('a file that is no database, and a damaged one, are refused with what to do', async () => {
  const text = join(folder, 'text.db');
  await writeFile(text, 'This is a text and not a database. '.repeat(300));
  await expectRefused(text, 'it is not an SQLite database');
  const damaged = join(folder, 'damaged.db');
  const { db, close } = openDatabase(damaged);
  db.$client.run('PRAGMA wal_checkpoint(TRUNCATE)');
  close();
  const bytes = await readFile(damaged);
  await writeFile(damaged, bytes.fill(0xff, 100, 8192));
  await expectRefused(damaged, 'it is damaged');
});

test('an empty file becomes a database', async () => {
  const path = join(folder, 'empty.db');
  await writeFile(path, '');
  openDatabase(path).close();
});

test('before a migration the database is copied; the newest two copies are kept, and none is made without a migration', async () => {
  const root = join(folder, 'backups');
  for (const name of ['one', 'two', 'three']) {
    const path = join(folder, `${name}.db`);
    await oldDatabase(path);
    openDatabase(path, root).close();
    openDatabase(path, root).close();
    const { path: copy = '', isBeforeMigration } = listBackups(root).at(-1) ?? {};
    expect(isBeforeMigration).toBe(true);
    expect(copy).toEndWith(`-before-${journal.entries[1]?.tag}`);
    using sqlite = new Sqlite(join(copy, 'router.db'), { readonly: true });
    expect(sqlite.query('SELECT value FROM installation').all()).toEqual([{ value: 'before' }]);
    expect(sqlite.query('SELECT count(*) AS count FROM __drizzle_migrations').get()).toEqual({ count: 1 });
  }
  expect(listBackups(root)).toHaveLength(2);
});

test('a database that cannot be copied before a migration is not migrated', async () => {
  const path = join(folder, 'uncopied.db');
  await oldDatabase(path);
  const inTheWay = join(folder, 'a-file');
  await writeFile(inTheWay, '');
  expect(() => openDatabase(path, inTheWay)).toThrow('could not be copied into');
  using sqlite = new Sqlite(path, { readonly: true });
  expect(sqlite.query('SELECT count(*) AS count FROM __drizzle_migrations').get()).toEqual({ count: 1 });
});

test('what an interrupted backup left is removed by a later one, but not what another is making now', async () => {
  const root = join(folder, 'interrupted');
  const dayAgo = new Date(Date.now() - 2 * 86_400_000);
  for (const name of ['.new-old', '.new-now', 'notes']) await mkdir(join(root, name), { recursive: true });
  for (const name of ['.new-old', 'notes']) await utimes(join(root, name), dayAgo, dayAgo);
  {
    using made = newBackupFolder(root);
    await writeFile(join(made.path, 'router.db'), '');
    expect(listBackups(root)).toEqual([]);
    made.finish();
  }
  using _unfinished = newBackupFolder(root);
  expect(listBackups(root)).toHaveLength(1);
  expect(existsSync(join(root, '.new-old'))).toBe(false);
  for (const name of ['.new-now', 'notes']) expect(existsSync(join(root, name))).toBe(true);
});
