/** Long answers in one piece: they count as held memory until their client has read them, has gone, or reads too slowly. */
import { afterAll, afterEach, beforeAll, expect, spyOn, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { completion, scriptedRunner, user } from '../support/scripted-runner';
import { holdTime, passTime, restoreTime } from '../support/time';

const LENGTH = 300_000;
const MAX_HELD = 3_000_000;
const runner = scriptedRunner('held-answers');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('plain', {}, runner.program)],
    env: { MAX_HELD_BYTES_PER_USER: String(MAX_HELD) },
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
  runner.reply = () => completion('x'.repeat(LENGTH));
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(restoreTime);

const held = () => router.context.held.total;
const headers = () => ({ authorization: `Bearer ${key}` });
const get = (path: string) => router.request(path, { headers: headers() });
/** Nothing of the answer is read before the test does. */
const respond = (more: object, named: Record<string, string> = {}) =>
  router.request('/v1/responses', {
    method: 'POST',
    headers: { ...headers(), ...named },
    body: { model: 'plain', input: 'Hi', ...more },
  });
const chat = (idempotencyKey: string) =>
  router.request('/v1/chat/completions', {
    method: 'POST',
    headers: { ...headers(), 'idempotency-key': idempotencyKey },
    body: { model: 'plain', messages: [user('Hi')] },
  });

/** A stored response, and the conversation that it is in. */
async function stored(): Promise<{ id: string; conversation: { id: string } }> {
  return (await (await respond({ store: true })).json()) as { id: string; conversation: { id: string } };
}

test('a response that is not streamed', async () => {
  const [read, left] = [await respond({ store: false }), await respond({ store: true })];
  expect(held()).toBeGreaterThan(2 * LENGTH);
  expect((await read.text()).length).toBeGreaterThan(LENGTH);
  await left.body?.cancel();
  expect(held()).toBe(0);
});

test('an answer that is replayed for its key, which is not made anew where there is no room', async () => {
  const asked = runner.requests.length;
  const one = crypto.randomUUID();
  const first = await (await chat(one)).text();
  expect(held()).toBe(0);
  const again = await chat(one);
  expect([again.headers.get('idempotent-replayed'), held() > LENGTH]).toEqual(['true', true]);
  const taken = router.context.held.take(alice.id, MAX_HELD - held() - LENGTH);
  expect((await chat(one)).status).toBe(429);
  taken.end();
  expect((await again.text()) === first).toBe(true);
  expect([(await (await chat(one)).text()) === first, held(), runner.requests.length - asked]).toEqual([true, 0, 1]);
});

test('what was read of an answer that is too long to be kept', async () => {
  const taken = router.context.held.take(alice.id, MAX_HELD - LENGTH / 2);
  const passedOn = await chat('too long');
  taken.end();
  expect(held()).toBeGreaterThan(0);
  // The memory of a piece is given back when the next one is read.
  let bytes = 0;
  for await (const piece of passedOn.body ?? []) bytes += piece.length;
  expect([passedOn.status, bytes > LENGTH, held()]).toEqual([200, true, 0]);
});

test('a stored response, of which HEAD says the length and holds nothing', async () => {
  const { id } = await stored();
  const head = await fetch(`${router.url}/v1/responses/${id}`, { method: 'HEAD', headers: headers() });
  expect([head.status, held()]).toEqual([200, 0]);
  const whole = await (await get(`/v1/responses/${id}`)).text();
  expect(head.headers.get('content-length')).toBe(String(whole.length));
});

/** As another request would: whatever is given back is taken. @returns what gives all of it back. */
function greedy(): Disposable {
  const { held } = router.context;
  const giveBack = held.giveBack.bind(held);
  let taken = 0;
  const spy = spyOn(held, 'giveBack').mockImplementation((holder, amount) => {
    giveBack(holder, amount);
    const free = MAX_HELD - held.heldBy(alice.id);
    held.take(alice.id, free);
    taken += free;
  });
  return {
    [Symbol.dispose]() {
      spy.mockRestore();
      giveBack(alice.id, taken);
    },
  };
}

test.each([
  ['stored', () => ({})],
  ['stored for its key', () => ({ 'idempotency-key': crypto.randomUUID() })],
])('an answer that is %s is not refused for what takes the room meanwhile', async (_, headersOf) => {
  const other = greedy();
  const answer = await respond({ store: true }, headersOf());
  other[Symbol.dispose]();
  expect([answer.status, (await answer.text()).length > LENGTH, held()]).toEqual([200, true, 0]);
});

