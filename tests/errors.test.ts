/**
 * The canonical shape of an error, on each door:
 *
 *     /v1/*  and the broker            {"error": {"message": "…", "type": "…", "param": null | "…", "code": "…"}}
 *     /api, /auth, /healthz, the rest  application/problem+json
 *                                      {"type": "about:blank", "title": "…", "status": 4xx, "detail": "…",
 *                                       "code": "…", "request_id": "req-…", "hint"?: "…", "fields"?: {"name": "…"}}
 *     a browser or htmx                a page that says what happened, with the request id
 *
 * Every answer carries `x-request-id`. What is not one of our own errors says nothing of itself.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { publicApp } from '../router/app';
import { CODES, type Code } from '../router/lib/errors';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestInit, type TestRouter } from './support/router';
import { all } from './views/dom';

let router: TestRouter;
let alice: Person;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('echo'),
      memoryBackend('off', { disabled: true }),
      memoryBackend('keyed', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }),
    ],
    env: { MAX_BODY_BYTES: '2048' },
  });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const post = (body: object | string, headers: Record<string, string> = {}): TestInit => ({
  method: 'POST',
  body,
  headers: typeof body === 'string' ? { 'content-type': 'application/json', ...headers } : headers,
});
const html = { accept: 'text/html' };
const isRequestId = expect.stringMatching(/^req-[0-9a-f]{24}$/);

async function expectProblem(response: Response, code: Code, more: Record<string, unknown> = {}): Promise<void> {
  const body: unknown = await response.json();
  expect(body).toEqual({
    type: 'about:blank',
    title: expect.any(String),
    status: CODES[code].status,
    detail: expect.stringMatching(/./),
    code,
    request_id: isRequestId,
    ...more,
  });
  expect(response.status).toBe(CODES[code].status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('x-request-id')).toBe((body as { request_id: string }).request_id);
}

/** @param isPublic clients of the predecessor read `detail`; runners do not call the public listener. */
async function expectOpenAi(
  response: Response,
  code: Code,
  { param = null, isPublic = true }: { param?: string | null; isPublic?: boolean } = {},
): Promise<void> {
  expect((await response.json()) as unknown).toEqual({
    ...(isPublic && { detail: expect.stringMatching(/./) }),
    error: {
      ...{ message: expect.stringMatching(/./), type: CODES[code].type, param },
      // On this door a credential that is missing or not good has OpenAI's name.
      code: code === 'signed_out' ? 'invalid_api_key' : code,
    },
  });
  expect(response.status).toBe(CODES[code].status);
  expect(response.headers.get('content-type')).toStartWith('application/json');
  expect(response.headers.get('x-request-id')).toEqual(isRequestId);
}

async function expectPage(response: Response, code: Code): Promise<void> {
  const markup = await response.text();
  expect(response.status).toBe(CODES[code].status);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(await all(markup, 'h1')).toHaveLength(1);
  expect(markup).toContain(response.headers.get('x-request-id') ?? 'no request id');
}

test('/api and /auth answer problem+json', async () => {
  const { request } = alice;
  await expectProblem(await router.request('/nowhere'), 'not_found');
  await expectProblem(await router.request('/auth/me'), 'signed_out');
  await expectProblem(
    await router.request('/auth/login', post({ email: 'a@b.c', password: 'x' })),
    'wrong_credentials',
  );
  await expectProblem(await router.request('/auth/login', post('{"email')), 'invalid_request');
  await expectProblem(await router.request('/auth/login', post({})), 'invalid_fields', { fields: expect.anything() });
  await expectProblem(await router.request('/api/runners/echo/start', { method: 'POST' }), 'signed_out');
  await expectProblem(await request('/api/runners/nope/start', { method: 'POST' }), 'not_found');
  await expectProblem(await request('/api/runners/off/start', { method: 'POST' }), 'backend_disabled');
  const missing = { LLM_BASE_URL: 'Not set', LLM_API_KEY: 'Not set', LLM_MODEL: 'Not set' };
  await expectProblem(await request('/api/runners/keyed/start', { method: 'POST' }), 'credentials_missing', {
    fields: missing,
  });
  const elsewhere = { 'sec-fetch-site': 'cross-site' };
  await expectProblem(await request('/auth/logout', { method: 'POST', headers: elsewhere }), 'forbidden');
  const rebound = { headers: { host: 'rebound.example' } };
  await expectProblem(await request('/api/backends', rebound), 'misdirected', { hint: expect.any(String) });
});

