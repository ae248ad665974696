/** Migrations of a database from an earlier version. */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import journal from '../../router/database/migrations/meta/_journal.json';

const ROUTER = join(import.meta.dir, '../../router');
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-migrations-'));
afterAll(() => rm(folder, { recursive: true }));

/** What a process logs that opens the database: the event and the migrations of each line. */
async function opened(path: string) {
  const code = `(await import('${ROUTER}/lib/log')).setLogLevel('info');
    (await import('${ROUTER}/database/database')).openDatabase(${JSON.stringify(path)})`;
  const child = Bun.spawn([process.execPath, '--no-env-file', '-e', code], { stdout: 'pipe', stderr: 'inherit' });
  const lines = (await new Response(child.stdout).text()).split('\n').filter((line) => line !== '');
  expect(await child.exited).toBe(0);
  return lines.map((line) => JSON.parse(line) as { event: string; migrations?: string[]; upToSeconds?: number });
}

test('the log says which migrations an existing database gets, and when they have ended; nothing of a new one', async () => {
  const path = join(folder, 'router.db');
  const [first, ...others] = journal.entries;
  if (!first) throw new Error('No migrations');
  {
    using sqlite = new Sqlite(path);
    const statements = await readFile(join(ROUTER, `database/migrations/${first.tag}.sql`), 'utf8');
    for (const statement of statements.split('--> statement-breakpoint')) sqlite.run(statement);
    sqlite.run('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)');
    sqlite.run('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)', ['first', first.when]);
  }
  const [begun, copied, ended, ...more] = await opened(path);
  expect(begun?.event).toBe('database.migrating');
  expect(begun?.migrations).toEqual(others.map(({ tag }) => tag));
  expect(begun?.upToSeconds).toBe(1);
  expect(copied?.event).toBe('database.copied');
  expect(ended?.event).toBe('database.migrated');
  expect(more).toEqual([]);
  expect(await opened(path)).toEqual([]);
  expect(await opened(join(folder, 'new.db'))).toEqual([]);
});
