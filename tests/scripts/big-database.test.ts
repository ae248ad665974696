import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBigDatabase } from '../../scripts/big-database';

test('the database for measurements fits the schema of today, whatever columns that has', async () => {
  const dataRoot = await mkdtemp(join(tmpdir(), 'agent-stack-big-'));
  try {
    const sizes = { users: 20, idleUsers: 5, conversations: 30, messages: 300, usage: 500, runners: 2 };
    const path = await makeBigDatabase(dataRoot, { ...sizes, backends: ['demo'] });
    using database = new Database(path, { readonly: true });
    const count = (table: string) => database.query<{ n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n;
    expect([count('users'), count('conversations'), count('usage'), count('runners')]).toEqual([25, 30, 500, 2]);
  } finally {
    await rm(dataRoot, { recursive: true, force: true });
  }
});
