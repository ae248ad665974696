/** When a turn of `/v1` is stored: with its answer where that is short, and else before anybody can ask for it. */
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { RecordedTurn } from '../../router/chat/generations/turn';
import { callBack } from '../support/callbacks';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('recorded-turns');
let router: TestRouter;
let alice: Person;
let key = '';

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('plain', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
  runner.reply = () => completion('Ready.');
  await (await ask('Are you there?')).text();
});
afterAll(() => router[Symbol.asyncDispose]());

function ask(content: string, { id, stream = false }: { id?: string; stream?: boolean } = {}): Promise<Response> {
  const body = { model: 'plain', messages: [{ role: 'user', content }], store: true, stream };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...headers, ...(id !== undefined && { 'x-conversation-id': id }) },
    body: JSON.stringify(body),
  });
}
async function begin(content: string): Promise<string> {
  runner.reply = () => completion('Begun.');
  const response = await ask(content);
  await response.text();
  return response.headers.get('x-conversation-id') ?? '';
}
const stored = async (id: string) =>
  (await router.context.stores.conversations.page(id, { limit: 99 })).map(
    ({ role, content, status }) => `${role}: ${content} (${status})`,
  );
/** A runner that has been asked, and answers when it is told to. */
function slow() {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  runner.reply = () => {
    asked.resolve();
    return answer.promise;
  };
  return { asked: asked.promise, answer: (text: string) => answer.resolve(completion(text)) };
}

test('law 17: a turn is stored with its answer before its client has the end', async () => {
  const id = await begin('One');
  expect(await stored(id)).toEqual(['user: One (done)', 'assistant: Begun. (done)']);
});

test('law 17: a turn is stored soon although the runner has not answered', async () => {
  const id = await begin('Two');
  const { asked, answer } = slow();
  const response = ask('Well?', { id });
  await asked;
  await until(async () => (await stored(id)).length === 4, 'the turn is stored');
  expect((await stored(id)).slice(2)).toEqual(['user: Well? (done)', 'assistant:  (streaming)']);
  answer('Yes.');
  await (await response).text();
  expect((await stored(id)).slice(2)).toEqual(['user: Well? (done)', 'assistant: Yes. (done)']);
});

test('a new conversation is stored when its client has the head of a stream', async () => {
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('So'));
  const answer = await ask('Three', { stream: true });
  const conversation = await alice.request(`/api/conversations/${answer.headers.get('x-conversation-id')}`);
  expect(await conversation.json()).toMatchObject({ messages: [{ content: 'Three' }, { status: 'streaming' }] });
  answering.write(DONE);
  answering.close();
  await answer.text();
});

test('whoever asks for a conversation finds the turn whose stream has begun there', async () => {
  const byApi = async (path: string) => (await (await alice.request(path)).json()) as Record<string, unknown>;
  const first = await begin('One by one');
  const { conversation } = await byApi(`/api/conversations/${first}`);
  const { seq } = conversation as { seq: number };
  const paths = [
    `/api/conversations/${first}`,
    `/api/conversations/by-slug/plain/${seq}`,
    `/conversations/${first}`,
    `/api/conversations/${first}/export?format=json`,
  ];
  for (const path of paths) {
    const answering = pipe();
    runner.reply = () => answering.response();
    answering.write(chunk('So'));
    const answer = await ask(`Asked before ${path}`, { id: first, stream: true });
    const found = await (await alice.request(path)).text();
    expect([path, found.includes(`Asked before ${path}`)]).toEqual([path, true]);
    answering.write(DONE);
    answering.close();
    await answer.text();
  }
});

test('while a turn waits to be stored no other is begun in its conversation', async () => {
  const id = await begin('Four');
  const { asked, answer } = slow();
  const first = ask('First', { id });
  await asked;
  const second = await ask('Second', { id });
  expect([second.status, await second.json()]).toMatchObject([409, { error: { code: 'answer_running' } }]);
  answer('Of the first.');
  await (await first).text();
  expect((await stored(id)).slice(2)).toEqual(['user: First (done)', 'assistant: Of the first. (done)']);
});

test('what an agent says unasked while it answers stands behind the turn', async () => {
  const id = await begin('Five');
  const spec = runner.specs.at(-1);
  if (!spec) throw new Error('premise: the runner was started');
  runner.reply = async () => {
    expect((await callBack(spec, { conversation_id: id, content: 'I look.' })).status).toBe(200);
    return completion('Found.');
  };
  await (await ask('Look', { id })).text();
  const conversation = await alice.request(`/api/conversations/${id}`);
  const { messages } = (await conversation.json()) as { messages: { content: string }[] };
  expect(messages.slice(2).map(({ content }) => content)).toEqual(['Look', 'Found.', 'I look.']);
});

test('a message that a client stores while an answer is begun is refused', async () => {
  const id = await begin('Six');
  const { asked, answer } = slow();
  const response = ask('Go on', { id });
  await asked;
  const path = `/api/conversations/${id}/messages`;
  expect((await alice.request(path, { method: 'POST', body: { role: 'user', content: 'Mine' } })).status).toBe(409);
  answer('On.');
  await (await response).text();
  expect((await stored(id)).slice(2)).toEqual(['user: Go on (done)', 'assistant: On. (done)']);
});

