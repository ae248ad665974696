/** The broker: which runners it serves, what it passes on, and how calls end that fail. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { leasesOf } from '../support/runners';
import { eventsOf, Reading, scriptedRunner } from '../support/scripted-runner';
import { hang, startUpstream, type Upstream } from '../support/upstream';

const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const LIMIT_MS = 1_000;

const runner = scriptedRunner('broker');
let router: TestRouter;
let upstream: Upstream;
let alice: Person;
/** The environment of alice's runner. */
let baseUrl: string;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('agent', { user_overridable_env: LLM }, runner.program)],
    env: { MAX_BODY_BYTES: '20000' },
  });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  upstream = startUpstream();
  await set(upstream.url, upstream.key);
  // A body that is not read would block the runner.
  const body = { model: 'agent', messages: [] };
  await (await alice.request('/v1/chat/completions', { method: 'POST', body })).text();
  const env = runner.specs.at(-1)?.env;
  [baseUrl, key] = [env?.LLM_BASE_URL ?? '', env?.LLM_API_KEY ?? ''];
});
afterEach(() => upstream.stop());

async function set(url: string, apiKey: string, model = 'alices-model') {
  const values = { LLM_BASE_URL: url, LLM_API_KEY: apiKey, LLM_MODEL: model };
  for (const [name, value] of Object.entries(values)) {
    const response = await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
    expect(response.status).toBe(200);
  }
}

/** Makes a call as the runner does. */
function call(path: string, init: RequestInit = {}, credential = key): Promise<Response> {
  const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json', ...init.headers };
  return fetch(`${baseUrl}${path}`, { ...init, headers });
}

function complete(more: object = {}, init: RequestInit = {}): Promise<Response> {
  const body = JSON.stringify({ model: 'default', messages: [{ role: 'user', content: 'Hi' }], ...more });
  return call('/chat/completions', { method: 'POST', body, ...init });
}

async function codeOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string; type: string; message: string } };
  expect([typeof error.type, typeof error.message]).toEqual(['string', 'string']);
  return [response.status, error.code];
}

const released = () => until(() => leasesOf(router) === 0, 'the lease is released', LIMIT_MS);

test('a short answer says its length, and each the id of its request and that it is data', async () => {
  const whole = await call('/models');
  const bytes = (await whole.bytes()).length;
  expect(whole.headers.get('content-length')).toBe(String(bytes));
  const refused = await call('/nothing');
  for (const { headers } of [whole, refused, await complete({ stream: true })]) {
    expect(headers.get('x-request-id')).toMatch(/^req-\w+$/);
    expect([headers.get('content-security-policy'), headers.get('x-content-type-options')]).toEqual([
      "sandbox; default-src 'none'; frame-ancestors 'none'",
      'nosniff',
    ]);
  }
  await released();
});

test('a call goes to its owner’s upstream with their key and model, and comes back as it is', async () => {
  const whole = await complete({ temperature: 0.5, x: { y: [1] } });
  expect([whole.status, await whole.json()]).toMatchObject([
    200,
    { choices: [{ message: { content: 'Hello from upstream.' } }] },
  ]);
  const stream = await complete({ stream: true, stream_options: { include_usage: true } });
  expect(stream.headers.get('content-type')).toBe('text/event-stream');
  expect(eventsOf(await stream.text()).at(-1)).toBe('[DONE]');
  const [first] = upstream.requests;
  expect(first?.body).toMatchObject({ model: 'alices-model', temperature: 0.5, x: { y: [1] } });
  expect(first?.headers.get('authorization')).toBe(`Bearer ${upstream.key}`);
  expect((await call('/models')).status).toBe(200);
  await released();
});

