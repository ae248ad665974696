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

/** @param path a file, created with its folder, or `:memory:`. Applies the migrations that are missing. */
export function openDatabase(path: string): Database {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const sqlite = new Sqlite(path, { create: true, strict: true });
  // Messages are in it; SQLite gives its -wal and -shm files the same mode.
  if (path !== ':memory:') chmodSync(path, 0o600);
  sqlite.run('PRAGMA journal_mode = WAL');
  // With WAL a crash of the process loses nothing; a power cut may lose the last transactions, never the file.
  sqlite.run('PRAGMA synchronous = NORMAL');
  sqlite.run('PRAGMA foreign_keys = ON');
  sqlite.run('PRAGMA busy_timeout = 5000');
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
