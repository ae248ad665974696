/** Stored responses that called a client's tools are continued by a request with only the outputs of the calls. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { BadRequestError, NotFoundError, type OpenAI } from 'openai';
import { answersSaved } from '../../support/chat';
import { responder } from '../../support/responses';
import { PEOPLE, type Person, plainAndKeeper, startRouter, type TestRouter } from '../../support/router';
import {
  callingCompletion,
  chunk,
  completion,
  DONE,
  functionCall,
  pipe,
  scriptedRunner,
  user,
} from '../../support/scripted-runner';

const runner = scriptedRunner('responses-outputs');
let router: TestRouter;
let alice: Person;
let client: OpenAI;
let stranger: OpenAI;

beforeAll(async () => {
  router = await startRouter({ backends: plainAndKeeper(runner.program) });
  alice = await router.person(PEOPLE.alice);
  const mallory = await router.person(PEOPLE.mallory);
  client = await alice.openai();
  stranger = await mallory.openai();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('It is 42.');
});

const respond = responder(() => client);
const calling = (content: string | null, ...tool_calls: object[]) => ({ role: 'assistant', content, tool_calls });
const found = (tool_call_id: string, content: string) => ({ role: 'tool', tool_call_id, content });
const output = (call_id: string, output: string) => ({ type: 'function_call_output' as const, call_id, output });
/** The runner's answer calls tools. */
const calls =
  (content: string | null, ...tool_calls: object[]) =>
  () =>
    callingCompletion(content, ...tool_calls);
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '').messages as object[];
const stored = (id: string) => router.context.conversations.page(id, { limit: 99 });
const saved = (id: string) => answersSaved(router, id);

test.each(['plain', 'keeper'])('outputs alone go on from the response that called, of %s', async (model) => {
  runner.reply = calls('Wait.', functionCall('call_1'), functionCall('call_2'));
  const first = await respond({ model, input: 'Two?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = calls(null, functionCall('call_3'));
  const input = [output('call_1', '1'), output('call_2', '2')];
  await respond({ model, input, previous_response_id: first.id });
  const asked = [user('Two?'), calling('Wait.', functionCall('call_1'), functionCall('call_2')), found('call_1', '1')];
  expect(told()).toEqual([...asked, found('call_2', '2')]);
  await saved(id);
  // The next step contains the result of the first one.
  runner.reply = () => completion('It is 42.');
  const third = await respond({ model, input: [output('call_3', '3')], conversation: id });
  const steps = [...asked, found('call_2', '2'), calling(null, functionCall('call_3')), found('call_3', '3')];
  expect([told(), third.output_text, third.conversation?.id]).toEqual([steps, 'It is 42.', id]);
  await saved(id);
  const all = (await stored(id)).map(({ role, content }) => `${role}: ${content}`);
  expect(all).toEqual(['user: Two?', 'assistant: Wait.', 'assistant: ', 'assistant: It is 42.']);
  await respond({ model, input: 'Thanks.', previous_response_id: third.id });
  const later = [...steps, { role: 'assistant', content: 'It is 42.' }, user('Thanks.')];
  // A runtime that keeps a session knows all of it.
  expect(told()).toEqual(model === 'keeper' ? [user('Thanks.')] : later);
  expect(new Set(runner.requests.slice(-4).map(({ headers }) => headers.get('x-session')))).toEqual(new Set([id]));
});

test('outputs precede the user’s message, and a call that is sent again is stored once', async () => {
  runner.reply = calls(null, functionCall('call_1'));
  const first = await respond({ input: 'One?', store: true });
  await saved(first.conversation?.id ?? '');
  runner.reply = () => completion('It is 42.');
  const item = { type: 'function_call' as const, call_id: 'call_1', name: 'add', arguments: '{"a":1}' };
  const said = [user('And quickly.'), item, output('call_1', '1')];
  const second = await respond({ input: said, previous_response_id: first.id });
  const asked = [user('One?'), calling(null, functionCall('call_1')), found('call_1', '1'), user('And quickly.')];
  expect(told()).toEqual(asked);
  await saved(second.conversation?.id ?? '');
  await respond({ input: 'Thanks.', previous_response_id: second.id });
  expect(told()).toEqual([...asked, { role: 'assistant', content: 'It is 42.' }, user('Thanks.')]);
});

test('outputs sent a second time make a conversation of their own, and the first one keeps its own', async () => {
  runner.reply = calls(null, functionCall('call_1'));
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  // Some runtimes reuse ids.
  const second = await respond({ input: [output('call_1', 'found')], previous_response_id: first.id });
  await saved(id);
  runner.reply = () => completion('It is 42.');
  const other = await respond({ input: [output('call_1', 'found again')], previous_response_id: first.id });
  const asked = [user('One?'), calling(null, functionCall('call_1'))];
  expect([told(), other.conversation?.id === id]).toEqual([[...asked, found('call_1', 'found again')], false]);
  await saved(other.conversation?.id ?? '');
  await respond({ input: [output('call_1', 'the rest')], previous_response_id: second.id });
  const steps = [
    ...asked,
    found('call_1', 'found'),
    calling(null, functionCall('call_1')),
    found('call_1', 'the rest'),
  ];
  expect(told()).toEqual(steps);
});

test('a call that its client ignores is not sent to the model, and accepts no output later', async () => {
  runner.reply = calls('Wait.', functionCall('call_1'), functionCall('call_2'));
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = () => completion('It is 42.');
  await respond({ input: [output('call_2', '2')], previous_response_id: first.id });
  expect(told()).toEqual([user('One?'), calling('Wait.', functionCall('call_2')), found('call_2', '2')]);
  await saved(id);
  await respond({ input: 'Never mind.', conversation: id });
  await saved(id);
  const count = runner.requests.length;
  const late = respond({ input: [output('call_1', '1')], conversation: id });
  expect(await late.catch((thrown: unknown) => thrown)).toBeInstanceOf(BadRequestError);
  expect(runner.requests.length).toBe(count);
});

test('an output without a call is refused by its name, before any request to the runner', async () => {
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  const count = runner.requests.length;
  for (const more of [{}, { previous_response_id: first.id }, { conversation: id }]) {
    const refused = respond({ input: [user('And?'), output('call_x', '1')], ...more });
    const error = await refused.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ code: 'invalid_request', param: 'input[1].call_id' });
    expect(String(error)).toMatch(/no call "call_x" waits for its output.* send its function_call item along/);
  }
  expect([runner.requests.length, (await stored(id)).length]).toEqual([count, 2]);
});

