/** A database that a former version has left. */
import { Database as Sqlite } from 'bun:sqlite';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import journal from '../../router/database/migrations/meta/_journal.json';

const MIGRATIONS = join(import.meta.dir, '../../router/database/migrations');

/** A database at the first migration, with a row. */
export async function oldDatabase(path: string): Promise<void> {
  const [first] = journal.entries;
  if (!first) throw new Error('No migrations');
  using sqlite = new Sqlite(path);
  const statements = await readFile(join(MIGRATIONS, `${first.tag}.sql`), 'utf8');
  for (const statement of statements.split('--> statement-breakpoint')) sqlite.run(statement);
  sqlite.run('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)');
  sqlite.run('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)', ['first', first.when]);
  sqlite.run("INSERT INTO installation (name, value) VALUES ('mark', 'before')");
}
