/** The database file: opening, migrations, transactions. */
import { Database as Sqlite } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite';
import { migrate } from 'drizzle-orm/bun-sqlite/migrator';
import * as schema from './schema';

export type Db = BunSQLiteDatabase<typeof schema>;

export interface Database {
  readonly db: Db;
  /** Throws when the database does not answer. */
  ping(): void;
  close(): void;
}

/**
 * Runs `work` in a transaction. The callback is synchronous by type: bun:sqlite commits an async one before it ends,
 * whatever it throws later (reference/stack.md 4).
 */
export function transaction<T>(db: Db, work: (tx: Db) => T extends PromiseLike<unknown> ? never : T): T {
  // Drizzle's transaction object has every method of the database; only its type is another.
  return db.transaction((tx) => work(tx as unknown as Db) as T, { behavior: 'immediate' });
}

/** 16 MB, in pages of 4 KiB. */
const WAL_PAGES = 4_000;

/** Another router uses the database. */
export class InUseError extends Error {
  override readonly name = 'InUseError';
}

/** So long a router waits for the one it replaces. */
const TAKEOVER_MS = 5_000;

/**
 * Keeps a second router away from the same data: it would end the first one's answers and run its runners. The lock is
 * the operating system's, so that a crash lets go of it. Throws `InUseError`.
 */
export function lockDatabase(path: string): Disposable {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = new Sqlite(`${path}.lock`, { create: true });
  try {
    lock.run(`PRAGMA busy_timeout = ${TAKEOVER_MS}`);
    lock.run('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock.close();
    const message = `Another router uses ${path}. Stop it first, or give this one a STACK_DATA_ROOT of its own.`;
    throw new InUseError(message, { cause });
  }
  return { [Symbol.dispose]: () => lock.close() };
}

/** @param path a file, created with its folder, or `:memory:`. Applies the migrations that are missing. */
export function openDatabase(path: string): Database {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const sqlite = new Sqlite(path, { create: true, strict: true });
  // Messages are in it; SQLite gives its -wal and -shm files the same mode.
  if (path !== ':memory:') chmodSync(path, 0o600);
  sqlite.run('PRAGMA journal_mode = WAL');
  // With WAL a crash of the process loses nothing; a power cut may lose the last transactions, never the file.
  sqlite.run('PRAGMA synchronous = NORMAL');
  // To bring the log home costs as much as a hundred answers. SQLite's own limit of 4 MB is reached every second under load.
  sqlite.run(`PRAGMA wal_autocheckpoint = ${WAL_PAGES}`);
  sqlite.run('PRAGMA foreign_keys = ON');
  // Another program's lock, such as a backup's: every statement waits on the one thread there is, so not for long.
  sqlite.run('PRAGMA busy_timeout = 500');
  const db = drizzle(sqlite, { schema });
  migrate(db, { migrationsFolder: join(import.meta.dir, 'migrations') });
  return {
    db,
    ping: () => void sqlite.query('SELECT 1').get(),
    close: () => sqlite.close(),
  };
}

/** Whether `thrown` says that a unique constraint was violated. */
export function isUniqueViolation(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ('code' in error && String(error.code).startsWith('SQLITE_CONSTRAINT')) return true;
  }
  return false;
}
