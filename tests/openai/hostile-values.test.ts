/** Values and bytes that no client means: each is answered, or refused in words, and none is a fault of the router's. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { memoryBackend, PEOPLE, startRouter, type TestRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('hostile-values');
let router: TestRouter;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('echo', { context_window: 128_000, max_tokens: 4_096 }, runner.program)],
  });
  key = await (await router.person(PEOPLE.alice)).createKey();
});
afterAll(() => router[Symbol.asyncDispose]());

const auth = () => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
const MESSAGES = [{ role: 'user', content: 'Hi' }];

async function ask(path: 'chat/completions' | 'responses', body: object, headers: Record<string, string> = {}) {
  const usual = path === 'responses' ? { input: 'Hi' } : { messages: MESSAGES };
  const response = await fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { ...auth(), ...headers },
    body: JSON.stringify({ model: 'echo', ...usual, ...body }),
  });
  return { status: response.status, text: await response.text() };
}

test('a model says its context window and its longest answer where its backend says them', async () => {
  const response = await fetch(`${router.url}/v1/models/echo`, { headers: auth() });
  expect((await response.json()) as object).toMatchObject({ context_window: 128_000, max_tokens: 4_096 });
});

test.each([[{}], [[]], [5], [true], [{ id: 5 }], [{ toString: 1 }], [{ id: { toString: 1, valueOf: 1 } }]])(
  'an id that is no text is refused by the name of its member: %j',
  async (value) => {
    for (const member of ['previous_response_id', 'conversation']) {
      const { status, text } = await ask('responses', { [member]: value });
      expect([status, JSON.parse(text).error.param]).toEqual([400, member]);
    }
  },
);

test.each(['\0', '\u202eecho', 'echo😀', '\ud800', 'x'.repeat(100_000), '@', '__proto__', 'constructor', '../echo'])(
  'a model that is none is not found, and told in few words: %p',
  async (model) => {
    const { status, text } = await ask('chat/completions', { model });
    expect([status, JSON.parse(text).error.code, text.length < 2_000]).toEqual([404, 'model_not_found', true]);
  },
);

test.each(['stream', 'store'])(
  'a %s that is neither true nor false is refused by its name, and null is none',
  async (param) => {
    for (const path of ['chat/completions', 'responses'] as const) {
      for (const value of ['true', 'false', 'yes', 1, 0, '', {}, []]) {
        const { status, text } = await ask(path, { [param]: value });
        expect([status, JSON.parse(text).error.param]).toEqual([400, param]);
      }
      expect((await ask(path, { [param]: null })).status).toBe(200);
    }
  },
);

test('members of a strange kind are the runner’s to judge, and end no request as a fault of the router’s', async () => {
  const tools = Array.from({ length: 10_000 }, (_, at) => ({ type: 'function', function: { name: `f${at}` } }));
  const members: object[] = [
    ...[{ max_tokens: -1 }, { n: 1e15 }, { n: null }, { stream_options: null, stream: true }],
    ...[{ tools }, { tools: 'x' }, { tools: [null] }, { user: {} }, { metadata: 'x', store: true }],
    ...[{ messages: null }, { messages: [] }, { messages: [null] }, { messages: [{ role: '__proto__' }], store: true }],
    { messages: [{ role: 'user', content: { toString: 1 } }], store: true },
    { messages: [{ role: 'user', content: [null, 1, { type: 'text', text: { toString: 1 } }] }], store: true },
    { messages: [{ role: 'user', content: '\ud800\0\u202e' }], store: true },
    { messages: [{ role: 'tool', tool_call_id: { toString: 1 }, content: { toString: 1 } }], store: true },
    { metadata: { conversation_id: { toString: 1 } } },
  ];
  for (const member of members) {
    const { status } = await ask('chat/completions', member);
    expect([JSON.stringify(member).slice(0, 80), status < 500]).toEqual([JSON.stringify(member).slice(0, 80), true]);
  }
  const items: object[] = [
    ...[{ input: null }, { input: [null] }, { input: [{ type: '__proto__' }] }, { input: [{ toString: 1 }] }],
    ...[{ input: [{ type: 'item_reference', id: { toString: 1 } }] }, { tools: [{ type: 'function' }] }],
    { input: [{ type: 'function_call_output', call_id: { toString: 1 }, output: { toString: 1 } }] },
    { input: [{ type: 'function_call', call_id: { toString: 1 }, name: { toString: 1 }, arguments: { toString: 1 } }] },
    { input: [{ role: { toString: 1 }, content: { toString: 1 } }] },
    ...[{ reasoning: 'x' }, { text: 5 }, { instructions: {} }, { include: {} }, { max_output_tokens: -5 }],
    { tools: [{ type: 'namespace', name: '\0', tools: [{ type: 'function', name: { toString: 1 } }] }] },
    { tool_choice: { type: 'function', name: { toString: 1 }, namespace: { toString: 1 } } },
  ];
  for (const item of items) {
    const { status } = await ask('responses', item);
    expect([JSON.stringify(item), status < 500]).toEqual([JSON.stringify(item), true]);
  }
});

/** Sends bytes, and returns the status of the first answer; nothing if the connection ends without one. */
function status(bytes: string): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const socket = connect(Number(new URL(router.url).port), '127.0.0.1', () => socket.write(bytes, 'latin1'));
  socket.on('error', () => resolve(undefined)).on('close', () => resolve(undefined));
  socket.on('data', (data) => {
    resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString('latin1'))?.[1]));
    socket.destroy();
  });
  return promise;
}