test("/v1 answers in OpenAI's shape", async () => {
  const { request } = alice;
  const chat = (model: string): TestInit => post({ model, messages: [{ role: 'user', content: 'hi' }] });
  await expectOpenAi(await router.request('/v1'), 'not_found');
  await expectOpenAi(await router.request('/v1/models'), 'signed_out');
  await expectOpenAi(await router.request('/v1/models', { headers: { authorization: 'Bearer sk-x' } }), 'signed_out');
  await expectOpenAi(await request('/v1/models/nope'), 'model_not_found', { param: 'model' });
  await expectOpenAi(await request('/v1/chat/completions', chat('nope')), 'model_not_found', { param: 'model' });
  await expectOpenAi(await request('/v1/chat/completions', chat('')), 'invalid_request', { param: 'model' });
  await expectOpenAi(await request('/v1/chat/completions', post('{"mod')), 'invalid_request');
  await expectOpenAi(await request('/v1/chat/completions', chat('off')), 'backend_disabled');
  await expectOpenAi(await request('/v1/chat/completions', chat('keyed')), 'credentials_missing');
  await expectOpenAi(await request('/v1/files?model=echo'), 'not_found');
  await expectOpenAi(await request('/v1/chat/completions', post({ model: 'x'.repeat(4096) })), 'too_large');
  await expectOpenAi(await request('/v1/models', { headers: { host: 'rebound.example' } }), 'misdirected');
});

test("a missing, unknown or malformed key gets OpenAI's error, and only on /v1", async () => {
  for (const authorization of [undefined, 'Bearer sk-x', 'Bearer ', 'Basic eDp5', 'sk-x']) {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await router.request('/v1/chat/completions', { method: 'POST', headers });
    const { error } = (await response.json()) as { error: object };
    expect([response.status, error]).toMatchObject([
      401,
      { type: 'invalid_request_error', code: 'invalid_api_key', param: null },
    ]);
  }
  await expectProblem(await router.request('/api/me/keys'), 'signed_out');
});

test('a browser gets a page, and is sent to sign in first where that is what it lacks', async () => {
  await expectPage(await alice.request('/nowhere', { headers: html }), 'not_found');
  await expectPage(await alice.request('/conversations/none', { headers: html }), 'not_found');
  await expectPage(await alice.request('/', { headers: { ...html, host: 'rebound.example' } }), 'misdirected');
  const stranger = await router.request('/settings?said=idle', { headers: html });
  expect([stranger.status, stranger.headers.get('location')]).toEqual([303, '/sign-in?next=%2Fsettings%3Fsaid%3Didle']);
  // Nothing is lost by a redirect that a form could not repeat.
  await expectPage(await router.request('/settings/keys', { ...post({ name: 'x' }), headers: html }), 'signed_out');
  await expectPage(await router.request('/settings', { headers: { 'hx-request': 'true' } }), 'signed_out');
});

test('the internal listener answers in the same shapes', async () => {
  const ask = (path: string) => fetch(router.internalUrl + path);
  await expectOpenAi(await ask('/upstream/v1/models'), 'signed_out', { isPublic: false });
  await expectProblem(await ask('/nowhere'), 'not_found');
  await expectProblem(await ask('/settings'), 'not_found');
});

test('an answer that is no error has a request id too', async () => {
  const signedIn = ['/', '/settings', '/auth/me', '/api/backends', '/v1/models', '/healthz', '/assets/app.js'];
  for (const path of signedIn) {
    const response = await alice.request(path);
    expect([path, response.status < 400, response.headers.get('x-request-id')]).toEqual([path, true, isRequestId]);
  }
});

