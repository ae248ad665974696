/**
 * `bun run big-database <data root>`: a database as a large installation has it after a year, for measuring. Everybody's
 * password is `PASSWORD`, and the secret of a key is `secretOf(user, key)`; nothing of it is for use.
 */
import { Database as Sqlite } from 'bun:sqlite';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getTableColumns, getTableName } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import { openDatabase } from '../router/database/database';
import { keys, users } from '../router/database/schema/accounts';
import { agents } from '../router/database/schema/agents';
import { conversations, messages } from '../router/database/schema/chat';
import { runners } from '../router/database/schema/runners';
import { budgets, prices, usage } from '../router/database/schema/usage';
import { newId, sha256 } from '../router/lib/ids';

export const PASSWORD = 'a-password-of-the-big-database';
/** Users by number, from 0 on; the first has a tenth of everything, and a conversation with a hundredth of their messages. */
export const emailOf = (user: number) => `user-${user}@example.org`;
/** Each user has three keys, from 0 on; the first may manage, too. */
export const secretOf = (user: number, key: number) => `sk-as-big-database-${user}-${key}`;

export interface Sizes {
  readonly users: number;
  /** Users beyond those, who have an account and nothing else. */
  readonly idleUsers: number;
  readonly conversations: number;
  readonly messages: number;
  /** Calls to upstreams, over a year that ends now. */
  readonly usage: number;
  /** Rows of runners whose processes are gone. */
  readonly runners: number;
  /** Each user has an agent of each. */
  readonly backends: readonly string[];
}

export const SIZES: Sizes = {
  users: 1_000,
  idleUsers: 9_000,
  conversations: 100_000,
  messages: 2_000_000,
  usage: 5_000_000,
  runners: 0,
  backends: ['demo', 'openclaw'],
};

const MIGRATIONS = join(import.meta.dir, '../router/database/migrations');
const SUMS_MIGRATIONS = ['0008_usage_sums.sql', '0021_usage_without_key.sql'];
const DAY_MS = 86_400_000;
const DAYS = 366;
const KEYS_PER_USER = 3;
const HEAVY_SHARE = 0.1;
const MODELS = [
  'gpt-5.5',
  'gpt-5.5-mini',
  'claude-opus-5',
  'claude-sonnet-5',
  'qwen/qwen4',
  'kimi-k3',
  'glm-6',
  'local',
];
const WORDS =
  'the answer is that a router keeps every conversation in one table and reads few rows of it for a page'.split(' ');

/** A number from 0 until before `limit`. */
const below = (limit: number) => Math.floor(Math.random() * limit);
/** The first of `count` with the share of the heavy user, else any of the others. */
const someone = (count: number) => (count === 1 || Math.random() < HEAVY_SHARE ? 0 : 1 + below(count - 1));

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
  insertUsage(sqlite, people, rooms, sizes, startMs);
  sqlite.run('PRAGMA wal_checkpoint(TRUNCATE)');
  sqlite.close();
  database.close();
  renameSync(halfPath, path);
  return path;
}

interface Person {
  readonly id: string;
  /** In the order of the backends. */
  readonly agentIds: readonly string[];
  readonly keyIds: readonly string[];
}

