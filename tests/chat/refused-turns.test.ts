/** An answer in one piece whose turn the database has refused at first. */
import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('refused-turns');
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

test('it is read when it is whole', async () => {
  const [id, other] = [await begin(), await begin()];
  const locking = new Database(join(router.dataRoot, 'router.db'));
  locking.run('BEGIN IMMEDIATE');
  const whole = await completion('The whole answer.').text();
  const body = pipe();
  body.write(whole.slice(0, 40));
  runner.reply = () => body.response({ headers: { 'content-type': 'application/json' } });
  const response = await ask('In pieces', { id });
  locking.run('COMMIT');
  locking.close();
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
