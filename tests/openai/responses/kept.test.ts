/**
 * Responses without a `store` member: stored as in OpenAI's API, for a time, and found by the ids that clients name.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import OpenAI, { APIError, NotFoundError } from 'openai';
import { responder } from '../../support/responses';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../../support/router';
import { callingCompletion, completion, scriptedRunner, user } from '../../support/scripted-runner';

const DAY_MS = 86_400_000;
const runner = scriptedRunner('responses-kept');
let router: TestRouter;
let alice: Person;
let client: OpenAI;
let nowMs = Date.now();

beforeAll(async () => {
  router = await startRouter({
    now: () => nowMs,
    env: { RESPONSES_RETENTION_DAYS: '7', JWT_TTL_SECONDS: '34560000' },
    backends: [
      memoryBackend('plain', {}, runner.program),
      memoryBackend('keeper', { history: 'last-turn', headers: { 'X-Session': `\${conversation}` } }, runner.program),
      memoryBackend('native', { paths: ['responses'] }, runner.program),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  client = await alice.openai();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('Fine.');
});

const respond = responder(() => client);
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '') as { messages: object[] };
const reference = (id: string) => ({ type: 'item_reference' as const, id });
const shown = async () => (await router.context.conversations.list(alice.id)).map(({ id }) => id);

test('a response is kept unless it says otherwise, and is not among the conversations of its user', async () => {
  const first = await respond({ input: 'One?' });
  expect(first).toMatchObject({ store: true } as object);
  expect((await client.responses.retrieve(first.id)).output_text).toBe('Fine.');
  const second = await respond({ input: 'Two?', previous_response_id: first.id });
  expect(told().messages).toEqual([user('One?'), { role: 'assistant', content: 'Fine.' }, user('Two?')]);
  expect(second.conversation).toEqual(first.conversation ?? null);
  expect(await shown()).toEqual([]);
  const none = await respond({ input: 'Hi', store: false });
  expect(await client.responses.retrieve(none.id).catch((thrown: unknown) => thrown)).toBeInstanceOf(NotFoundError);
});

test('a conversation that is requested is shown, also if it was stored by default before', async () => {
  const first = await respond({ input: 'One?' });
  const id = first.conversation?.id ?? '';
  await respond({ input: 'Two?', previous_response_id: first.id, store: true });
  expect(await shown()).toEqual([id]);
  nowMs += 365 * DAY_MS;
  await router.context.conversations.deleteExpired();
  expect(await shown()).toEqual([id]);
});

test('a response that was stored by default is deleted when its time is over, which each continuing request renews', async () => {
  const old = await respond({ input: 'One?' });
  const used = await respond({ input: 'One?' });
  nowMs += 6 * DAY_MS;
  await router.context.conversations.deleteExpired();
  const last = await respond({ input: 'Two?', previous_response_id: used.id });
  nowMs += 6 * DAY_MS;
  await router.context.conversations.deleteExpired();
  expect(await client.responses.retrieve(old.id).catch((thrown: unknown) => thrown)).toBeInstanceOf(NotFoundError);
  expect(await client.responses.retrieve(last.id)).toMatchObject({ status: 'completed' } as object);
  nowMs += 2 * DAY_MS;
  await router.context.conversations.deleteExpired();
  expect(await client.responses.retrieve(last.id).catch((thrown: unknown) => thrown)).toBeInstanceOf(NotFoundError);
});

test('items are found by their ids: messages, calls and outputs', async () => {
  const calls = [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }];
  runner.reply = () => callingCompletion('Wait.', ...calls);
  const first = await respond({ input: 'What is there?' });
  runner.reply = () => completion('A bird.');
  // Like the second step of Vercel's provider: earlier items are references, and only new items are sent.
  const references = first.output.map(({ id }) => reference(id ?? ''));
  const output = { type: 'function_call_output' as const, call_id: 'call_1', output: 'a bird' };
  const input = [user('What is there?'), ...references, output];
  const second = await respond({ input });
  const said = [
    user('What is there?'),
    { role: 'assistant', content: 'Wait.', tool_calls: calls },
    { role: 'tool', tool_call_id: 'call_1', content: 'a bird' },
  ];
  expect(told().messages).toEqual(said);
  const items = await client.responses.inputItems.list(first.id);
  const thought = reference('rs_0123');
  const [mine] = second.output;
  await respond({ input: [reference(items.data[0]?.id ?? ''), thought, { id: mine?.id } as never, user('And?')] });
  expect(told().messages).toEqual([user('What is there?'), { role: 'assistant', content: 'A bird.' }, user('And?')]);
});

test('a client’s own history is sent unchanged, and a request that continues the answer is sent it too', async () => {
  const input = [user('One?'), { role: 'assistant' as const, content: 'One.' }, user('Two?')];
  const first = await client.responses.create({ model: 'keeper', input });
  expect(told().messages).toEqual(input);
  expect(runner.session).toBeUndefined();
  await client.responses.create({ model: 'keeper', input: 'Three?', previous_response_id: first.id });
  const retold = 'user:\nTwo?\n\nassistant:\nFine.\n\nuser:\nThree?';
  expect(told().messages).toEqual([user(retold)]);
  expect(runner.session).toBe(`${first.conversation?.id}-2`);
  await client.responses.create({ model: 'keeper', input: 'Four?', conversation: first.conversation?.id ?? '' });
  expect(told().messages).toEqual([user('Four?')]);
});

test('only a missing item, or one of another user, is refused, by its place', async () => {
  const mallory = await router.person(PEOPLE.mallory);
  const stranger = await mallory.openai();
  const mine = await respond({ input: 'Hi' });
  const [item] = mine.output;
  const gone = await respond({ input: 'Hi', store: false });
  const count = runner.requests.length;
  const asked = [
    [stranger, item?.id],
    [client, gone.output[0]?.id],
    [client, `${item?.id}_9`],
    [client, 'msg_x'],
    [client, mine.id],
    [client, ''],
  ] as const;
  for (const [who, id] of asked) {
    const input = [user('Hi'), reference(id ?? '')];
    const error = await who.responses.create({ model: 'plain', input }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ code: 'not_found', param: 'input[1].id' });
  }
  expect(runner.requests).toHaveLength(count);
  await client.responses.delete(mine.id);
  const error = await respond({ input: [reference(item?.id ?? '')] }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ status: 404, param: 'input[0].id' });
});

test('a key that is for another agent does not find what this one has said', async () => {
  const mine = await respond({ input: 'Hi' });
  const body = { name: 'other', backends: ['native'] };
  const made = await alice.request('/api/me/keys', { method: 'POST', body });
  const { secret } = (await made.json()) as { secret: string };
  const other = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: secret, maxRetries: 0 });
  const input = [reference(mine.output[0]?.id ?? '')];
  expect(await other.responses.create({ model: 'plain', input }).catch((thrown: unknown) => thrown)).toMatchObject({
    status: 403,
  });
});

test('a runtime that serves responses itself keeps its own, and the administrator may have none kept', async () => {
  runner.reply = () => Response.json({ id: 'its-own', object: 'response', output: [] });
  await client.responses.create({ model: 'native', input: [reference('its-own-item')] });
  expect(JSON.parse(runner.requests.at(-1)?.text ?? '')).toMatchObject({ input: [{ id: 'its-own-item' }] });
  runner.reply = () => completion('Fine.');
  const backends = [memoryBackend('plain', {}, runner.program)];
  await using off = await startRouter({ backends, env: { STORE_RESPONSES: 'false' } });
  const apiKey = await (await off.person(PEOPLE.alice)).createKey();
  const there = new OpenAI({ baseURL: `${off.url}/v1`, apiKey, maxRetries: 0 });
  const response = await there.responses.create({ model: 'plain', input: 'Hi' });
  expect(response).toMatchObject({ store: false } as object);
  const asked = await there.responses.create({ model: 'plain', input: 'Hi', store: true });
  expect((await there.responses.retrieve(asked.id)).output_text).toBe('Fine.');
});

test('what is too long to be stored is answered all the same, and refused where it is to be stored', async () => {
  const input = 'a '.repeat(1_100_000);
  const answer = await respond({ input });
  expect(answer).toMatchObject({ output_text: 'Fine.', store: false } as object);
  const refused = await respond({ input, store: true }).catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(APIError);
  expect(refused).toMatchObject({ status: 413, code: 'too_large' });
  expect(String(refused)).toContain('"store": false');
  // The limit is of what is new in the request, not of all that it tells.
  const longer = [user(input), { role: 'assistant' as const, content: 'So?' }, user('Go on')];
  expect(await respond({ input: longer })).toMatchObject({ store: true } as object);
});
