/** Calls of a client's tools in stored answers: they are read back unchanged, and shown in the chat. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import { answersSaved } from '../../support/chat';
import { responder } from '../../support/responses';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../../support/router';
import {
  callingCompletion,
  chunk,
  DONE,
  functionCall,
  pipe,
  Reading,
  scriptedRunner,
  user,
} from '../../support/scripted-runner';
import { event } from '../../support/sse';

const runner = scriptedRunner('responses-calls');
let router: TestRouter;
let alice: Person;
let client: OpenAI;

beforeAll(async () => {
  const headers = { 'X-Session': `\${conversation}` };
  router = await startRouter({
    backends: [
      memoryBackend('plain', { headers }, runner.program),
      memoryBackend('native', { paths: ['responses', 'chat/completions'] }, runner.program),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  client = await alice.openai();
});
afterAll(() => router[Symbol.asyncDispose]());

const respond = responder(() => client);
/** The runner's answer calls tools. */
const calls =
  (content: string | null, ...tool_calls: object[]) =>
  () =>
    callingCompletion(content, ...tool_calls);
const stored = (id: string) => router.context.conversations.page(id, { limit: 99 });
const saved = (id: string) => answersSaved(router, id);
const delta = (delta: object) => event({ choices: [{ index: 0, delta }] });
/** A body of events that is split in the middle of each of them. */
function streamed(events: string) {
  const out = pipe();
  for (const piece of events.match(/[\s\S]{1,29}/g) ?? []) out.write(piece);
  out.close();
  return out.response();
}

const two = [functionCall('call_1', 'add', '{"a":1}'), functionCall('call_2', 'get_weather', '{}')];
/** The answers of a runner that sends text and calls two tools, in several forms. */
const TWO = {
  whole: calls('Wait.', ...two),
  stream: () =>
    streamed(
      chunk('Wait') +
        chunk('.') +
        delta({ tool_calls: [{ index: 0, ...functionCall('call_1', 'add', '') }] }) +
        delta({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }) +
        delta({ tool_calls: [{ index: 1, ...functionCall('call_2', 'get_weather', '{}') }] }) +
        delta({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }) +
        DONE,
    ),
};
const ITEMS = [
  { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Wait.' }] },
  { type: 'function_call', status: 'completed', call_id: 'call_1', name: 'add', arguments: '{"a":1}' },
  { type: 'function_call', status: 'completed', call_id: 'call_2', name: 'get_weather', arguments: '{}' },
];

/** Requests an answer that is stored, and reads it to its end. Returns the conversation. */
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

test('text between and after calls keeps its place', async () => {
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
  out.write(delta({ tool_calls: [{ index: 0, ...functionCall('call_1') }] }));
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

test('the page says what an answer called, in order and as text, and nothing of calls that were cut off', async () => {
  const page = async (id: string) => (await alice.request(`/conversations/${id}`)).text();
  runner.reply = calls(
    null,
    functionCall('call_1', 'get_weather'),
    functionCall('call_2', '<b>x</b>'),
    functionCall('call_3', 'get_weather'),
  );
  const id = await ask('chat/completions', { model: 'plain', messages: [user('Hi')] });
  const lines = [...(await page(id)).matchAll(/<code dir="ltr">([^<]*)<\/code>/g)].map(([, line]) => line);
  expect(lines).toEqual(['get_weather', '&lt;b>x&lt;/b>', 'get_weather']);
  const out = pipe();
  out.write(delta({ tool_calls: [{ index: 0, ...functionCall('call_1', 'get_weather', '{') }] }));
  runner.reply = () => out.response();
  const stream = await client.responses.create({ model: 'plain', input: 'Hi', store: true, stream: true });
  const cut = await until(async () => {
    const [newest] = await router.context.conversations.list(alice.id);
    return newest && newest.id !== id && newest.streaming ? newest.id : undefined;
  }, 'it is being written');
  await until(() => runner.session === cut, 'the runner is asked');
  stream.controller.abort();
  await until(async () => (await stored(cut)).at(-1)?.status === 'stopped', 'it is stopped');
  expect(await page(cut)).not.toContain('get_weather');
  const response = await retrieve(cut);
  expect(response).toMatchObject({ status: 'incomplete' } as object);
});

test('the page shows what a client brought back for a call', async () => {
  runner.reply = calls(null, functionCall('call_1', 'get_weather', '{"city":"Rome"}'));
  const first = await respond({ input: 'Weather?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = calls('Sunny.');
  const output = { type: 'function_call_output' as const, call_id: 'call_1', output: '21 <b>degrees</b>' };
  await respond({ input: [output], previous_response_id: first.id, store: true });
  await saved(id);
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect(page).toContain('21 &lt;b>degrees&lt;/b>');
  expect(page.indexOf('Rome')).toBeLessThan(page.indexOf('21 &lt;b>'));
});
