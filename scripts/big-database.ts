/**
 * `bun run big-database <data root>`: a database as a large installation has it after a year, for measuring. Everybody's
 * password is `PASSWORD`, and the secret of a key is `secretOf(user, key)`; nothing of it is for use.
 */
import { Database as Sqlite } from 'bun:sqlite';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { searchStore } from '../router/chat/search/store';
import { type Db, openDatabase } from '../router/database/database';
import { insertCalls } from './big-database/calls';
import { insertConversations } from './big-database/conversations';
import { insertPeople } from './big-database/people';
import { insertRecords } from './big-database/records';
import { insertGoneRunners } from './big-database/runners';
import { DAY_MS, DAYS, type Sizes } from './big-database/sizes';

export const SIZES: Sizes = {
  users: 1_000,
  idleUsers: 9_000,
  conversations: 100_000,
  messages: 2_000_000,
  usage: 5_000_000,
  runners: 0,
  backends: ['demo', 'openclaw'],
};

/**
 * Makes `<dataRoot>/router.db`. Throws when there is one.
 * @param say one line of progress.
 */
export async function makeBigDatabase(dataRoot: string, sizes: Sizes, say: (text: string) => void = () => {}) {
  const path = join(dataRoot, 'router.db');
  if (existsSync(path)) throw new Error(`There is a database already, ${path}. Name a data root without one.`);
  // Takes its name when it is whole.
  const halfPath = `${path}.half`;
  for (const end of ['', '-wal', '-shm']) rmSync(halfPath + end, { force: true });
  const database = openDatabase(halfPath);
  using sqlite = new Sqlite(halfPath);
  // A crash leaves half a database, which is made anew.
  sqlite.run('PRAGMA synchronous = OFF');
  const nowMs = Date.now();
  const startMs = nowMs - DAYS * DAY_MS;

  say(`${sizes.users} users`);
  const people = await insertPeople(sqlite, sizes, startMs);
  insertGoneRunners(sqlite, sizes.runners);
  say(`${sizes.conversations} conversations, ${sizes.messages} messages`);
  const rooms = insertConversations(sqlite, people, sizes, startMs);
  say(`${sizes.usage} calls`);
  insertCalls(sqlite, { people, rooms }, sizes, startMs);
  say('files, schedules, events of the audit');
  insertRecords(sqlite, people, startMs);
  say('the search index');
  await indexAll(database.db);
  sqlite.run('PRAGMA wal_checkpoint(TRUNCATE)');
  sqlite.close();
  database.close();
  for (const suffix of ['-shm', '-wal']) rmSync(halfPath + suffix, { force: true });
  renameSync(halfPath, path);
  return path;
}

/** As a router does in its rests, which takes it much longer. */
async function indexAll(db: Db): Promise<void> {
  db.$client.run('PRAGMA synchronous = OFF');
  const search = searchStore(db);
  for (let place = await search.indexSome(); place; ) place = await search.indexSome(place);
}

if (import.meta.main) {
  const number = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{
        users: number,
        'idle-users': number,
        conversations: number,
        messages: number,
        usage: number,
        runners: number,
      },
      backend: { type: 'string', multiple: true },
      help: { type: 'boolean' },
    },
  });
  const [dataRoot, ...others] = positionals;
  const { backend, 'idle-users': idleUsers, help, ...counts } = values;
  const given = Object.entries({ ...counts, ...(idleUsers !== undefined && { idleUsers }) }).map(
    ([name, text]) => [name, Number(text)] as const,
  );
  const isWhole = given.every(([, count]) => Number.isInteger(count) && count >= 0);
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  if (dataRoot === undefined || others.length > 0 || !isWhole) {
    say(
      'bun run big-database <data root> [--users 1000] [--idle-users 9000] [--conversations 100000] [--messages 2000000]',
    );
    say('  [--usage 5000000] [--runners 0] [--backend demo]...      of the bench, the backend is "bench"');
    process.exit(help ? 0 : 1);
  }
  try {
    const sizes = { ...SIZES, ...Object.fromEntries(given), ...(backend && { backends: backend }) };
    say(`It is in ${await makeBigDatabase(dataRoot, sizes, say)}.`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}