async function insertPeople(sqlite: Sqlite, sizes: Sizes, startMs: number): Promise<readonly Person[]> {
  const passwordHash = await Bun.password.hash(PASSWORD, { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 });
  const insert = { users: inserter(sqlite, users), agents: inserter(sqlite, agents), keys: inserter(sqlite, keys) };
  const insertBudget = inserter(sqlite, budgets);
  const insertPrice = inserter(sqlite, prices);
  const people: Person[] = [];
  atOnce(sqlite, () => {
    for (const model of MODELS.slice(1))
      insertPrice({ model, prompt: 2.5, completion: 10, cached: 0.25, perCall: null });
    for (let number = 0; number < sizes.users; number += 1) {
      const userId = newId();
      const row = { id: userId, email: emailOf(number), name: `User ${number}`, slug: `user-${number}` } as const;
      insert.users({ ...row, role: 'user', passwordHash, createdAtMs: startMs });
      const agentIds = sizes.backends.map((backend) => {
        const id = newId();
        insert.agents({ id, userId, backend, name: `${backend} of user ${number}`, ordinal: 1, createdAtMs: startMs });
        return id;
      });
      const keyIds = Array.from({ length: KEYS_PER_USER }, (_, key) => {
        const id = newId();
        const secret = secretOf(number, key);
        insert.keys({
          ...{ id, userId, name: `Key ${key}`, hash: sha256(secret), lastFour: secret.slice(-4), createdAtMs: startMs },
          ...{ lastUsedAtMs: null, expiresAtMs: null, scopes: key === 0 ? ['v1', 'manage'] : ['v1'] },
          ...{ backends: [], agents: [], requestsPerMinute: null, tokensPerMinute: null, concurrentMax: null },
          eventsWhileWaiting: false,
        });
        return id;
      });
      // One in ten has a budget, for the user and for a key.
      const limits = { unit: 'tokens', period: 'month', softLimit: null, hardLimit: 1e12 } as const;
      if (number % 10 === 0) {
        insertBudget({ ...limits, subjectId: userId, userId, keyId: null });
        insertBudget({ ...limits, subjectId: keyIds[0] ?? '', userId, keyId: keyIds[0] ?? '' });
      }
      people.push({ id: userId, agentIds, keyIds });
    }
    for (let number = sizes.users; number < sizes.users + sizes.idleUsers; number += 1) {
      const row = { id: newId(), email: emailOf(number), name: `User ${number}`, slug: `user-${number}` } as const;
      insert.users({ ...row, role: 'user', passwordHash, createdAtMs: startMs });
    }
  });
  return people;
}

/** Writes rows of runners of the process driver whose processes are gone, for that many agents without one. */
export function insertGoneRunners(sqlite: Sqlite, count: number): void {
  const insert = inserter(sqlite, runners);
  const free = sqlite.query<{ id: string; backend: string }, [number]>(
    'SELECT id, backend FROM agents WHERE id NOT IN (SELECT agent_id FROM runners) LIMIT ?',
  );
  const startedAtMs = Date.now();
  atOnce(sqlite, () => {
    for (const { id: agentId, backend } of free.all(count)) {
      const id = newId();
      insert({
        ...{ id, agentId, backend, driver: 'process', state: 'running', handle: { runnerId: id, pid: 4_194_304 } },
        // Nobody opens the sealed key of a runner that is gone.
        ...{ url: 'http://127.0.0.1:9', accessKeySealed: 'sealed', runnerKeyHash: sha256(id), specHash: sha256(id) },
        ...{ startedAtMs, lastActiveAtMs: startedAtMs },
      });
    }
  });
}

/** Ids of each user's conversations. */
function insertConversations(sqlite: Sqlite, people: readonly Person[], sizes: Sizes, startMs: number) {
  const insertConversation = inserter(sqlite, conversations);
  const insertMessage = inserter(sqlite, messages);
  const rooms = people.map((): string[] => []);
  const perRoom = sizes.messages / sizes.conversations;
  const long = Math.floor((sizes.messages * HEAVY_SHARE) / 100);
  const stepMs = (DAYS * DAY_MS) / sizes.conversations;
  for (let from = 0; from < sizes.conversations; from += 1_000) {
    atOnce(sqlite, () => {
      for (let room = from; room < Math.min(from + 1_000, sizes.conversations); room += 1) {
        const number = room === 0 ? 0 : someone(people.length);
        const person = people[number];
        if (!person) continue;
        const id = newId();
        rooms[number]?.push(id);
        // Turns of two messages; the first conversation is the long one.
        const count = 2 * Math.ceil((room === 0 ? long : perRoom * (0.5 + Math.random())) / 2);
        const atMs = Math.floor(startMs + room * stepMs);
        insertConversation({
          ...{ id, userId: person.id, agentId: person.agentIds[room % person.agentIds.length] ?? '' },
          ...{ title: `Conversation ${room} about ${sentence(4)}`, createdAtMs: atMs, updatedAtMs: atMs + count },
          ...{ lastPosition: count, sessionFrom: 0, expiresAtMs: null },
        });
        for (let position = 1; position <= count; position += 1) {
          const isUser = position % 2 === 1;
          insertMessage({
            ...{ id: newId(), conversationId: id, position, role: isUser ? 'user' : 'assistant', status: 'done' },
            ...{ content: sentence(isUser ? 12 : 60), failure: null, calls: null, results: null },
            ...{ createdAtMs: atMs + position, endedAtMs: isUser ? null : atMs + position },
          });
        }
      }
    });
  }
  return rooms;
}

