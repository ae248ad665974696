/** While the database refuses every write, as on a full disk: what becomes of an answer, and what people can do. */
import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

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

test('an answer in one piece whose turn was refused at first is read when it is whole', async () => {
  const [id, other] = [await begin(), await begin()];
  const refusing = refuse();
  const whole = await completion('The whole answer.').text();
  const body = pipe();
  body.write(whole.slice(0, 40));
  runner.reply = () => body.response({ headers: { 'content-type': 'application/json' } });
  const response = await ask('In pieces', { id });
  refusing[Symbol.dispose]();
  await until(async () => (await stored(id)).length === 4, 'the turn is stored');
  const saved = pipe();
  runner.reply = () => saved.response();
  saved.write(chunk('Saved by the same clock'));
  const stream = await ask('In a stream', { id: other, stream: true });
  await until(async () => (await stored(other)).at(-1)?.[0] !== '', 'what has come until then is saved');
  body.write(whole.slice(40));
  body.close();
  saved.write(DONE);
  saved.close();
  expect((await Promise.all([response.text(), stream.text()]))[0]).toBe(whole);
  await until(async () => (await stored(id)).at(-1)?.[1] === 'done', 'its end is saved');
  expect((await stored(id)).at(-1)).toEqual(['The whole answer.', 'done']);
});

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
