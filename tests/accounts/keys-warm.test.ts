/** A warm request uses values in memory, which are discarded when they change. */
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

let router: TestRouter;
let alice: Person;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo'), memoryBackend('other')] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const ask = (key: string, model = 'echo') =>
  router.request('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: { model, messages: [{ role: 'user', content: 'Hello' }] },
  });

/** Runs `work` while the database lacks every table that a request could read. */
async function withoutTables<T>(work: () => Promise<T>): Promise<T> {
  using database = new Database(join(router.dataRoot, 'router.db'));
  const tables = ['keys', 'users', 'agents', 'sessions', 'runners', 'credentials', 'conversations', 'messages'];
  database.run('PRAGMA legacy_alter_table = ON');
  const rename = (from: string, to: string) => {
    for (const table of tables) database.run(`ALTER TABLE ${table}${from} RENAME TO ${table}${to}`);
  };
  rename('', '_away');
  try {
    return await work();
  } finally {
    rename('_away', '');
  }
}

test('law 1: a warm request with a key touches no table', async () => {
  const key = await alice.createKey();
  expect((await ask(key)).status).toBe(200);
  await withoutTables(async () => {
    expect((await ask(key)).status).toBe(200);
    // Proves that requests which do read these tables fail.
    expect((await ask('sk-as-unknown')).status).toBe(500);
  });
  expect((await ask('sk-as-unknown')).status).toBe(401);
  expect((await ask(key)).status).toBe(200);
});

test('law 20: a key that is known is refused from the request after it was revoked', async () => {
  const { keys } = router.context;
  const { key, secret } = await keys.create(alice.id, 'known');
  expect((await ask(secret)).status).toBe(200);
  // Looked up while the key is being revoked: the earlier result must not return to the cache.
  const [, found] = await Promise.all([keys.revoke(alice.id, key.id), keys.find(secret)]);
  expect([found?.key.id, (await ask(secret)).status]).toEqual([expect.anything(), 401]);
});

test('after a change of a user, their keys are looked up again', async () => {
  const { keys } = router.context;
  const { secret } = await keys.create(alice.id, 'renamed');
  expect((await keys.find(secret))?.user.name).toBe('Alice');
  using database = new Database(join(router.dataRoot, 'router.db'));
  database.run('UPDATE users SET name = ? WHERE id = ?', ['Alicia', alice.id]);
  await keys.forget(alice.id);
  expect((await keys.find(secret))?.user.name).toBe('Alicia');
});

test('everybody has one default agent of a backend, also when many ask at once', async () => {
  const keys = await Promise.all([alice.createKey(), (await router.person(PEOPLE.bob)).createKey()]);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(keys[index % 2] ?? '', 'other')));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(router.context.runners.running().filter(({ agent }) => agent.backend === 'other')).toHaveLength(2);
});