test('a call of another user cannot be answered', async () => {
  runner.reply = calls(null, functionCall('call_1'));
  const first = await respond({ input: 'One?', store: true });
  await saved(first.conversation?.id ?? '');
  const count = runner.requests.length;
  const input = [output('call_1', '1')];
  for (const more of [{ previous_response_id: first.id }, { conversation: first.conversation?.id ?? '' }]) {
    const asked = stranger.responses.create({ model: 'plain', input, ...more });
    expect(await asked.catch((thrown: unknown) => thrown)).toBeInstanceOf(NotFoundError);
  }
  expect(runner.requests.length).toBe(count);
});

test('an answer asked for again on the page has the results of the one that it replaces', async () => {
  runner.reply = calls(null, functionCall('call_1'));
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = () => Response.json({ error: { message: 'Too busy.' } }, { status: 500 });
  await respond({ input: [output('call_1', '1')], previous_response_id: first.id }).catch(() => undefined);
  const failed = (await stored(id)).at(-1);
  expect(failed?.status).toBe('failed');
  const out = pipe();
  out.write(chunk('It is 42.') + DONE);
  out.close();
  runner.reply = () => out.response();
  await alice.request(`/messages/${failed?.id}/retry`, { method: 'POST' });
  await saved(id);
  const last = (await stored(id)).at(-1);
  runner.reply = () => completion('It is 43.');
  await respond({ input: 'Sure?', previous_response_id: `resp_${last?.id}` });
  const turn = [user('One?'), calling(null, functionCall('call_1')), found('call_1', '1')];
  expect(told()).toEqual([...turn, { role: 'assistant', content: 'It is 42.' }, user('Sure?')]);
});