test('a refusal does not repeat what was sent', async () => {
  const sent = 'tr0ub4dor';
  const answers = [
    router.request('/auth/login', post({ email: sent, password: sent })),
    router.request('/auth/login', post({ email: { [sent]: sent }, password: [sent] })),
    router.request('/auth/login', post(`{"password": "${sent}"`)),
    router.request('/auth/signup', post({ email: sent, password: sent.slice(0, 5), name: 'x' })),
    router.request('/auth/me', { headers: { cookie: `agent_stack_session=${sent}`, authorization: `Bearer ${sent}` } }),
    alice.request('/api/runners/echo/idle', { ...post({ idle_seconds: sent }), method: 'PUT' }),
    alice.request('/api/me/env-overrides/LLM_BASE_URL', { ...post({ value: sent }), method: 'PUT' }),
    alice.request('/v1/chat/completions', post(`{"model": "${sent}"`)),
    alice.request('/v1/chat/completions', { headers: { authorization: `Bearer ${sent}` }, method: 'POST' }),
  ];
  for (const answer of await Promise.all(answers)) {
    expect(answer.status).toBeWithin(400, 500);
    expect(await answer.text()).not.toContain(sent.slice(0, 5));
  }
});

test('an error that is not ours says nothing of itself, on any door', async () => {
  await using broken = await startRouter();
  const bob = await broken.person(PEOPLE.bob);
  broken.context.database.close();
  const answers = {
    openai: await bob.request('/v1/models'),
    problem: await bob.request('/api/backends'),
    health: await broken.request('/healthz'),
    page: await bob.request('/settings', { headers: html }),
  };
  for (const answer of Object.values(answers))
    expect(await answer.clone().text()).not.toMatch(/database|sqlite|drizzle|at \//i);
  await expectOpenAi(answers.openai, 'internal');
  await expectProblem(answers.problem, 'internal');
  await expectProblem(answers.health, 'internal');
  await expectPage(answers.page, 'internal');
});

const PUBLIC =
  /^(GET|POST) (\/sign-in(\/oidc(\/callback)?)?|\/sign-up(\/:token)?|\/reset\/:token|\/auth\/(login|signup|logout|(invitations|reset)\/:token))$|^POST \/sign-out$|^POST \/\*$|^GET (\/healthz|\/readyz|\/assets\/.+|\/openapi\.json|\/docs(\/:part)?)$/;

test('every route except the listed public ones requires a signed-in user', async () => {
  const app = await publicApp(router.context, { jwtSecret: 'for the list of routes only' } as never);
  const routes = app.routes.map(({ method, path }) => ({ method: method === 'ALL' ? 'POST' : method, path }));
  const closed = routes.filter(({ method, path }) => !PUBLIC.test(`${method} ${path}`));
  expect(closed.length).toBeGreaterThan(25);
  expect(routes.filter(({ method, path }) => PUBLIC.test(`${method} ${path}`)).length).toBeGreaterThan(8);
  for (const { method, path } of closed) {
    const place = path.replace(/:\w+|\*/g, 'x');
    const program = await router.request(place, { method });
    expect([method, path, program.status]).toEqual([method, path, 401]);
    const browser = await router.request(place, { method, headers: html });
    const asked = path.startsWith('/v1/') || method !== 'GET' ? 401 : 303;
    expect([method, path, browser.status]).toEqual([method, path, asked]);
    if (asked === 303) expect(browser.headers.get('location')).toStartWith('/sign-in');
  }
});

test('a page that does not exist keeps the sidebar of a signed-in user, and shows a stranger none', async () => {
  const alice = await router.person(PEOPLE.alice);
  const html = { headers: { accept: 'text/html' } };
  const missing = await alice.request('/conversations/none', html);
  expect([missing.status, await all(await missing.text(), '#sidebar')]).toEqual([404, [expect.anything()]]);
  const nowhere = await alice.request('/nowhere', html);
  expect([nowhere.status, await all(await nowhere.text(), '#sidebar')]).toEqual([404, [expect.anything()]]);
  const stranger = await router.request('/nowhere', html);
  expect([stranger.status, await all(await stranger.text(), '#sidebar')]).toEqual([404, []]);
});
