/**
 * A data root as the first agent-stack leaves it: `router.db` in its schema, and homes in `users/`. Made by a script, so
 * that every awkward row is there on purpose. The clock of the first agent-stack counts seconds.
 */
import { Database as Sqlite } from 'bun:sqlite';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SCHEMA = `
CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, slug TEXT NOT NULL UNIQUE,
  pw_hash TEXT NOT NULL, role TEXT NOT NULL DEFAULT 'user', created_at INTEGER NOT NULL);
CREATE TABLE user_backend_prefs (user_id TEXT, backend TEXT, idle_seconds INTEGER, PRIMARY KEY (user_id, backend));
CREATE TABLE user_env_overrides (user_id TEXT, backend_name TEXT NOT NULL DEFAULT '', env_var TEXT, value TEXT,
  updated_at INTEGER, PRIMARY KEY (user_id, backend_name, env_var));
CREATE TABLE admin_shared_env (env_var TEXT PRIMARY KEY, shared INTEGER, updated_at INTEGER);
CREATE TABLE runners (agent_id TEXT PRIMARY KEY, user_id TEXT, backend TEXT, container_name TEXT, host_port INTEGER,
  api_key TEXT, started_at INTEGER, last_active INTEGER);
CREATE TABLE agents (id TEXT PRIMARY KEY, user_id TEXT, backend TEXT, name TEXT, model TEXT NOT NULL DEFAULT '',
  ordinal INTEGER, created_at INTEGER, updated_at INTEGER, UNIQUE (user_id, backend, ordinal));
CREATE TABLE conversations (id TEXT PRIMARY KEY, user_id TEXT, backend TEXT, model TEXT, title TEXT,
  created_at INTEGER, updated_at INTEGER, agent_id TEXT NOT NULL DEFAULT '');
CREATE TABLE messages (id TEXT PRIMARY KEY, conversation_id TEXT, role TEXT, content TEXT, created_at INTEGER);
CREATE TABLE rooms (id TEXT PRIMARY KEY, title TEXT, owner_user_id TEXT, created_at INTEGER, paused INTEGER,
  visibility TEXT);
CREATE TABLE room_members (room_id TEXT, kind TEXT, user_id TEXT, backend_name TEXT, mode TEXT, status TEXT, role TEXT,
  created_at INTEGER);
CREATE TABLE room_messages (id TEXT PRIMARY KEY, room_id TEXT, sender_kind TEXT, sender_user_id TEXT,
  sender_backend_name TEXT, content TEXT, created_at INTEGER);`;

/** The LLM key that the sample's administrator shares and that is in some files of the homes. */
export const OLD_KEY = 'sk-of-the-old-installation-0123456789';
export const OLD_PASSWORDS = {
  'admin@local': 'old-admin-password',
  'anna@example.org': 'ä'.repeat(50),
  'ben@example.org': 'sechs6',
} as const;

/** Ids of the sample. */
export const OLD = {
  admin: 'a'.repeat(32),
  anna: 'b'.repeat(32),
  annaAgain: 'c'.repeat(32),
  ben: 'd'.repeat(32),
  annasAgent: 'a1'.repeat(12),
  annasSecond: 'a2'.repeat(12),
  bensAgent: 'b1'.repeat(12),
  long: 'c1'.repeat(12),
  roles: 'c2'.repeat(12),
  empty: 'c3'.repeat(12),
  withoutAgent: 'c4'.repeat(12),
  orphan: 'c5'.repeat(12),
} as const;

/** bcrypt at its lowest cost, of the bytes that the library of the first agent-stack hashed: the first 72. */
const hashOf = (password: string) =>
  Bun.password.hash(Buffer.from(password).subarray(0, 72), { algorithm: 'bcrypt', cost: 4 });

