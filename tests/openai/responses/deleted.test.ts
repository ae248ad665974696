/** Other requests about a stored response: its input is read, and it is deleted. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import OpenAI, { BadRequestError, ConflictError, NotFoundError } from 'openai';
import { answersSaved } from '../../support/chat';
import { type ResponseBody, responder } from '../../support/responses';
import { PEOPLE, type Person, plainAndKeeper, startRouter, type TestRouter, until } from '../../support/router';
import {
  callingCompletion,
  chunk,
  completion,
  DONE,
  pipe,
  Reading,
  scriptedRunner,
  user,
} from '../../support/scripted-runner';

const runner = scriptedRunner('responses-deleted');
let router: TestRouter;
let alice: Person;
let mallory: Person;
let client: OpenAI;

beforeAll(async () => {
  router = await startRouter({ backends: plainAndKeeper(runner.program) });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  client = clientOf(await alice.createKey());
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = (asked) => completion(`to ${JSON.parse(asked.text).messages.at(-1).content.split('\n').at(-1)}`);
});

const clientOf = (apiKey: string) => new OpenAI({ baseURL: `${router.url}/v1`, apiKey, maxRetries: 0 });
const create = responder(() => client);
const respond = async (body: ResponseBody) => {
  const response = await create(body);
  await saved(response.conversation?.id ?? '');
  return response;
};
const assistant = (content: string) => ({ role: 'assistant' as const, content });
const output = (call_id: string, output: string) => ({ type: 'function_call_output' as const, call_id, output });
const call = (id: string) => ({ id, type: 'function', function: { name: 'add', arguments: '{}' } });
const calls = () => callingCompletion(null, call('call_1'), call('call_2'));
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '').messages as object[];
const stored = (id: string | undefined) => router.context.conversations.page(id ?? '', { limit: 99 });
const textsOf = async (id: string | undefined) => (await stored(id)).map(({ content }) => content);
const saved = (id: string) => answersSaved(router, id);
const refusal = (attempt: Promise<unknown>) => attempt.catch((thrown: unknown) => thrown);

test('a deleted response is not found again, by its id or as what another one goes on from', async () => {
  const first = await respond({ input: 'One?', store: true });
  const second = await respond({ input: 'Two?', previous_response_id: first.id });
  const headers = { authorization: `Bearer ${client.apiKey}` };
  const answer = await router.request(`/v1/responses/${second.id}`, { method: 'DELETE', headers });
  expect([answer.status, await answer.json()]).toEqual([200, { id: second.id, object: 'response', deleted: true }]);
  for (const attempt of [
    client.responses.retrieve(second.id),
    client.responses.inputItems.list(second.id),
    client.responses.delete(second.id),
    respond({ input: 'And?', previous_response_id: second.id }),
  ]) {
    const error = await refusal(attempt);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ code: 'not_found', type: 'invalid_request_error' });
  }
  expect(await textsOf(first.conversation?.id)).toEqual(['One?', 'to One?']);
});

test('a conversation goes with the last response in it', async () => {
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await client.responses.delete(first.id);
  expect((await alice.request(`/conversations/${id}`)).status).toBe(404);
  expect(await refusal(respond({ input: 'And?', conversation: id }))).toBeInstanceOf(NotFoundError);
});

test('law 18: what is left of a conversation has its order, and paging neither skips nor repeats', async () => {
  const first = await respond({ input: 'message 1', store: true });
  const id = first.conversation?.id ?? '';
  const ids = [first.id];
  for (let n = 2; n <= 27; n += 1) ids.push((await respond({ input: `message ${n}`, conversation: id })).id);
  const before = await stored(id);
  await client.responses.delete(ids[13] ?? '');
  await client.responses.delete(ids[0] ?? '');
  const left = before.filter(({ content }) => !/message (14|1)$/.test(content));
  expect((await stored(id)).map(({ position }) => position)).toEqual(left.map(({ position }) => position));
  const paged = [];
  for (let before: number | undefined; ; before = paged[0]?.position) {
    const page = await router.context.conversations.page(id, { limit: 7, ...(before !== undefined && { before }) });
    if (page.length === 0) break;
    paged.unshift(...page);
  }
  expect(paged.map((message) => message.id)).toEqual(left.map((message) => message.id));
  // The page shows the remaining messages.
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect([page.match(/<article/g)?.length, page.includes('before=')]).toEqual([50, false]);
  await respond({ input: 'Go on.', previous_response_id: ids[26] ?? null });
  expect(told()).toEqual([...left.map(({ role, content }) => ({ role, content })), user('Go on.')]);
  const positions = (await stored(id)).map(({ position }) => position);
  expect(positions.slice(-3)).toEqual([54, 55, 56]);
});

test('an answer that goes on with a turn is deleted alone, and the last answer to a question takes it along', async () => {
  runner.reply = calls;
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  runner.reply = () => completion('It is 42.');
  const second = await respond({ input: [output('call_1', '1')], conversation: id });
  const third = await respond({ input: 'Two?', conversation: id });
  await client.responses.delete(first.id);
  expect(await textsOf(id)).toEqual(['One?', 'It is 42.', 'Two?', 'It is 42.']);
  await respond({ input: 'Three?', conversation: id });
  // A result without its call is left out.
  expect(told().slice(0, 2)).toEqual([user('One?'), assistant('It is 42.')]);
  await client.responses.delete(second.id);
  await client.responses.delete(third.id);
  expect(await textsOf(id)).toEqual(['Three?', 'It is 42.']);
});

test('a call is open again when the answer to its output is deleted', async () => {
  runner.reply = calls;
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  runner.reply = () => completion('It is 42.');
  const wrong = await respond({ input: [output('call_1', 'wrong')], previous_response_id: first.id });
  await client.responses.delete(wrong.id);
  const right = await respond({ input: [output('call_1', 'right')], previous_response_id: first.id });
  expect(told().at(-1)).toEqual({ role: 'tool', tool_call_id: 'call_1', content: 'right' });
  // It is the newest answer again, so nothing forks.
  expect([right.conversation?.id, await textsOf(id)]).toEqual([id, ['One?', '', 'It is 42.']]);
});

test('a runtime that keeps a session does not know in the next one what was deleted', async () => {
  const first = await respond({ model: 'keeper', input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  const second = await respond({ model: 'keeper', input: 'A secret.', conversation: id });
  expect([runner.session, told()]).toEqual([id, [user('A secret.')]]);
  await client.responses.delete(second.id);
  const third = await respond({ model: 'keeper', input: 'Two?', previous_response_id: first.id });
  const retold = 'user:\nOne?\n\nassistant:\nto One?\n\nuser:\nTwo?';
  expect([runner.session, told(), third.conversation?.id]).toEqual([`${id}-4`, [user(retold)], id]);
  await respond({ model: 'keeper', input: 'Three?', conversation: id });
  expect([runner.session, told()]).toEqual([`${id}-4`, [user('Three?')]]);
});

test('an answer that is still being written is not deleted, and one before it may be', async () => {
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  const out = pipe();
  out.write(chunk('Hel'));
  runner.reply = () => out.response();
  const stream = client.responses.stream({ model: 'plain', input: 'Two?', conversation: id });
  const [, second] = await until(async () => {
    const answers = (await stored(id)).filter(({ role }) => role === 'assistant');
    return answers.length === 2 ? answers : undefined;
  }, 'the answer begins');
  const error = await refusal(client.responses.delete(`resp_${second?.id}`));
  expect(error).toBeInstanceOf(ConflictError);
  expect(error).toMatchObject({ status: 409, code: 'answer_running' });
  await client.responses.delete(first.id);
  out.write(chunk('lo.') + DONE);
  out.close();
  expect((await stream.finalResponse()).output_text).toBe('Hello.');
  await saved(id);
  expect(await textsOf(id)).toEqual(['Two?', 'Hello.']);
});

test('a response is for its owner, and for keys that open its agent', async () => {
  const mine = await respond({ input: 'One?', store: true });
  const restricted = async (backend: string) => {
    const body = { name: backend, backends: [backend] };
    const made = await alice.request('/api/me/keys', { method: 'POST', body });
    return clientOf(((await made.json()) as { secret: string }).secret);
  };
  for (const other of [clientOf(await mallory.createKey()), await restricted('keeper')]) {
    expect(await refusal(other.responses.delete(mine.id))).toBeInstanceOf(NotFoundError);
    expect(await refusal(other.responses.inputItems.list(mine.id))).toBeInstanceOf(NotFoundError);
  }
  expect((await router.request(`/v1/responses/${mine.id}`, { method: 'DELETE' })).status).toBe(401);
  // A user message is no response.
  const [asked] = await stored(mine.conversation?.id);
  expect(await refusal(client.responses.delete(`resp_${asked?.id}`))).toBeInstanceOf(NotFoundError);
  expect(await textsOf(mine.conversation?.id)).toEqual(['One?', 'to One?']);
  const opened = await restricted('plain');
  expect((await opened.responses.inputItems.list(mine.id)).data).toHaveLength(1);
  await opened.responses.delete(mine.id);
  expect(await refusal(client.responses.retrieve(mine.id))).toBeInstanceOf(NotFoundError);
});

test('an open page removes a deleted message', async () => {
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await respond({ input: 'Two?', conversation: id });
  const abort = new AbortController();
  const headers = { cookie: alice.cookie };
  const page = new Reading(await fetch(`${router.url}/live?conversation=${id}`, { headers, signal: abort.signal }));
  await page.until('to Two?');
  const [asked, answer] = await stored(id);
  await client.responses.delete(first.id);
  for (const message of [asked, answer]) await page.until(`hx-target="#message-${message?.id}" hx-swap="delete"`);
  abort.abort();
});

test('the input of a response is listed, newest first, in pages', async () => {
  runner.reply = calls;
  const first = await respond({ input: 'One?', instructions: 'Be brief.', store: true });
  runner.reply = () => completion('It is 42.');
  const input = [output('call_1', '1'), output('call_2', '2'), user('And now?')];
  const second = await respond({ input, previous_response_id: first.id });
  const items = async (id: string, query: OpenAI.Responses.InputItemListParams = {}) => {
    const all = [];
    for await (const item of client.responses.inputItems.list(id, query)) all.push(item);
    return all as object[];
  };
  const message = (text: string) => ({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });
  expect(await items(first.id)).toMatchObject([message('One?')]);
  const asked = [output('call_1', '1'), output('call_2', '2'), message('And now?')];
  expect(await items(second.id, { order: 'asc' })).toMatchObject(asked);
  expect(await items(second.id, { limit: 1 })).toMatchObject(asked.toReversed());
  const headers = { authorization: `Bearer ${client.apiKey}` };
  const page = await router.request(`/v1/responses/${second.id}/input_items?limit=2`, { headers });
  const [last, before] = (await items(second.id)) as { id: string }[];
  const ends = { first_id: last?.id, last_id: before?.id, has_more: true };
  expect(await page.json()).toEqual({ object: 'list', data: [last, before], ...ends });
  for (const query of [{ limit: 0 }, { limit: 101 }, { after: 'x' }]) {
    const error = await refusal(items(first.id, query));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param: Object.keys(query)[0] });
  }
  expect(await refusal(client.responses.cancel(first.id))).toMatchObject({ status: 400, param: 'response_id' });
});
