/** `/api/conversations`: the predecessor's endpoints for conversations and their messages. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { problemOf } from '../support/runners';
import { completion, scriptedRunner } from '../support/scripted-runner';

interface Conversation {
  readonly id: string;
  readonly agent_id: string;
  readonly title: string;
  readonly model: string;
  readonly message_count: number;
  readonly seq: number;
  readonly created_at: number;
  readonly updated_at: number;
}
interface Message {
  readonly id: string;
  readonly role: string;
  readonly content: string;
}

const runner = scriptedRunner('conversations-api');
let router: TestRouter;
let alice: Person;
let mallory: Person;
beforeAll(async () => {
  const backends = ['echo', 'other'].map((name) => memoryBackend(name, {}, runner.program));
  router = await startRouter({ backends });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('It is 42.');
});

let people = 0;
/** A person without conversations. */
function newPerson(): Promise<Person> {
  people += 1;
  return router.person({ email: `p${people}@example.org`, name: `P${people}`, password: 'a-long-password' });
}
const create = async (person: Person, body: object = { backend: 'echo' }) => {
  const response = await person.request('/api/conversations', { method: 'POST', body });
  expect(response.status).toBe(200);
  return ((await response.json()) as { conversation: Conversation }).conversation;
};
const read = async (person: Person, path: string) =>
  (await (await person.request(`/api/conversations/${path}`)).json()) as {
    conversation: Conversation;
    messages: Message[];
  };
const listed = async (person: Person, query = '') =>
  (await (await person.request(`/api/conversations${query}`)).json()) as {
    conversations: Conversation[];
    has_more: boolean;
  };
const send = (person: Person, id: string, role: string, content: string) =>
  person.request(`/api/conversations/${id}/messages`, { method: 'POST', body: { role, content } });
const post = async (person: Person, id: string, role: string, content: string) => {
  const response = await send(person, id, role, content);
  expect(response.status).toBe(200);
  return ((await response.json()) as { message: Message }).message;
};
const remove = (person: Person, path: string) => person.request(`/api/conversations/${path}`, { method: 'DELETE' });
const said = async (person: Person, id: string) =>
  (await read(person, id)).messages.map(({ role, content }) => `${role}: ${content}`);

test("a conversation has the predecessor's members, and null members are as if they were absent", async () => {
  const bob = await newPerson();
  const body = { agent_id: null, backend: 'echo', model: null, title: null };
  const made = await create(bob, body);
  const { agents } = (await (await bob.request('/api/agents')).json()) as { agents: { id: string; backend: string }[] };
  expect(made).toEqual({
    ...{ id: expect.stringMatching(/^[0-9a-f]{24}$/), backend: 'echo', model: 'echo', title: '' },
    agent_id: agents.find(({ backend }) => backend === 'echo')?.id,
    ...{ created_at: expect.any(Number), updated_at: expect.any(Number), message_count: 0, seq: 1 },
    ...{ pinned: false, archived: false, unsaved: false },
  } as object as Conversation);
  expect(await read(bob, made.id)).toEqual({ conversation: made, messages: [] });
  expect(await listed(bob)).toEqual({ conversations: [made], has_more: false });
});

test("an agent wins over a backend, and the model is the one asked for, else the agent's, else the backend's", async () => {
  const bob = await newPerson();
  const response = await bob.request('/api/agents', {
    method: 'POST',
    body: { backend: 'other', name: 'second', model: 'own' },
  });
  const { agent } = (await response.json()) as { agent: { id: string } };
  expect(await create(bob, { agent_id: agent.id, backend: 'echo' })).toMatchObject({
    ...{ agent_id: agent.id, backend: 'other', model: 'own' },
  } as object);
  expect(await create(bob, { agent_id: agent.id, model: ' m ', title: ` ${'t'.repeat(300)}` })).toMatchObject({
    ...{ model: 'm', title: 't'.repeat(200) },
  });
});

test('an agent of somebody else is 404, and an unknown backend or none is 400', async () => {
  const { agent_id } = await create(alice);
  const statusOf = async (body: object) =>
    (await mallory.request('/api/conversations', { method: 'POST', body })).status;
  expect(await statusOf({ agent_id })).toBe(404);
  expect(await statusOf({ backend: 'nope' })).toBe(400);
  expect(await statusOf({})).toBe(400);
});