test('an answer that comes when its key was revoked is held for nobody', async () => {
  const { events } = router.context;
  const { key: made, secret } = await router.context.keys.create(alice.id, 'revoked');
  const { held: memory } = router.context;
  const giveBack = memory.giveBack.bind(memory);
  // The answer was read, and is kept next.
  const spy = spyOn(memory, 'giveBack').mockImplementation((holder, amount) => {
    giveBack(holder, amount);
    events.publish(alice.id, { kind: 'revoked', credentialId: made.id });
  });
  const answer = await router.request('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'idempotency-key': 'late' },
    body: { model: 'plain', messages: [user('Hi')] },
  });
  spy.mockRestore();
  expect(answer.status).toBe(401);
  await until(() => held() === 0, 'its memory is given back');
});

type Stored = Awaited<ReturnType<typeof stored>>;
/** On a connection: `router.request` has none. */
const over = (path: string, body?: object, idempotencyKey?: string) =>
  fetch(`${router.url}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: {
      ...(path.startsWith('/v1') ? headers() : { cookie: alice.cookie }),
      ...(body && { 'content-type': 'application/json' }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    },
    ...(body && { body: JSON.stringify({ model: 'plain', ...body }) }),
  });
/** The seconds that the server waits on a connection on which nothing goes on: without end, and again only for a while. */
const once = [0, 150];
/** For the runner, and for the reader. */
const twice = [...once, ...once];

test.each([
  ['a stored response', once, (one: Stored) => over(`/v1/responses/${one.id}`)],
  ['a conversation', once, (one: Stored) => over(`/api/conversations/${one.conversation.id}`)],
  ['a file', once, (one: Stored) => over(`/api/conversations/${one.conversation.id}/export`)],
  ['a file to read', once, (one: Stored) => over(`/api/conversations/${one.conversation.id}/export?format=markdown`)],
  ['a response', twice, () => over('/v1/responses', { input: 'Hi' })],
  // Also for what is kept of it, which the router itself reads.
  [
    'a response with a key',
    [...twice, 150, ...once],
    () => over('/v1/responses', { input: 'Hi' }, crypto.randomUUID()),
  ],
  ['one that was kept', twice, () => over('/v1/responses', { input: 'Hi' }, 'kept')],
])('the server waits without end while %s is read, and not afterwards', async (_, expected, ask) => {
  const one = await stored();
  await (await over('/v1/responses', { input: 'Hi' }, 'kept')).text();
  const spy = spyOn(router.listener, 'timeout');
  try {
    expect((await (await ask(one)).text()).length).toBeGreaterThan(LENGTH);
    expect(spy.mock.calls.map(([, seconds]) => seconds)).toEqual(expected);
  } finally {
    spy.mockRestore();
  }
});

test.each([
  ['a stored response', (one: Awaited<ReturnType<typeof stored>>) => `/v1/responses/${one.id}`],
  ['a conversation', (one: Awaited<ReturnType<typeof stored>>) => `/api/conversations/${one.conversation.id}`],
  ['the file of one', (one: Awaited<ReturnType<typeof stored>>) => `/api/conversations/${one.conversation.id}/export`],
])(
  '%s breaks off for a client that reads too slowly, and not for one that pauses for some minutes',
  async (_, pathOf) => {
    const path = pathOf(await stored());
    holdTime();
    const read = (who: Person, to: string) => (to.startsWith('/v1') ? get(to) : who.request(to));
    const [patient, slow] = [await read(alice, path), await read(alice, path)];
    const [own, others] = [patient.body?.getReader(), slow.body?.getReader()];
    const take = async (reader: typeof own) => (await reader?.read())?.value?.length ?? 0;
    for (const reader of [own, others]) while ((await take(reader)) < 65_536);
    expect(held()).toBeGreaterThan(2 * LENGTH);
    passTime(595_000);
    let bytes = await take(own);
    for (let more = bytes; more > 0; bytes += more) more = await take(own);
    expect(bytes).toBeGreaterThan(LENGTH - 65_536);
    // It has read a little meanwhile.
    await take(others);
    passTime(20_000);
    await until(() => held() === 0, 'its memory is given back');
    expect(await take(others).catch(() => 'broken')).toBe('broken');
  },
);