test('only a runner’s key opens the broker, and only while that runner is there', async () => {
  expect((await complete()).status).toBe(200);
  const agent = router.context.runners.running()[0]?.agent;
  const access = router.context.runners.running()[0]?.runner.accessKey ?? '';
  const mine = await alice.createKey();
  for (const credential of ['', 'nope', `${key}x`, access, mine, upstream.key, key.toUpperCase()]) {
    expect(await codeOf(await call('/models', {}, credential))).toEqual([401, 'invalid_api_key']);
  }
  expect((await fetch(`${baseUrl}/models`, { headers: { cookie: alice.cookie } })).status).toBe(401);
  expect(
    (await fetch(`${router.url}/upstream/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status,
  ).toBe(404);
  await router.context.runners.stop(agent?.id ?? '', 'test');
  expect(await codeOf(await complete())).toEqual([401, 'invalid_api_key']);
});

test('only what runners need is served, with its own method', async () => {
  for (const path of [
    '/files',
    '/constructor',
    '/__proto__',
    '/chat',
    '/chat/completions/x',
    '/models/x',
    '/',
    '/..%2fmodels',
  ]) {
    expect([path, await codeOf(await call(path, { method: 'POST', body: '{}' }))]).toEqual([path, [404, 'not_found']]);
  }
  const refused = await call('/chat/completions');
  expect(refused.headers.get('allow')).toBe('POST');
  expect(await codeOf(refused)).toEqual([405, 'method_not_allowed']);
  expect(await codeOf(await call('/models', { method: 'POST', body: '{}' }))).toEqual([405, 'method_not_allowed']);
  expect(await codeOf(await call('/models', { method: 'DELETE' }))).toEqual([405, 'method_not_allowed']);
  expect(upstream.requests).toHaveLength(0);
  await released();
});

test('a body that is no JSON object, or too large, is refused', async () => {
  for (const body of ['{', '[]', '"x"', 'null']) {
    expect(await codeOf(await call('/chat/completions', { method: 'POST', body }))).toEqual([400, 'invalid_request']);
  }
  const body = JSON.stringify({ input: 'x'.repeat(20_000) });
  expect(await codeOf(await call('/embeddings', { method: 'POST', body }))).toEqual([413, 'too_large']);
  expect(upstream.requests).toHaveLength(0);
  await released();
});

test('law 22: a redirect is not followed, so the key goes to no other address', async () => {
  const followed: string[] = [];
  const fetch = (request: Request) => new Response(String(followed.push(request.url)));
  const other = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch });
  const here = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => Response.redirect(other.url.href, 307) });
  await set(`${here.url.href}v1`, upstream.key);
  const response = await complete();
  expect(response.headers.get('location')).toBeNull();
  expect(await codeOf(response)).toEqual([502, 'upstream_unreachable']);
  expect(followed).toEqual([]);
  await here.stop(true);
  await other.stop(true);
  await released();
});

test('an upstream’s error is passed on with its status, body and retry-after', async () => {
  upstream.script({ status: 429, message: 'Slow down.', code: 'rate', headers: { 'retry-after': '9' } });
  const response = await complete({ stream: true });
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '9']);
  expect(await response.json()).toEqual({
    error: { message: 'Slow down.', type: 'upstream_error', param: null, code: 'rate' },
  });
  upstream.script({ status: 504, body: '<h1>Gateway timeout</h1>' });
  const page = await complete();
  expect([page.status, page.headers.get('content-type')]).toEqual([504, 'application/octet-stream']);
  await released();
});

test('an upstream that is not there is an error in OpenAI’s shape', async () => {
  await upstream.stop();
  const response = await complete();
  expect(response.headers.get('x-request-id')).toMatch(/^req-/);
  expect(await codeOf(response)).toEqual([502, 'upstream_unreachable']);
  await released();
});

test('law 10: an upstream that is lost in the middle leaves an error event and [DONE]', async () => {
  const gate = Promise.withResolvers<void>();
  upstream.script({ pieces: ['Half', gate.promise], end: 'cut' });
  const received = new Reading(await complete({ stream: true }));
  await received.until('Half');
  gate.resolve();
  const [error, done] = eventsOf(await received.end()).slice(-2);
  expect((JSON.parse(error ?? '') as { error: object }).error).toMatchObject({
    code: 'upstream_unreachable',
    message: expect.stringContaining('LLM API'),
  });
  expect(done).toBe('[DONE]');
  await released();
});

test('a stream that its upstream closes without [DONE] is passed on as it is', async () => {
  upstream.script({ pieces: ['All.'], end: 'close' });
  const text = await (await complete({ stream: true })).text();
  expect(eventsOf(text)).toHaveLength(2);
  expect(text).not.toContain('error');
});

test('law 9: a runner that leaves ends the upstream’s request, in the middle, silent, or before the first byte', async () => {
  for (const [index, stream] of [true, false].entries()) {
    for (const script of [{ pieces: ['Half', hang()] }, { silent: true } as const]) {
      upstream.script(script);
      const client = new AbortController();
      const response = complete({ stream }, { signal: client.signal });
      response.catch(() => undefined);
      const count = upstream.requests.length + 1;
      const asked = await upstream.request(count);
      if ('pieces' in script && stream) await new Reading(await response).until('Half');
      client.abort();
      expect([index, await asked.ended]).toEqual([index, 'aborted']);
      await released();
    }
  }
});

test('law 4: a broker call holds the runner, so that it is not reaped while its upstream thinks', async () => {
  await alice.request('/api/runners/agent/idle', { method: 'PUT', body: { idle_seconds: 1 } });
  const gate = Promise.withResolvers<void>();
  upstream.script({ pieces: [gate.promise, 'Done.'] });
  const response = complete();
  await upstream.request(1);
  expect(leasesOf(router)).toBe(1);
  // Long after the idle time of the runner.
  await until(() => Date.now() - (router.context.runners.running()[0]?.status.lastActiveMs ?? 0) > 1_100, 'it idles');
  await router.context.sweep();
  expect(router.context.runners.running()).toHaveLength(1);
  gate.resolve();
  expect((await response).status).toBe(200);
  await released();
});

test('bytes of a call whose model is right already are untouched', async () => {
  const text = '{ "model": "alices-model", "seed": 12345678901234567890, "messages": [] }';
  const echo = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => new Response(await request.text()),
  });
  await set(`${echo.url.href}v1/`, upstream.key);
  expect(await (await call('/chat/completions', { method: 'POST', body: text })).text()).toBe(text);
  expect(await (await call('/embeddings', { method: 'POST', body: '{"model":"e","input":1.0}' })).text()).toContain(
    '1.0',
  );
  await echo.stop(true);
});