test('conversations are numbered by backend, found by their number, and listed last changed first', async () => {
  const bob = await newPerson();
  const made = [];
  for (const backend of ['echo', 'other', 'echo', 'echo']) {
    made.push(await create(bob, { backend }));
    // Those of one millisecond have no order.
    const endMs = Date.now();
    await until(() => Date.now() > endMs, 'the clock goes on');
  }
  expect(made.map(({ seq }) => seq)).toEqual([1, 1, 2, 3]);
  expect((await read(bob, 'by-slug/echo/2')).conversation.id).toBe(made[2]?.id ?? '');
  const none = ['4', '0', '-1', '9007199254740991', '99999999999999999999', '1e300'].map((seq) => `echo/${seq}`);
  for (const path of ['nope/1', ...none]) {
    expect([path, (await bob.request(`/api/conversations/by-slug/${path}`)).status]).toEqual([path, 404]);
  }
  expect((await bob.request('/api/conversations/by-slug/echo/x')).status).toBe(422);
  await post(bob, made[1]?.id ?? '', 'user', 'hello');
  expect((await listed(bob)).conversations[0]).toMatchObject({ id: made[1]?.id, message_count: 1, title: 'hello' });
});

test('a list may be read in parts, which neither skip nor repeat', async () => {
  const bob = await newPerson();
  for (let count = 0; count < 5; count += 1) await create(bob);
  const all = (await listed(bob)).conversations;
  const first = await listed(bob, '?limit=2');
  const second = await listed(bob, `?limit=2&before=${first.conversations[1]?.id}`);
  const third = await listed(bob, `?limit=2&before=${second.conversations[1]?.id}`);
  expect([first, second, third].map((part) => part.has_more)).toEqual([true, true, false]);
  expect([first, second, third].flatMap((part) => part.conversations)).toEqual(all);
});

test('messages are stored in their order, also within one second, and the first of the user is the title', async () => {
  const bob = await newPerson();
  const { id } = await create(bob);
  const first = await post(bob, id, 'user', `  ${'long '.repeat(40)}`);
  expect(first).toMatchObject({ role: 'user', id: expect.any(String), created_at: expect.any(Number) } as object);
  await post(bob, id, 'assistant', 'one');
  await post(bob, id, 'user', '');
  await post(bob, id, 'error', 'Request failed: 503');
  for (let count = 0; count < 20; count += 1) await post(bob, id, 'user', `message ${count}`);
  const { conversation, messages } = await read(bob, id);
  expect(messages.map(({ role, content }) => `${role}: ${content}`).slice(1)).toEqual([
    ...['assistant: one', 'user: ', 'error: Request failed: 503'],
    ...Array.from({ length: 20 }, (_, count) => `user: message ${count}`),
  ]);
  expect(conversation).toMatchObject({ message_count: 24 });
  expect([...conversation.title].length).toBe(60);
});

test('a role that is not one of a client is 400', async () => {
  const { id } = await create(alice);
  for (const role of ['system', 'tool', '']) {
    const response = await send(alice, id, role, 'x');
    expect([role, response.status, (await problemOf(response)).detail]).toEqual([
      ...[role, 400],
      'The role is one of: user, assistant, error.',
    ]);
  }
  expect((await read(alice, id)).messages).toEqual([]);
});

test('a title is changed and removed, and a conversation is deleted with its messages', async () => {
  const { id } = await create(alice);
  const rename = async (title: string) => {
    const response = await alice.request(`/api/conversations/${id}`, { method: 'PATCH', body: { title } });
    return ((await response.json()) as { conversation: Conversation }).conversation.title;
  };
  expect(await rename('  Plans ')).toBe('Plans');
  expect(await rename('')).toBe('');
  expect((await remove(alice, id)).status).toBe(204);
  expect((await alice.request(`/api/conversations/${id}`)).status).toBe(404);
  expect((await remove(alice, id)).status).toBe(404);
});