/** The sums are made as the migration makes them: a sum for each day of each series, one by one, takes half an hour. */
function insertUsage(
  sqlite: Sqlite,
  people: readonly Person[],
  rooms: readonly (readonly string[])[],
  sizes: Sizes,
  startMs: number,
): void {
  const insert = inserter(sqlite, usage);
  const perDay = Math.ceil(sizes.usage / DAYS);
  let left = sizes.usage;
  for (let day = 0; day < DAYS; day += 1) {
    const calls = Math.min(perDay, left);
    left -= calls;
    atOnce(sqlite, () => {
      for (let call = 0; call < calls; call += 1) {
        const number = someone(people.length);
        const person = people[number];
        if (!person) continue;
        const agent = below(person.agentIds.length);
        const own = rooms[number] ?? [];
        const isUncertain = call % 100 === 0;
        const model = MODELS[(number + below(2)) % MODELS.length] ?? '';
        const [promptTokens, completionTokens] = [below(8_000), below(1_000)];
        insert({
          ...{
            atMs: Math.floor(startMs + (day + call / perDay) * DAY_MS),
            userId: person.id,
            backend: sizes.backends[agent] ?? '',
          },
          ...{ agentId: person.agentIds[agent] ?? '', conversationId: own[below(own.length)] ?? null },
          ...{ keyId: isUncertain ? null : (person.keyIds[below(4)] ?? null), path: 'chat/completions', model },
          ...{ keyIds: isUncertain ? person.keyIds.slice(0, 2) : null, source: 'global' },
          ...{
            promptTokens,
            completionTokens,
            cachedTokens: below(promptTokens + 1),
            reasoningTokens: 0,
            estimated: false,
          },
          ...{ cost: model === MODELS[0] ? null : (promptTokens * 2.5 + completionTokens * 10) / 1e6, status: 200 },
          ...{ ending: 'done', firstByteMs: below(900), totalMs: 900 + below(9_000) },
        });
      }
    });
  }
  const statements = SUMS_MIGRATIONS.flatMap((name) =>
    readFileSync(join(MIGRATIONS, name), 'utf8').split('--> statement-breakpoint'),
  );
  const backfill = statements.slice(statements.findIndex((one) => one.includes('TEMP TABLE')));
  atOnce(sqlite, () => backfill.forEach((one) => void sqlite.run(one)));
}

/** Runs `work` in one transaction. */
const atOnce = (sqlite: Sqlite, work: () => void) => sqlite.transaction(work)();

/** A prepared statement that inserts a row of the table; a column that is not given has its default, or is null. */
function inserter<Table extends SQLiteTable>(sqlite: Sqlite, table: Table) {
  const columns = Object.entries(getTableColumns(table));
  const names = columns.map(([, column]) => `"${column.name}"`);
  const statement = sqlite.query(
    `INSERT INTO "${getTableName(table)}" (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  );
  return (row: Table['$inferInsert']): void => {
    const values = columns.map(([name, column]) => {
      const value = (row as Record<string, unknown>)[name] ?? column.default ?? null;
      return value === null ? null : (column.mapToDriverValue(value) as string | number);
    });
    statement.run(...values);
  };
}

function sentence(words: number): string {
  const from = below(WORDS.length);
  return Array.from({ length: words }, (_, index) => WORDS[(from + index) % WORDS.length]).join(' ');
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
    },
  });
  const [dataRoot, ...others] = positionals;
  const { backend, 'idle-users': idleUsers, ...counts } = values;
  const given = Object.entries({ ...counts, ...(idleUsers !== undefined && { idleUsers }) }).map(
    ([name, text]) => [name, Number(text)] as const,
  );
  const isWhole = given.every(([, count]) => Number.isInteger(count) && count >= 0);
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  if (dataRoot === undefined || others.length > 0 || !isWhole) {
    say(
      'bun run big-database <data root> [--users 1000] [--idle-users 9000] [--conversations 100000] [--messages 2000000]',
    );
    say('  [--usage 5000000] [--runners 0] [--backend demo]...');
    process.exit(1);
  }
  try {
    const sizes = { ...SIZES, ...Object.fromEntries(given), ...(backend && { backends: backend }) };
    say(`It is in ${await makeBigDatabase(dataRoot, sizes, say)}.`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}
