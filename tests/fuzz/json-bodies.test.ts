/**
 * Bodies of every route that accepts JSON: each is answered, none causes a fault of the server, and a refused one
 * stores nothing.
 */
import { afterAll, beforeAll, expect } from 'bun:test';
import fc from 'fast-check';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';
import { anyText, fuzz, mutated } from './fuzz';

const runner = scriptedRunner('fuzz-json');
runner.reply = () => completion('Hello.');
let router: TestRouter;
let admin: Person;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const MESSAGES = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'done' },
  { role: 'user', content: 'And now?' },
];
const TOOLS = [
  { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object', properties: {} } } },
];

/** A valid request for each route. */
const DOORS: readonly (readonly [method: string, path: string, body: object])[] = [
  [
    'POST',
    '/v1/chat/completions',
    { model: 'echo', messages: MESSAGES, tools: TOOLS, store: true, metadata: { a: 'b' } },
  ],
  [
    'POST',
    '/v1/chat/completions',
    { model: 'echo', messages: MESSAGES, stream: true, stream_options: { include_usage: true } },
  ],
  [
    'POST',
    '/v1/responses',
    {
      model: 'echo',
      input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }],
      instructions: 'Be brief.',
      tools: [{ type: 'function', name: 'f', parameters: {} }],
      tool_choice: 'auto',
      text: { format: { type: 'text' } },
    },
  ],
  ['PUT', '/api/me/env-overrides', { values: { LLM_MODEL: 'm' }, backend: 'echo' }],
  ['PUT', '/api/me/env-overrides/LLM_MODEL', { value: 'm' }],
  [
    'POST',
    '/api/me/keys',
    { name: 'k', scopes: ['v1'], backends: ['echo'], expires_at: 4_000_000_000, requests_per_minute: 5 },
  ],
  ['PUT', '/api/runners/echo/idle', { idle_seconds: 60 }],
  ['POST', '/auth/login', { email: 'alice@example.org', password: 'not-the-one' }],
  ['POST', '/auth/signup', { email: 'x@example.org', password: 'long-enough-1', name: 'X' }],
];
const ADMIN_DOORS: typeof DOORS = [
  ['PUT', '/api/admin/prices', { model: 'm', prompt: 1, completion: 2 }],
  ['PUT', '/api/admin/shared-env/LLM_MODEL', { shared: true }],
];

const requests = fc
  .constantFrom(
    ...DOORS.map((door) => ({ door, isAdmin: false })),
    ...ADMIN_DOORS.map((door) => ({ door, isAdmin: true })),
  )
  .chain(({ door, isAdmin }) =>
    fc
      .oneof(
        { weight: 6, arbitrary: mutated(door[2]).map((body) => JSON.stringify(body) ?? '') },
        anyText,
        cut(door[2]),
      )
      .map((body) => ({ method: door[0], path: door[1], body, isAdmin })),
  );

/** A valid body that is cut off. */
function cut(body: object): fc.Arbitrary<string> {
  const text = JSON.stringify(body);
  return fc.nat(text.length).map((length) => text.slice(0, length));
}

fuzz('a body of any shape is answered or refused in words, and never a fault of the server', {
  inputs: requests,
  async rule({ method, path, body, isAdmin }) {
    const before = (await router.context.stores.conversations.list(alice.id, 10_000)).length;
    const response = await (isAdmin ? admin : alice).request(path, {
      method,
      body,
      headers: { 'content-type': 'application/json' },
    });
    const text = await response.text();
    expect(response.status < 500 || [response.status, text.slice(0, 300)]).toBe(true);
    if (response.status < 400) return;
    const said = JSON.parse(text);
    expect(said.error?.message ?? said.detail).toBeString();
    expect((await router.context.stores.conversations.list(alice.id, 10_000)).length).toBe(before);
  },
});