const BODY = JSON.stringify({ model: 'echo', messages: MESSAGES });
const head = (more: string, method = 'POST') =>
  `${method} /v1/chat/completions HTTP/1.1\r\nhost: ${new URL(router.url).host}\r\nauthorization: Bearer ${key}\r\n` +
  `content-type: application/json\r\n${more}\r\n`;
const LENGTH = `content-length: ${BODY.length}\r\n`;

test.each([
  ['two lengths that differ', 400, () => head(`${LENGTH}content-length: 5\r\n`) + BODY],
  ['a negative length', 400, () => head('content-length: -1\r\n') + BODY],
  ['a length beyond all numbers', 400, () => head('content-length: 99999999999999999999\r\n') + BODY],
  ['a length and chunks', 400, () => head(`${LENGTH}transfer-encoding: chunked\r\n`) + BODY],
  ['a chunk of a negative size', 400, () => `${head('transfer-encoding: chunked\r\n')}-1\r\nabc`],
  ['a NUL in a header', 400, () => head(`${LENGTH}x-a: a\0b\r\n`) + BODY],
  ['10,000 headers', 431, () => head('x: y\r\n'.repeat(10_000) + LENGTH) + BODY],
  [
    'an Idempotency-Key of a megabyte',
    431,
    () => head(`idempotency-key: ${'k'.repeat(1_048_576)}\r\n${LENGTH}`) + BODY,
  ],
  ['an Idempotency-Key of 8 KB', 400, () => head(`idempotency-key: ${'k'.repeat(8_000)}\r\n${LENGTH}`) + BODY],
  ['a WebSocket', 405, () => head('connection: upgrade\r\nupgrade: websocket\r\n', 'GET')],
  ['an Expect that asks for a go-ahead', 100, () => head(`${LENGTH}expect: 100-continue\r\n`)],
  ['bytes beyond ASCII in headers', 200, () => head(`${LENGTH}x-a: \xff\xfe\x80\r\n`) + BODY],
  ['a conversation of odd bytes', 404, () => head(`${LENGTH}x-conversation-id: \xff../..\r\n`) + BODY],
])('%s: answered with %d, and the next request as ever', async (_, told, bytes) => {
  expect(await status(bytes())).toBe(told);
  expect((await ask('chat/completions', {})).status).toBe(200);
});
