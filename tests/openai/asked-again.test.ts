/**
 * A failed request that is sent again: it gives one turn, however its client continues, and needs no Idempotency-Key.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { callingCompletion, completion, pipe, Reading, scriptedRunner, user } from '../support/scripted-runner';

const runner = scriptedRunner('asked-again');
let router: TestRouter;
let alice: Person;
/** OpenAI's client with its defaults: two retries. */
let client: OpenAI;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('plain', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
  client = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: await alice.createKey() });
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('Fine.');
});

const refusal = () => Response.json({ error: { message: 'Bad gateway.' } }, { status: 502 });
/** The runner refuses this many requests before it answers. */
function refusing(times: number): void {
  let count = 0;
  runner.reply = () => {
    count += 1;
    return count <= times ? refusal() : completion('Fine.');
  };
}
const list = () => router.context.conversations.list(alice.id);
const ended = async (id: string) =>
  until(async () => {
    await router.context.generations.settled(id);
    const page = await router.context.conversations.page(id, { limit: 99 });
    return page.every(({ status }) => status !== 'streaming') && page.map((one) => [one.role, one.content, one.status]);
  }, 'it has ended');
const chat = async (content: string, headers: Record<string, string> = {}) => {
  const body = { model: 'plain', messages: [user(content)], store: true };
  const { response } = await client.chat.completions.create(body, { headers }).withResponse();
  return response.headers.get('x-conversation-id') ?? '';
};

test('a chat that is kept and tried three times is one conversation with one message', async () => {
  const before = (await list()).length;
  refusing(2);
  const id = await chat('Once?');
  expect(await ended(id)).toEqual([
    ['user', 'Once?', 'done'],
    ['assistant', 'Fine.', 'done'],
  ]);
  expect((await list()).length).toBe(before + 1);
  // A request after a success is no retry: the same question begins another conversation.
  expect(await chat('Once?')).not.toBe(id);
});

test('in a conversation the message is stored once, and earlier messages are unchanged', async () => {
  const id = await chat('One?');
  await ended(id);
  refusing(2);
  await chat('Two?', { 'x-conversation-id': id });
  const turns = [
    ['user', 'One?', 'done'],
    ['assistant', 'Fine.', 'done'],
    ['user', 'Two?', 'done'],
    ['assistant', 'Fine.', 'done'],
  ];
  expect(await ended(id)).toEqual(turns);
  // After an answer, the same message is a new message.
  await chat('Two?', { 'x-conversation-id': id });
  expect(await ended(id)).toHaveLength(6);
});

test('another message after a failure is another turn', async () => {
  refusing(3);
  await chat('One?').catch(() => undefined);
  const [newest] = await list();
  const id = newest?.id ?? '';
  await chat('Two?', { 'x-conversation-id': id });
  expect((await ended(id)).map(([, content]) => content)).toEqual(['One?', '', 'Two?', 'Fine.']);
});

test('where the answers after a failed one are deleted, the same message is that turn again', async () => {
  refusing(3);
  await chat('First?').catch(() => undefined);
  const [newest] = await list();
  const id = newest?.id ?? '';
  await chat('Second?', { 'x-conversation-id': id });
  const [, failed] = await router.context.conversations.page(id, { limit: 9 });
  const path = `/api/conversations/${id}/messages/after/${failed?.id}`;
  expect((await alice.request(path, { method: 'DELETE' })).status).toBe(204);
  await chat('First?', { 'x-conversation-id': id });
  expect(await ended(id)).toEqual([
    ['user', 'First?', 'done'],
    ['assistant', 'Fine.', 'done'],
  ]);
});

test('a response that continues another is retried in the same conversation, and sent once', async () => {
  const respond = (body: object) => client.responses.create({ model: 'plain', store: true, ...body } as never);
  const first = (await respond({ input: 'One?' })) as OpenAI.Responses.Response;
  const id = first.conversation?.id ?? '';
  await ended(id);
  const before = (await list()).length;
  for (const goOn of [{ previous_response_id: first.id }, { conversation: id }]) {
    refusing(2);
    const input = `Two, with ${Object.keys(goOn)[0]}?`;
    await respond({ input, ...goOn });
    await ended(id);
    const { messages } = JSON.parse(runner.requests.at(-1)?.text ?? '') as { messages: { content: string }[] };
    expect(messages.filter(({ content }) => content === input)).toHaveLength(1);
  }
  expect((await list()).length).toBe(before);
  expect((await ended(id)).filter(([role]) => role === 'user')).toHaveLength(3);
});

test('a turn that continues with the outputs of the client’s tools is retried in its place', async () => {
  const call = { id: 'call_1', type: 'function' as const, function: { name: 'look', arguments: '{}' } };
  runner.reply = () => callingCompletion(null, call);
  const id = await chat('Look!');
  await ended(id);
  refusing(2);
  const messages = [
    ...[user('Look!'), { role: 'assistant' as const, content: null, tool_calls: [call] }],
    { role: 'tool' as const, tool_call_id: 'call_1', content: 'a bird' },
  ];
  await client.chat.completions.create(
    { model: 'plain', messages, store: true },
    { headers: { 'x-conversation-id': id } },
  );
  expect((await ended(id)).map(([role, content]) => [role, content])).toEqual([
    ['user', 'Look!'],
    ['assistant', ''],
    ['assistant', 'Fine.'],
  ]);
  const [, , newest] = await router.context.conversations.page(id, { limit: 9 });
  expect(newest?.results).toEqual([{ callId: 'call_1', output: 'a bird' }]);
});

test('a client that gave up and tries again finds one turn', async () => {
  const id = await chat('One?');
  await ended(id);
  const out = pipe();
  out.write(': begun\n\n');
  runner.reply = () => out.response();
  const abort = new AbortController();
  const body = { model: 'plain', messages: [user('Slow?')], stream: true as const };
  const headers = { 'x-conversation-id': id };
  await client.chat.completions.create(body, { headers, signal: abort.signal });
  abort.abort();
  expect((await ended(id)).at(-1)).toEqual(['assistant', '', 'stopped']);
  runner.reply = () => completion('Fine.');
  await chat('Slow?', headers);
  expect((await ended(id)).slice(2)).toEqual([
    ['user', 'Slow?', 'done'],
    ['assistant', 'Fine.', 'done'],
  ]);
});

test('an answer is stored as it came, streamed or not', async () => {
  const stream = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Fine.' } }] })}\n\ndata: [DONE]\n\n`;
  const events = () => new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
  for (const path of ['chat/completions', 'responses']) {
    for (const isStream of [true, false]) {
      for (const reply of [() => completion('Fine.'), events]) {
        if (path === 'responses' && !isStream && reply === events) continue;
        runner.reply = reply;
        const asked = path === 'responses' ? { input: 'Hi' } : { messages: [user('Hi')] };
        const response = await fetch(`${router.url}/v1/${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${client.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'plain', store: true, stream: isStream, ...asked }),
        });
        const text = await new Reading(response).end();
        expect(text).toContain('Fine.');
        // A client that requested the events of a response gets them.
        if (path === 'responses' && isStream) expect(text).toContain('event: response.completed');
        expect(await ended(response.headers.get('x-conversation-id') ?? '')).toEqual([
          ['user', 'Hi', 'done'],
          ['assistant', 'Fine.', 'done'],
        ]);
      }
    }
  }
});