test('a conversation that is deleted while its turn waits to be stored is gone with it', async () => {
  const id = await begin('Seven');
  const { asked } = slow();
  const response = ask('Too late', { id });
  await asked;
  expect((await alice.request(`/api/conversations/${id}`, { method: 'DELETE' })).ok).toBe(true);
  expect((await response).status).toBe(409);
  expect(await router.context.stores.conversations.find(id)).toBeUndefined();
});

test('a response is deleted beneath a turn that waits to be stored, which stays', async () => {
  const id = await begin('Seven and a half');
  const [, answer] = await router.context.stores.conversations.page(id, { limit: 9 });
  const { asked, answer: say } = slow();
  const response = ask('More', { id });
  await asked;
  const headers = { authorization: `Bearer ${key}` };
  const deleted = await fetch(`${router.url}/v1/responses/resp_${answer?.id}`, { method: 'DELETE', headers });
  expect(deleted.status).toBe(200);
  say('Still here.');
  expect((await response).status).toBe(200);
  expect(await stored(id)).toEqual(['user: More (done)', 'assistant: Still here. (done)']);
});

test('a turn that waits to be stored is stopped and deleted with what is after a message', async () => {
  const id = await begin('Seven and three quarters');
  const [, newest] = await router.context.stores.conversations.page(id, { limit: 9 });
  const { asked } = slow();
  const response = ask('To be deleted', { id });
  await asked;
  const path = `/api/conversations/${id}/messages/after/${newest?.id}`;
  expect((await alice.request(path, { method: 'DELETE' })).status).toBe(204);
  expect((await response).status).toBe(409);
  expect(await stored(id)).toEqual(['user: Seven and three quarters (done)', 'assistant: Begun. (done)']);
});

test('a conversation whose time is over stays while a turn waits to be stored there', async () => {
  const id = await begin('Expired');
  using sqlite = new Database(join(router.dataRoot, 'router.db'));
  sqlite.run('UPDATE conversations SET expires_at_ms = 1 WHERE id = ?', [id]);
  const { asked, answer } = slow();
  const response = ask('Is it over?', { id });
  await asked;
  await router.context.conversations.deleteExpired();
  answer('No.');
  await (await response).text();
  expect((await stored(id)).slice(2)).toEqual(['user: Is it over? (done)', 'assistant: No. (done)']);
});

/** Begins recording as a request does that is planned at this moment. */
async function record(id: string, turn: Omit<RecordedTurn, 'conversation'>) {
  const conversation = await router.context.stores.conversations.find(id);
  if (!conversation) throw new Error('premise: the conversation is stored');
  return router.context.generations.record({ conversation, ...turn }, { isStream: true, stop() {} });
}

test('who has read the end of an answer may ask for the next one, although that end is not saved yet', async () => {
  const id = await begin('Nine');
  const first = await record(id, { text: 'First' });
  await first.begin();
  first.chunk(new TextEncoder().encode(chunk('One.') + DONE));
  void first.end('done');
  const second = await record(id, { text: 'Second' });
  await second.end('done');
  const said = ['user: First (done)', 'assistant: One. (done)', 'user: Second (done)', 'assistant:  (done)'];
  expect((await stored(id)).slice(2)).toEqual(said);
});

test('who waits for a turn to be stored waits also for one that is being stored', async () => {
  const id = await begin('Ten');
  const conversation = await router.context.stores.conversations.find(id);
  const first = record(id, { text: 'First', after: conversation?.lastPosition ?? 0 });
  const refused = await record(id, { text: 'Second' }).catch((thrown: unknown) => thrown);
  expect(refused).toMatchObject({ code: 'answer_running' });
  await router.context.generations.written(id);
  expect((await stored(id)).slice(2)).toEqual(['user: First (done)', 'assistant:  (streaming)']);
  await (await first).end('done');
});

test('watchers are told of a turn before they are told that its answer grows', async () => {
  const id = await begin('Eleven');
  const told: string[] = [];
  const unsubscribe = router.context.events.subscribe(alice.id, ({ kind }) => told.push(kind));
  const answer = await record(id, { text: 'Watched' });
  answer.chunk(new TextEncoder().encode(chunk('Growing')));
  await until(() => told.includes('message.grew') && told.includes('message.added'), 'both are told');
  unsubscribe();
  const kinds = ['message.added', 'message.added', 'message.grew'];
  expect(told.filter((kind) => kind.startsWith('message')).slice(0, 3)).toEqual(kinds);
  await answer.end('done');
});

test('while the database refuses, the first answer is kept until it can be stored, and then no runner is asked', async () => {
  const id = await begin('Eight');
  const other = new Database(join(router.dataRoot, 'router.db'));
  other.run('BEGIN IMMEDIATE');
  let asked = 0;
  runner.reply = () => {
    asked += 1;
    return completion('Kept.');
  };
  const first = await ask('Locked?', { id });
  expect([first.status, await first.json()]).toMatchObject([200, { choices: [{ message: { content: 'Kept.' } }] }]);
  expect((await ask('And another')).status).toBe(503);
  expect(asked).toBe(1);
  other.run('COMMIT');
  other.close();
  await until(async () => (await stored(id)).length === 4, 'it is stored');
  expect((await stored(id)).slice(2)).toEqual(['user: Locked? (done)', 'assistant: Kept. (done)']);
});
