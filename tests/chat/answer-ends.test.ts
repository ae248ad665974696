/** Why a model ended an answer before it was whole: kept with the answer, and told wherever the answer is. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { problemOf } from '../support/runners';
import { DONE, functionCall, pipe, scriptedRunner } from '../support/scripted-runner';
import { watchStream } from '../support/watch';
import { all } from '../views/dom';

const runner = scriptedRunner('answer-ends');
let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const piece = (delta: object, finish_reason: string | null = null) =>
  event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
const ofResponse = (type: string, reason: string) =>
  event({ type, response: { status: 'incomplete', incomplete_details: { reason } } });

/** An answer that ends with these events. */
function answering(...ends: string[]): void {
  runner.reply = () => {
    const body = [piece({ content: 'Half of it' }), ...ends, DONE].join('');
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
}

async function conversation(...ends: string[]): Promise<string> {
  answering(...ends);
  const id = await beginConversation(router, alice, 'echo', 'Say it all');
  await ended(id);
  return id;
}
const ended = (id: string) =>
  until(async () => (await router.context.conversations.newest(id))?.status !== 'streaming', 'the answer has ended');

interface Told {
  readonly role: string;
  readonly status: string;
  readonly incomplete?: string;
  readonly failure?: object;
}
const read = async (id: string) =>
  ((await (await alice.request(`/api/conversations/${id}`)).json()) as { messages: Told[] }).messages;
const pageOf = async (id: string) => (await alice.request(`/conversations/${id}`)).text();
const exported = async (id: string, format: string) =>
  (await alice.request(`/api/conversations/${id}/export?format=${format}`)).text();

test('whatever a server calls it, the end of an answer that is not whole is kept', async () => {
  for (const [end, incomplete] of [
    [piece({}, 'length'), 'length'],
    [piece({}, 'max_tokens'), 'length'],
    [piece({}, 'MAX_TOKENS'), 'length'],
    [piece({}, 'content_filter'), 'content_filter'],
    [piece({}, 'SAFETY'), 'content_filter'],
    [ofResponse('response.incomplete', 'max_output_tokens'), 'length'],
    [ofResponse('response.incomplete', 'content_filter'), 'content_filter'],
    [piece({}, 'stop'), undefined],
    [piece({}, 'tool_calls'), undefined],
    [piece({}, 'a-word-that-nobody-knows'), undefined],
    ['', undefined],
  ] as const) {
    const [, answer] = await read(await conversation(end));
    expect([end, answer?.status, answer?.incomplete]).toEqual([end, 'done', incomplete]);
  }
});

test('an answer with several ends has the last of them, which an empty one is not', async () => {
  for (const [ends, incomplete] of [
    [[piece({}, 'length'), piece({ content: ', and the rest' }), piece({}, 'stop')], undefined],
    [[piece({}, 'stop'), piece({ content: ', and the rest' }), piece({}, 'length')], 'length'],
    [[piece({}, 'length'), piece({}, ''), event({ choices: [], usage: {} })], 'length'],
  ] as const) {
    const [, answer] = await read(await conversation(...ends));
    expect([answer?.status, answer?.incomplete]).toEqual(['done', incomplete]);
  }
});

test('an answer that failed or was stopped says that, and not why its model had ended it', async () => {
  const failed = await conversation(piece({}, 'length'), event({ error: { message: 'No more.' } }));
  const [, failure] = await read(failed);
  expect([failure?.status, failure?.incomplete]).toEqual(['failed', undefined]);

  const stream = pipe();
  runner.reply = () => stream.response();
  const asked = runner.requests.length;
  const id = await beginConversation(router, alice, 'echo', 'Say it all');
  await runner.request(asked + 1);
  stream.write(piece({ content: 'Half' }) + piece({}, 'length'));
  const newest = await until(() => router.context.conversations.newest(id), 'the answer has begun');
  await until(() => router.context.generations.textOf(newest.id) === 'Half', 'it has said something');
  await alice.request(`/messages/${newest.id}/stop`, form({}));
  await ended(id);
  const [, stopped] = await read(id);
  expect([stopped?.status, stopped?.incomplete]).toEqual(['stopped', undefined]);
});

test('the page says that an answer was cut, and has a button that asks for the rest', async () => {
  const id = await conversation(piece({}, 'length'));
  const page = await pageOf(id);
  expect((await all(page, '.answer .note')).map(({ text }) => text)).toEqual([
    'The answer was cut: it reached the limit of tokens.',
  ]);
  const [button] = await all(page, '.go-on');
  const [text] = await all(page, '.go-on input[name="text"]');
  expect(button?.text).toBe('Continue');

  const asked = runner.requests.length;
  answering(piece({}, 'stop'));
  const sent = await alice.request(button?.attributes.action ?? '', form({ text: text?.attributes.value ?? '' }));
  expect(sent.status).toBe(303);
  const { messages } = JSON.parse((await runner.request(asked + 1)).text) as { messages: { content: string }[] };
  expect(messages.map(({ content }) => content)).toEqual(['Say it all', 'Half of it', 'Continue where you stopped.']);
  await ended(id);
  const after = await pageOf(id);
  expect((await all(after, '.answer .note')).length).toBe(1);
  expect(await all(after, '.go-on')).toEqual([]);
});

test('an answer that a filter cut says what to do, in the language of its reader', async () => {
  const id = await conversation(piece({}, 'content_filter'));
  const noteFor = async (language: string) => {
    const response = await alice.request(`/conversations/${id}`, { headers: { 'accept-language': language } });
    const page = await response.text();
    expect(await all(page, '.go-on')).toEqual([]);
    return (await all(page, '.answer .note'))[0]?.text;
  };
  expect(await noteFor('en')).toContain('Ask in other words.');
  expect(await noteFor('zh-CN')).toContain('请换一种说法。');
});

test('a model that used up its tokens before it said a word is cut, and not without an answer', async () => {
  runner.reply = () =>
    new Response([piece({ reasoning_content: 'Hm.' }), piece({}, 'length'), DONE].join(''), {
      headers: { 'content-type': 'text/event-stream' },
    });
  const id = await beginConversation(router, alice, 'echo', 'Think');
  await ended(id);
  const [note] = await all(await pageOf(id), '.answer .note');
  expect(note?.text).toBe('The answer was cut: it reached the limit of tokens.');
});

test('a call of a tool that was cut is shown as far as it came, and as cut', async () => {
  const call = { index: 0, ...functionCall('c1', 'write_file', '{"path": "a') };
  const id = await conversation(piece({ tool_calls: [call] }), piece({}, 'length'));
  const page = await pageOf(id);
  expect((await all(page, '.step summary'))[0]?.text).toBe('Used write_file · cut');
  expect((await all(page, '.step pre'))[0]?.text).toBe('{"path": "a');
  expect((await all(page, '.answer .note'))[0]?.text).toContain('was cut');
});

test('the line of many calls says that the last of them was cut', async () => {
  const args = ['{}', '{}', '{}', '{}', '{"path": "a'];
  const tool_calls = args.map((text, index) => ({ index, ...functionCall(`c${index}`, 'write_file', text) }));
  const page = await pageOf(await conversation(piece({ tool_calls }), piece({}, 'length')));
  expect((await all(page, '.steps-fold summary'))[0]?.text).toBe('Used 5 tools · cut');
});

test('an open page is told with the end, and so is who cannot see it', async () => {
  const stream = pipe();
  runner.reply = () => stream.response();
  const id = await beginConversation(router, alice, 'echo', 'Say it all');
  const url = /hx-sse:connect="([^"]+)"/.exec(await pageOf(id))?.[1]?.replaceAll('&amp;', '&') ?? '';
  await using page = await watchStream(router.url + url, { cookie: alice.cookie });
  stream.write(piece({ content: 'Half of it' }) + piece({}, 'length') + DONE);
  stream.close();
  const end = await page.saw('data-status="done"');
  const parts = end.replaceAll('hx-partial', 'section');
  expect((await all(parts, '.answer .note'))[0]?.text).toContain('was cut');
  expect((await all(parts, '.go-on button'))[0]?.text).toBe('Continue');
  expect((await all(parts, '[hx-target="#status"]'))[0]?.text).toBe('Answer cut');
});

