/** Checks a database file before the router writes into it, so that a file that is not ours stays as it is. */
import { Database as Sqlite } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import pkg from '../../package.json';
import { storageFault } from '../lib/storage-faults';
import journal from './migrations/meta/_journal.json';

/** Thrown when the database cannot be used. The message says what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** Turns an error of SQLite into a `DatabaseError`; returns every other error unchanged. */
export function databaseError(path: string, error: unknown): unknown {
  const fault = error instanceof DatabaseError ? undefined : storageFault(error);
  if (!fault) return error;
  return new DatabaseError(`The database ${path} cannot be used: ${fault.what}. ${fault.remedy}`, { cause: error });
}

/** Throws a `DatabaseError` for a file of another program or of a newer version. Writes nothing into it. */
export function checkDatabase(path: string): void {
  if (path === ':memory:' || !existsSync(path)) return;
  using sqlite = new Sqlite(path, { readonly: true });
  if (isEmpty(sqlite)) return;
  const { first, last } = appliedMigrations(sqlite);
  if (first !== journal.entries[0]?.when) {
    throw new DatabaseError(
      `${path} is the database of another program; nothing in it was changed. Set STACK_DATA_ROOT to another folder. ` +
        'If it is of the first agent-stack, `bun run import` takes its data over (docs/migrate.md).',
    );
  }
  if (last > (journal.entries.at(-1)?.when ?? 0)) {
    throw new DatabaseError(
      `${path} was last used by a newer version than ${pkg.version}; nothing in it was changed. ` +
        'Start that version or a later one, or restore a backup from before the update (bun run restore).',
    );
  }
}

/** Name of the newest migration of this version. */
export const newestMigration = journal.entries.at(-1)?.tag ?? '';

/** Names of the migrations that an existing database does not have yet; none for a new one. */
export function missingMigrations(sqlite: Sqlite): readonly string[] {
  if (isEmpty(sqlite)) return [];
  const { last } = appliedMigrations(sqlite);
  return journal.entries.filter(({ when }) => when > last).map(({ tag }) => tag);
}

/** Whether the database has no tables yet. */
export function isEmpty(sqlite: Sqlite): boolean {
  return sqlite.query('SELECT 1 FROM sqlite_schema LIMIT 1').get() === null;
}

/** When the first and the last applied migration were generated, in milliseconds since the epoch. */
function appliedMigrations(sqlite: Sqlite): { readonly first: number; readonly last: number } {
  const table = sqlite.query("SELECT 1 FROM sqlite_schema WHERE name = '__drizzle_migrations'").get();
  if (!table) return { first: 0, last: 0 };
  const found = sqlite
    .query('SELECT min(created_at) AS first, max(created_at) AS last FROM __drizzle_migrations')
    .get();
  const { first, last } = found as { first: number | null; last: number | null };
  return { first: first ?? 0, last: last ?? 0 };
}
