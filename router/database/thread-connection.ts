/** The connection of a thread to the database that the router has open. */
import { Database as Sqlite } from 'bun:sqlite';
import { LOCK_WAIT_MS } from './transaction';

/** To be closed by the caller at the end of each job: an open connection is ended with its thread, whatever it does just then. */
export function openInThread(path: string): Sqlite {
  const sqlite = new Sqlite(path, { readwrite: true, strict: true });
  // As the router's own connection: the log is on the disk before it is copied, and the file before the log is used again.
  sqlite.run('PRAGMA synchronous = NORMAL');
  sqlite.run('PRAGMA foreign_keys = ON');
  sqlite.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
  // One is made when the router asks for it (checkpoints.ts).
  sqlite.run('PRAGMA wal_autocheckpoint = 0');
  return sqlite;
}