/** Makes the data root in `root`. Agents are of the backend `backend`; Ben's is of `retired`, which is no longer there. */
export async function makePredecessor(root: string, backend: string): Promise<void> {
  mkdirSync(root, { recursive: true });
  const db = new Sqlite(join(root, 'router.db'), { create: true });
  db.run('PRAGMA journal_mode = WAL');
  db.run(SCHEMA);
  const insert = (table: string, ...rows: (string | number | null)[][]) => {
    for (const row of rows) db.query(`INSERT INTO ${table} VALUES (${row.map(() => '?')})`).run(...row);
  };
  const hashes = await Promise.all(Object.values(OLD_PASSWORDS).map(hashOf));
  insert(
    'users',
    [OLD.admin, 'admin@local', null, 'admin', hashes[0] ?? '', 'admin', 1_700_000_000],
    [OLD.anna, 'Anna@example.org', 'Anna', 'anna', hashes[1] ?? '', 'user', 1_700_000_100],
    [OLD.annaAgain, 'anna@EXAMPLE.org', 'Anna again', 'anna-2', hashes[1] ?? '', 'user', 1_700_000_200],
    [OLD.ben, 'ben@example.org', 'Ben', 'ben', hashes[2] ?? '', 'user', 1_700_000_300],
  );
  insert(
    'agents',
    [OLD.annasAgent, OLD.anna, backend, 'Helper', '', 1, 1_700_001_000, 1_700_001_000],
    [OLD.annasSecond, OLD.anna, backend, 'Researcher', 'a-model', 2, 1_700_001_001, 1_700_001_001],
    [OLD.bensAgent, OLD.ben, 'retired', 'Old one', '', 1, 1_700_001_002, 1_700_001_002],
  );
  insertConversations(insert, backend);
  insert('user_backend_prefs', [OLD.anna, backend, -1], [OLD.ben, backend, 900]);
  insert(
    'user_env_overrides',
    [OLD.admin, '', 'LLM_BASE_URL', 'https://llm.example.org/v1', 1_700_002_000],
    [OLD.admin, '', 'LLM_API_KEY', OLD_KEY, 1_700_002_000],
    [OLD.anna, backend, 'LLM_MODEL', 'anna-model', 1_700_002_001],
    [OLD.anna, 'retired', 'LLM_MODEL', 'unknown', 1_700_002_002],
    [OLD.ben, '', 'LLM_BASE_URL', 'not a URL', 1_700_002_003],
    [OLD.ben, '', 'LLM_MODEL', '', 1_700_002_004],
  );
  insert(
    'admin_shared_env',
    ['LLM_BASE_URL', 1, 1_700_002_000],
    ['LLM_API_KEY', 1, 1_700_002_000],
    ['LLM_MODEL', 0, 1_700_002_000],
  );
  insert('runners', ['gone', OLD.anna, backend, 'agstack-gone', 19_000, 'secret', 1_700_002_100, 1_700_002_100]);
  insert('rooms', ['r1', 'Team room', OLD.anna, 1_700_003_000, 0, 'private']);
  insert('room_members', ['r1', 'user', OLD.anna, '', 'active', 'approved', 'owner', 1_700_003_000]);
  insert('room_messages', ['r1m1', 'r1', 'user', OLD.anna, '', 'Hello, room', 1_700_003_001]);
  db.close();
  makeHomes(join(root, 'users'), backend);
}

function insertConversations(
  insert: (table: string, ...rows: (string | number | null)[][]) => void,
  backend: string,
): void {
  const at = 1_700_010_000;
  insert(
    'conversations',
    [OLD.long, OLD.anna, backend, backend, 'Eight in a second', at, at + 9, OLD.annasAgent],
    [OLD.roles, OLD.anna, backend, 'a-model', '', at + 1, at + 8, OLD.annasSecond],
    [OLD.empty, OLD.anna, backend, backend, null, at + 2, at + 2, OLD.annasAgent],
    [OLD.withoutAgent, OLD.ben, backend, backend, 'From before agents', at + 3, at + 3, ''],
    [OLD.orphan, OLD.ben, backend, backend, 'Its agent is gone', at + 4, at + 4, 'd'.repeat(24)],
  );
  // Ids in another order than the rows, all of one second.
  const ids = ['m5', 'm7', 'm3', 'm1', 'm8', 'm2', 'm6', 'm4'];
  for (const [index, id] of ids.entries()) {
    insert('messages', [id, OLD.long, index % 2 ? 'assistant' : 'user', `line ${index + 1}`, at]);
  }
  insert(
    'messages',
    ['n1', OLD.roles, 'user', 'Say everything', at + 5],
    ['n2', OLD.roles, 'system', 'A background job has ended', at + 5],
    ['n3', OLD.roles, 'error', 'Request failed: 503', at + 6],
    ['n4', OLD.roles, 'assistant', `long ${'answer '.repeat(60_000)}end`, at + 8],
    ['n5', OLD.withoutAgent, 'user', 'Hello from long ago', at + 3],
  );
}

function makeHomes(users: string, backend: string): void {
  const files = {
    [`anna/${backend}/notes.md`]: 'Anna likes tea.',
    [`anna/${backend}/AGENTS.md`]: 'How to call back',
    [`anna/${backend}/workspace/AGENTS.md`]: 'Be brief.',
    [`anna/${backend}/skills/agent-stack-callback/SKILL.md`]: 'curl …',
    [`anna/${backend}/skills/tea/SKILL.md`]: 'Make tea.',
    [`anna/${backend}/openclaw.json`]: '{}',
    [`anna/${backend}/openclaw.json.bak.2`]: '{}',
    [`anna/${backend}/logs/calls.log`]: `Authorization: Bearer ${OLD_KEY}\n`,
    [`anna/${backend}-a2/memory.txt`]: 'second',
    [`anna/${backend}-a3/memory.txt`]: 'of a deleted agent',
    [`ghost/${backend}/memory.txt`]: 'of a deleted user',
    'ben/retired/memory.txt': 'retired',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(users, path)), { recursive: true });
    writeFileSync(join(users, path), text);
  }
  symlinkSync('/etc/passwd', join(users, `anna/${backend}/passwd`));
}
