/** What clients of the predecessor may do that others do not: `null`, JSON without a type, one port, `detail`. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { problemOf } from '../support/runners';
import { completion, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('predecessor');
let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  const personas = { extra_models: ['claw/main', 'claw/coder'], model: 'claw/main' };
  const backends = [
    memoryBackend('claw', personas, runner.program),
    memoryBackend('fixed', { extra_models: ['fixed/main'], model: 'fixed' }, runner.program),
  ];
  router = await startRouter({ backends, env: { FRONTEND_PORT: '18123' } });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

test('null counts as absent: where a member may be left out, and where it may not', async () => {
  const body = { email: 'null@example.org', password: 'a-long-password', name: null, invite_code: null };
  const signUp = await router.request('/auth/signup', { method: 'POST', body });
  expect([signUp.status, ((await signUp.json()) as { user: object }).user]).toMatchObject([200, { name: null }]);
  const idle = await alice.request('/api/runners/claw/idle', { method: 'PUT', body: { idle_seconds: null } });
  expect(idle.status).toBe(422);
  const login = { email: ADMIN.email, password: null };
  expect((await router.request('/auth/login', { method: 'POST', body: login })).status).toBe(422);
});

test('a body without a Content-Type is JSON, and one with another type is refused', async () => {
  const body = new TextEncoder().encode(JSON.stringify({ email: PEOPLE.alice.email, password: PEOPLE.alice.password }));
  const plain = await fetch(`${router.url}/auth/login`, { method: 'POST', body });
  expect(plain.status).toBe(200);
  const headers = { 'content-type': 'text/plain' };
  const typed = await fetch(`${router.url}/auth/login`, { method: 'POST', body, headers });
  expect(typed.status).toBe(400);
  const notJson = new TextEncoder().encode('email=x&password=y');
  expect((await fetch(`${router.url}/auth/login`, { method: 'POST', body: notJson })).status).toBe(400);
});

test("a refusal of /v1 has the predecessor's detail beside OpenAI's error", async () => {
  const body = { model: 'nope', messages: [] };
  const response = await alice.request('/v1/chat/completions', { method: 'POST', body });
  const { error, detail } = (await response.json()) as { error: { message: string }; detail: string };
  expect([response.status, detail]).toEqual([404, error.message]);
});

test('the internal port tells where the public paths are, and serves none of them', async () => {
  for (const [method, path] of [
    ['GET', '/v1/models'],
    ['POST', '/v1/chat/completions'],
    ['POST', '/auth/login'],
    ['GET', '/api/backends'],
  ] as const) {
    const response = await fetch(`${router.internalUrl}${path}`, { method, headers: { cookie: alice.cookie } });
    expect(response.status).toBe(404);
    expect((await problemOf(response)).detail).toContain('port 18123');
  }
});

test('a persona of a backend that knows it is asked, and one that is not there is refused by name', async () => {
  const asked = async (model: string) => {
    runner.reply = () => completion('yes');
    const body = { model, messages: [{ role: 'user', content: 'hello' }] };
    const response = await alice.request('/v1/chat/completions', { method: 'POST', body });
    return response.ok
      ? JSON.parse(runner.requests.at(-1)?.text ?? '{}').model
      : [response.status, await response.text()];
  };
  expect(await asked('claw')).toBe('claw/main');
  expect(await asked('claw/main')).toBe('claw/main');
  expect(await asked('claw/coder')).toBe('claw/coder');
  expect(await asked('claw/researcher')).toEqual([404, expect.stringContaining('claw/researcher')]);
  expect(await asked('fixed/main')).toBe('fixed');
  expect((await alice.request('/v1/models/claw/main')).status).toBe(200);
  expect((await alice.request('/v1/models/claw/researcher')).status).toBe(404);
});