test('what comes after a message is deleted, also an answer that is being written', async () => {
  const bob = await newPerson();
  const { id } = await create(bob);
  const first = await post(bob, id, 'user', 'hello');
  await post(bob, id, 'assistant', 'one');
  await post(bob, id, 'user', 'two');
  expect((await remove(bob, `${id}/messages/after/${first.id}`)).status).toBe(204);
  expect(await said(bob, id)).toEqual(['user: hello']);
  runner.reply = () => new Response(new ReadableStream({}), { headers: { 'content-type': 'text/event-stream' } });
  const body = { model: 'echo', stream: true, user: `agstack-${id}`, messages: [{ role: 'user', content: 'hello' }] };
  const asked = bob.request('/v1/chat/completions', { method: 'POST', body });
  await until(async () => (await read(bob, id)).messages.length === 2, 'the answer is begun');
  expect((await send(bob, id, 'user', 'more')).status).toBe(409);
  expect((await remove(bob, `${id}/messages/after/${first.id}`)).status).toBe(204);
  await (await asked).text();
  expect(await said(bob, id)).toEqual(['user: hello']);
  const other = await create(bob);
  expect((await remove(bob, `${other.id}/messages/after/${first.id}`)).status).toBe(404);
  expect(await said(bob, id)).toEqual(['user: hello']);
});

test('a conversation with megabytes of text is read whole', async () => {
  const bob = await newPerson();
  const { id } = await create(bob);
  const text = 'ü'.repeat(150_000);
  for (let count = 0; count < 6; count += 1) await post(bob, id, 'user', `${count}${text}`);
  const { messages } = await read(bob, id);
  expect(messages.map(({ content }) => [content[0], content.length])).toEqual(
    Array.from({ length: 6 }, (_, count) => [String(count), 150_001]),
  );
});

const endpoints = (id: string, message: string) =>
  [
    ['GET', ''],
    ['POST', ''],
    ['GET', `/${id}`],
    ['GET', '/by-slug/echo/1'],
    ['PATCH', `/${id}`],
    ['POST', `/${id}/messages`],
    ['DELETE', `/${id}/messages/after/${message}`],
    ['GET', `/${id}/stream`],
    ['DELETE', `/${id}`],
  ] as const;
const bodies = { title: 'theirs', role: 'user', content: 'x', backend: 'echo' };
const init = (method: string) => (/POST|PATCH/.test(method) ? { method, body: bodies } : { method });

test('every endpoint is 401 for somebody signed out, and 403 with a key that does not open it', async () => {
  const authorization = `Bearer ${await alice.createKey()}`;
  for (const [method, path] of endpoints('0'.repeat(24), '1'.repeat(24))) {
    const url = `/api/conversations${path}`;
    const answers = [
      await router.request(url, init(method)),
      await router.request(url, { ...init(method), headers: { authorization } }),
    ];
    expect([method, path, ...answers.map(({ status }) => status)]).toEqual([method, path, 401, 403]);
  }
});

test("another user's conversation is not found, and nothing of it changes", async () => {
  const bob = await newPerson();
  const { id } = await create(bob);
  const message = await post(bob, id, 'user', 'mine');
  await post(bob, id, 'assistant', 'yours');
  const before = await read(bob, id);
  for (const [method, path] of endpoints(id, message.id).filter(([, one]) => one.includes(id))) {
    const answer = await mallory.request(`/api/conversations${path}`, init(method));
    expect([method, path, answer.status]).toEqual([method, path, 404]);
  }
  expect((await mallory.request(`/api/conversations?before=${id}`)).status).toBe(404);
  expect((await listed(mallory)).conversations.map((one) => one.id)).not.toContain(id);
  expect(await read(bob, id)).toEqual(before);
});

test('a page of another site changes nothing', async () => {
  const { id } = await create(alice);
  const message = await post(alice, id, 'user', 'mine');
  for (const [method, path] of endpoints(id, message.id).filter(([one]) => one !== 'GET')) {
    const headers = { origin: 'https://elsewhere.example' };
    const answer = await alice.request(`/api/conversations${path}`, { ...init(method), headers });
    expect([method, path, answer.status]).toEqual([method, path, 403]);
  }
  expect(await said(alice, id)).toEqual(['user: mine']);
});

test('a method that an endpoint does not have is refused', async () => {
  const { id } = await create(alice);
  for (const [method, path] of [
    ['PUT', ''],
    ['POST', `/${id}`],
    ['GET', `/${id}/messages`],
    ['POST', `/${id}/stream`],
  ] as const) {
    expect([method, path, (await alice.request(`/api/conversations${path}`, { method })).status]).toEqual([
      ...[method, path, 405],
    ]);
  }
});
