/** Transactions. Threads use them too, which need no more of the database than this. */

import type { Database as Sqlite } from 'bun:sqlite';
import { codeOf } from '../lib/system-errors';

/**
 * Milliseconds that a statement waits for the lock of another connection: of a program such as `sqlite3`, or of a thread.
 * Short, because the wait blocks the event loop.
 */
export const LOCK_WAIT_MS = 500;

/**
 * Runs `work` in a transaction and returns its result. The type refuses an async callback: bun:sqlite commits when the
 * callback returns its promise, and an error that the promise rejects with later is not rolled back.
 */
export function transaction<Db extends { readonly $client: Sqlite }, T>(
  db: Db,
  work: (tx: Db) => T extends PromiseLike<unknown> ? never : T,
): T {
  db.$client.query('BEGIN IMMEDIATE').run();
  return toItsEnd(db, work);
}

/** The same, but where another connection has the lock it throws `SQLITE_BUSY` at once. */
export function transactionAtOnce<Db extends { readonly $client: Sqlite }, T>(
  db: Db,
  work: (tx: Db) => T extends PromiseLike<unknown> ? never : T,
): T {
  const { $client } = db;
  // SQLite sets it when the statement is prepared, so it cannot be prepared once.
  $client.run('PRAGMA busy_timeout = 0');
  try {
    $client.query('BEGIN IMMEDIATE').run();
  } finally {
    $client.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
  }
  return toItsEnd(db, work);
}

function toItsEnd<Db extends { readonly $client: Sqlite }, T>(
  db: Db,
  work: (tx: Db) => T extends PromiseLike<unknown> ? never : T,
): T {
  // Not Drizzle's: that makes an object of every table for each transaction, which costs more than most statements.
  const { $client } = db;
  try {
    const result = work(db);
    $client.query('COMMIT').run();
    return result;
  } catch (error) {
    // A full disk has already rolled it back.
    if ($client.inTransaction) $client.query('ROLLBACK').run();
    throw error;
  }
}

/** Whether `thrown`, or what caused it, has a code of SQLite that begins with this one. */
export function hasSqliteCode(thrown: unknown, code: string): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (codeOf(error).startsWith(code)) return true;
  }
  return false;
}
