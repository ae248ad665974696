/** Calls of a client's tools in answers that are kept: read again, gone on from with no more than their outputs, and seen. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('responses-calls');
let router: TestRouter;
let alice: Person;
let client: OpenAI;
let stranger: OpenAI;

beforeAll(async () => {
  const headers = { 'X-Session': `\${conversation}` };
  router = await startRouter({
    backends: [
      memoryBackend('plain', { headers }, runner.program),
      memoryBackend('keeper', { history: 'last-turn', headers }, runner.program),
      memoryBackend('native', { paths: ['responses', 'chat/completions'] }, runner.program),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  const mallory = await router.person(PEOPLE.mallory);
  const baseURL = `${router.url}/v1`;
  client = new OpenAI({ baseURL, apiKey: await alice.createKey(), maxRetries: 0 });
  stranger = new OpenAI({ baseURL, apiKey: await mallory.createKey(), maxRetries: 0 });
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('It is 42.');
});

type Body = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'model'> & { model?: string };
const respond = (body: Body) => client.responses.create({ model: 'plain', ...body });
const user = (content: string) => ({ role: 'user' as const, content });
const call = (id: string, name = 'add', args = '{"a":1}') => ({
  ...{ id, type: 'function' as const, function: { name, arguments: args } },
});
const calling = (content: string | null, ...tool_calls: object[]) => ({ role: 'assistant', content, tool_calls });
const found = (tool_call_id: string, content: string) => ({ role: 'tool', tool_call_id, content });
const output = (call_id: string, output: string) => ({ type: 'function_call_output' as const, call_id, output });
/** The runner's answer calls tools. */
const calls =
  (content: string | null, ...tool_calls: object[]) =>
  () =>
    Response.json({
      ...{ id: 'c', object: 'chat.completion', created: 0, model: 'm' },
      choices: [{ index: 0, message: calling(content, ...tool_calls), finish_reason: 'tool_calls' }],
    });
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '').messages as object[];
const stored = (id: string) => router.context.conversations.page(id, { limit: 99 });
const saved = (id: string) =>
  until(async () => (await stored(id)).every(({ status }) => status === 'done'), 'the answer is saved');
const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const delta = (delta: object) => event({ choices: [{ index: 0, delta }] });
/** A body of events that is split in the middle of each of them. */
function streamed(events: string) {
  const out = pipe();
  for (const piece of events.match(/[\s\S]{1,29}/g) ?? []) out.write(piece);
  out.close();
  return out.response();
}

/** The answers of a runner that says something and calls two tools, by how they come. */
const two = [call('call_1', 'add', '{"a":1}'), call('call_2', 'get_weather', '{}')];
const TWO = {
  whole: calls('Wait.', ...two),
  stream: () =>
    streamed(
      chunk('Wait') +
        chunk('.') +
        delta({ tool_calls: [{ index: 0, ...call('call_1', 'add', '') }] }) +
        delta({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }) +
        delta({ tool_calls: [{ index: 1, ...call('call_2', 'get_weather', '{}') }] }) +
        delta({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }) +
        DONE,
    ),
};
const ITEMS = [
  { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Wait.' }] },
  { type: 'function_call', status: 'completed', call_id: 'call_1', name: 'add', arguments: '{"a":1}' },
  { type: 'function_call', status: 'completed', call_id: 'call_2', name: 'get_weather', arguments: '{}' },
];

/** Asks for an answer that is kept, and reads it to its end. Gives the conversation. */
async function ask(path: string, body: object): Promise<string> {
  const response = await fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${client.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ store: true, ...body }),
  });
  await new Reading(response).end();
  const id = response.headers.get('x-conversation-id') ?? '';
  await saved(id);
  return id;
}
const retrieve = async (conversation: string) =>
  client.responses.retrieve(`resp_${(await stored(conversation)).at(-1)?.id}`);

test.each(['whole', 'stream'] as const)('a chat’s answer keeps its calls beside its text: %s', async (how) => {
  runner.reply = TWO[how];
  const id = await ask('chat/completions', { model: 'plain', messages: [user('Hi')], stream: how === 'stream' });
  const response = await retrieve(id);
  expect(response.output as object[]).toMatchObject(ITEMS);
  expect([response.status, response.output_text]).toEqual(['completed', 'Wait.']);
});