test('an exported answer says why it was cut, and an import brings it back', async () => {
  const id = await conversation(piece({}, 'length'));
  expect(await exported(id, 'markdown')).toContain('*The answer was cut: it reached the limit of tokens.*');
  const file = JSON.parse(await exported(id, 'json')) as { messages: Told[] };
  expect(file.messages.map(({ incomplete }) => incomplete)).toEqual([undefined, 'length']);

  const send = (body: object) => alice.request('/api/conversations/import?backend=echo', { method: 'POST', body });
  const made = (await (await send(file)).json()) as { conversation: { id: string } };
  expect((await read(made.conversation.id)).map(({ incomplete }) => incomplete)).toEqual([undefined, 'length']);
  expect((await all(await pageOf(made.conversation.id), '.answer .note'))[0]?.text).toContain('was cut');

  const wrong = { ...file, messages: [{ role: 'assistant', content: 'x', incomplete: 'bored' }] };
  const refused = await send(wrong);
  expect(refused.status).toBe(400);
  expect((await problemOf(refused)).detail).toContain(
    'file/messages/0/incomplete: expected "length" or "content_filter"',
  );
});

test('a stream of the API tells it with the message', async () => {
  const id = await conversation(piece({}, 'length'));
  const headers = { cookie: alice.cookie, 'last-event-id': '1' };
  await using stream = await watchStream(`${router.url}/api/conversations/${id}/stream`, headers);
  const { payload } = JSON.parse(await stream.saw('"kind":"message"')) as { payload: Told };
  expect(payload).toMatchObject({ status: 'done', incomplete: 'length' });
});

test('a stored response is incomplete as the one that its client was sent', async () => {
  const client = await alice.openai();
  for (const [finish, reason] of [
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ] as const) {
    runner.reply = () => {
      const message = { role: 'assistant', content: 'Half', tool_calls: [functionCall('c1', 'add', '{"a"')] };
      return Response.json({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason: finish }] });
    };
    const { id, output } = await client.responses.create({ model: 'echo', input: 'All of it', store: true });
    const stored = await until(async () => {
      const response = await client.responses.retrieve(id);
      return response.status === 'in_progress' ? undefined : response;
    }, 'it is stored');
    expect(stored).toMatchObject({ status: 'incomplete', incomplete_details: { reason }, error: null } as object);
    const statuses = (items: readonly object[]) => items.map((item) => (item as { status: string }).status);
    expect(statuses(stored.output)).toEqual(['incomplete', 'incomplete']);
    expect(statuses(output)).toEqual(statuses(stored.output));
  }
});
