/** What people can do while the database refuses every write, as on a full disk, and what becomes of an answer meanwhile. */
import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { chunk, completion, pipe, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('refusing-database');
const router = await startRouter({ backends: [memoryBackend('plain', {}, runner.program)] });
afterAll(() => router[Symbol.asyncDispose]());
const alice = await router.person(PEOPLE.alice);
const key = await alice.createKey();

function ask(content: string, { id, stream = false }: { id?: string; stream?: boolean } = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, ...(id !== undefined && { 'x-conversation-id': id }) };
  const body = { model: 'plain', messages: [{ role: 'user', content }], store: true, stream };
  return fetch(`${router.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
}
async function begin(): Promise<string> {
  runner.reply = () => completion('Begun.');
  const response = await ask('Begin');
  await response.text();
  return response.headers.get('x-conversation-id') ?? '';
}
const stored = async (id: string) =>
  (await router.context.stores.conversations.page(id, { limit: 9 })).map(({ content, status }) => [content, status]);

/** Has the database refuse until the returned lock is disposed of. */
function refuse(): Disposable {
  const other = new Database(join(router.dataRoot, 'router.db'));
  other.run('BEGIN IMMEDIATE');
  return {
    [Symbol.dispose]() {
      other.run('ROLLBACK');
      other.close();
    },
  };
}

test('who searches finds what is indexed', async () => {
  const id = await begin();
  await router.context.search.indexAll(new AbortController().signal);
  using _refusing = refuse();
  const page = await alice.request('/search?q=begun');
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`/conversations/${id}`)]);
});

test('who deletes a conversation is told that it cannot be, and its answer is stopped and not lost', async () => {
  const id = await begin();
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('Not stored'));
  {
    using _refusing = refuse();
    expect((await ask('In a stream', { id, stream: true })).status).toBe(200);
    const refused = await alice.request(`/api/conversations/${id}`, { method: 'DELETE' });
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'storage_failed' }]);
  }
  await until(async () => (await stored(id)).at(-1)?.[1] === 'stopped', 'the answer is stored');
  expect((await stored(id)).slice(2)).toEqual([
    ['In a stream', 'done'],
    ['Not stored', 'stopped'],
  ]);
});