test('a response is read again as it came, item by item', async () => {
  runner.reply = TWO.whole;
  const whole = await respond({ input: 'Hi', store: true });
  await saved(whole.conversation?.id ?? '');
  runner.reply = TWO.stream;
  const stream = client.responses.stream({ model: 'plain', input: 'Hi', store: true });
  const end = await stream.finalResponse();
  await saved(end.conversation?.id ?? '');
  for (const { id, output } of [whole, end]) {
    expect(output as object[]).toMatchObject(ITEMS);
    const again = (await client.responses.retrieve(id)).output;
    expect(again.map((item) => item.id)).toEqual(output.map((item) => item.id));
    expect(again as object[]).toMatchObject(ITEMS);
  }
});

test('what is said between and after calls stays where it was', async () => {
  const said = (text: string) => ({ type: 'message', content: [{ type: 'output_text', text }] });
  const called = { type: 'function_call', call_id: 'call_1', name: 'add', arguments: '{}' };
  const output = [said('One.'), called, said('Two.')];
  runner.reply = () => Response.json({ id: 'own', object: 'response', output });
  const whole = await ask('responses', { model: 'native', input: 'Hi' });
  const added = { type: 'response.output_item.added', output_index: 1, item: { ...called, arguments: '' } };
  const text = (delta: string) => event({ type: 'response.output_text.delta', delta });
  const done = { type: 'response.output_item.done', output_index: 1, item: called };
  const completed = { type: 'response.completed', response: { output } };
  runner.reply = () => streamed(text('One.') + event(added) + text('Two.') + event(done) + event(completed));
  const stream = await ask('responses', { model: 'native', input: 'Hi', stream: true });
  for (const id of [whole, stream]) expect((await retrieve(id)).output as object[]).toMatchObject(output);
});

test('something else in the place of calls is no call, and takes nothing from the answer', async () => {
  for (const tool_calls of [null, {}, 'x', [null, 1, {}, { function: null }, { id: 1, function: { name: 2 } }]]) {
    runner.reply = () => streamed(chunk('Fine.') + delta({ tool_calls }) + DONE);
    const id = await ask('chat/completions', { model: 'plain', messages: [user('Hi')], stream: true });
    expect((await retrieve(id)).output as object[]).toMatchObject([{ content: [{ text: 'Fine.' }] }]);
  }
});

test('law 17: calls are kept of an answer whose client has left', async () => {
  const out = pipe();
  out.write(delta({ tool_calls: [{ index: 0, ...call('call_1') }] }));
  runner.reply = () => out.response();
  const abort = new AbortController();
  const headers = { 'x-agent-stack-detach': 'true' };
  const body = { model: 'plain', messages: [user('Hi')], stream: true as const };
  const { response } = await client.chat.completions.create(body, { headers, signal: abort.signal }).withResponse();
  const id = response.headers.get('x-conversation-id') ?? '';
  abort.abort();
  out.write(DONE);
  out.close();
  await saved(id);
  expect((await retrieve(id)).output as object[]).toMatchObject([{ type: 'function_call', call_id: 'call_1' }]);
});

test.each(['plain', 'keeper'])('outputs alone go on from the response that called, of %s', async (model) => {
  runner.reply = calls('Wait.', call('call_1'), call('call_2'));
  const first = await respond({ model, input: 'Two?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = calls(null, call('call_3'));
  const input = [output('call_1', '1'), output('call_2', '2')];
  await respond({ model, input, previous_response_id: first.id });
  const asked = [user('Two?'), calling('Wait.', call('call_1'), call('call_2')), found('call_1', '1')];
  expect(told()).toEqual([...asked, found('call_2', '2')]);
  await saved(id);
  // The next step knows what the first one found.
  runner.reply = () => completion('It is 42.');
  const third = await respond({ model, input: [output('call_3', '3')], conversation: id });
  const steps = [...asked, found('call_2', '2'), calling(null, call('call_3')), found('call_3', '3')];
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

test('outputs go before what the user says with them, and a call that is sent along is there once', async () => {
  runner.reply = calls(null, call('call_1'));
  const first = await respond({ input: 'One?', store: true });
  await saved(first.conversation?.id ?? '');
  runner.reply = () => completion('It is 42.');
  const item = { type: 'function_call' as const, call_id: 'call_1', name: 'add', arguments: '{"a":1}' };
  const said = [user('And quickly.'), item, output('call_1', '1')];
  const second = await respond({ input: said, previous_response_id: first.id });
  const asked = [user('One?'), calling(null, call('call_1')), found('call_1', '1'), user('And quickly.')];
  expect(told()).toEqual(asked);
  await saved(second.conversation?.id ?? '');
  await respond({ input: 'Thanks.', previous_response_id: second.id });
  expect(told()).toEqual([...asked, { role: 'assistant', content: 'It is 42.' }, user('Thanks.')]);
});

test('outputs sent a second time make a conversation of their own, and the first one keeps its own', async () => {
  runner.reply = calls(null, call('call_1'));
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  // Ids are used again by some runtimes.
  const second = await respond({ input: [output('call_1', 'found')], previous_response_id: first.id });
  await saved(id);
  runner.reply = () => completion('It is 42.');
  const other = await respond({ input: [output('call_1', 'found again')], previous_response_id: first.id });
  const asked = [user('One?'), calling(null, call('call_1'))];
  expect([told(), other.conversation?.id === id]).toEqual([[...asked, found('call_1', 'found again')], false]);
  await saved(other.conversation?.id ?? '');
  await respond({ input: [output('call_1', 'the rest')], previous_response_id: second.id });
  const steps = [...asked, found('call_1', 'found'), calling(null, call('call_1')), found('call_1', 'the rest')];
  expect(told()).toEqual(steps);
});

test('a call that its client passes over is not told, and takes no output later', async () => {
  runner.reply = calls('Wait.', call('call_1'), call('call_2'));
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = () => completion('It is 42.');
  await respond({ input: [output('call_2', '2')], previous_response_id: first.id });
  expect(told()).toEqual([user('One?'), calling('Wait.', call('call_2')), found('call_2', '2')]);
  await saved(id);
  await respond({ input: 'Never mind.', conversation: id });
  await saved(id);
  const count = runner.requests.length;
  const late = respond({ input: [output('call_1', '1')], conversation: id });
  expect(await late.catch((thrown: unknown) => thrown)).toBeInstanceOf(BadRequestError);
  expect(runner.requests.length).toBe(count);
});

test('an output without a call is refused by its name, before anything is asked or stored', async () => {
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

test('somebody else’s call is not there to be answered', async () => {
  runner.reply = calls(null, call('call_1'));
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
  runner.reply = calls(null, call('call_1'));
  const first = await respond({ input: 'One?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = () => Response.json({ error: { message: 'Too busy.' } }, { status: 500 });
  await respond({ input: [output('call_1', '1')], previous_response_id: first.id }).catch(() => undefined);
  const failed = (await stored(id)).at(-1);
  expect(failed?.status).toBe('failed');
  runner.reply = () => streamed(chunk('It is 42.') + DONE);
  await alice.request(`/messages/${failed?.id}/retry`, { method: 'POST' });
  await saved(id);
  const last = (await stored(id)).at(-1);
  runner.reply = () => completion('It is 43.');
  await respond({ input: 'Sure?', previous_response_id: `resp_${last?.id}` });
  const turn = [user('One?'), calling(null, call('call_1')), found('call_1', '1')];
  expect(told()).toEqual([...turn, { role: 'assistant', content: 'It is 42.' }, user('Sure?')]);
});

test('the page says what an answer called, each name once and as text, and nothing of calls that were cut off', async () => {
  const page = async (id: string) => (await alice.request(`/conversations/${id}`)).text();
  runner.reply = calls(null, call('call_1', 'get_weather'), call('call_2', '<b>x</b>'), call('call_3', 'get_weather'));
  const id = await ask('chat/completions', { model: 'plain', messages: [user('Hi')] });
  const lines = [...(await page(id)).matchAll(/<p class="note call"[^>]*>([^<]*)<\/p>/g)].map(([, line]) => line);
  expect(lines).toEqual(['Called get_weather 2 times', 'Called &lt;b>x&lt;/b>']);
  const out = pipe();
  out.write(delta({ tool_calls: [{ index: 0, ...call('call_1', 'get_weather', '{') }] }));
  runner.reply = () => out.response();
  const stream = await client.responses.create({ model: 'plain', input: 'Hi', store: true, stream: true });
  const cut = await until(async () => {
    const [newest] = await router.context.conversations.list(alice.id);
    return newest && newest.id !== id && newest.streaming ? newest.id : undefined;
  }, 'it is being written');
  await until(() => runner.requests.at(-1)?.headers.get('x-session') === cut, 'the runner is asked');
  stream.controller.abort();
  await until(async () => (await stored(cut)).at(-1)?.status === 'stopped', 'it is stopped');
  expect(await page(cut)).not.toContain('Called');
  const response = await retrieve(cut);
  expect(response).toMatchObject({ status: 'incomplete' } as object);
});
