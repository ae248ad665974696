/**
 * The headers of every answer. The routes are read from the apps, so that none is forgotten. Every answer that is no
 * page and no asset is data (router/web/answers/headers.ts).
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { internalApp, publicApp } from '../../router/app';
import { LLM, setValues } from '../support/broker';
import { ADMIN, memoryBackend, PEOPLE, type Person, SETTINGS, startRouter, type TestRouter } from '../support/router';
import { completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';
import { startUpstream } from '../support/upstream';

const runner = scriptedRunner('route-headers');
let router: TestRouter;
let alice: Person;
let admin: Person;

beforeAll(async () => {
  const backends = [
    memoryBackend('agent', { user_overridable_env: LLM, paths: ['chat/completions', 'files'] }, runner.program),
  ];
  router = await startRouter({ backends, env: { CORS_ORIGINS: 'https://chat.example.org', MAX_BODY_BYTES: '4096' } });
  alice = await router.person(PEOPLE.alice);
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

const DATA = "sandbox; default-src 'none'; frame-ancestors 'none'";
const PAGE = expect.stringMatching(
  /^default-src 'self'; script-src 'self'; style-src 'self'; .*frame-ancestors 'none'/,
);

/** @param what Names the answer in a failed expectation. */
function expectHeaders(what: unknown, { status, headers }: Response): void {
  const type = headers.get('content-type') ?? '';
  const isAsset = status < 400 && /^\/assets\//.test(String(Array.isArray(what) ? what[1] : what));
  const isPage = type.startsWith('text/html');
  const seen = {
    policy: headers.get('content-security-policy'),
    sniff: headers.get('x-content-type-options'),
    frame: headers.get('x-frame-options'),
    cache: headers.get('cache-control'),
    opener: headers.get('cross-origin-opener-policy'),
    resource: headers.get('cross-origin-resource-policy'),
    referrer: headers.get('referrer-policy'),
    id: headers.get('x-request-id'),
  };
  expect([what, status, seen]).toEqual([
    what,
    status,
    {
      policy: isAsset || isPage ? PAGE : DATA,
      sniff: 'nosniff',
      frame: 'DENY',
      cache: isAsset ? 'immutable, max-age=31536000' : 'no-store',
      opener: 'same-origin',
      resource: 'same-origin',
      referrer: 'same-origin',
      id: expect.stringMatching(/^req-/),
    },
  ]);
}

interface Route {
  readonly method: string;
  readonly path: string;
}

/**
 * The routes of an app, also with unsupported methods, and paths that do not exist. Routes that end the session come
 * last.
 */
function requestsOf(routes: readonly Route[]): [string, string][] {
  const places = new Set(routes.map(({ path }) => path.replace(/:\w+|\*/g, 'x')));
  const made = routes.map(({ method, path }): [string, string] => [
    method === 'ALL' ? 'POST' : method,
    path.replace(/:\w+|\*/g, 'x'),
  ]);
  const others = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'].flatMap((method) =>
    [...places, '/nowhere', '/v1', '/v1/', '/assets/none.js', '/api/none', '/upstream/v1/none'].map(
      (path): [string, string] => [method, path],
    ),
  );
  const ends = ([, path]: [string, string]) => /sign-?out|logout/.test(path);
  const all = [...made, ...others];
  return [...all.filter((one) => !ends(one)), ...all.filter(ends)];
}

test('every route of the public listener, by every method, for everybody, sends them', async () => {
  const app = await publicApp(router.context, { jwtSecret: SETTINGS.JWT_SECRET } as never);
  const requests = requestsOf(app.routes);
  expect(requests.length).toBeGreaterThan(500);
  const someone = await router.person(PEOPLE.bob);
  for (const [method, path] of requests) {
    for (const accept of ['text/html', 'application/json']) {
      for (const [name, send] of [
        ['nobody', router.request],
        ['bob', someone.request],
        ['admin', admin.request],
      ] as const) {
        // The rest needs their sessions.
        if (name === 'admin' && /sign-?out|logout/.test(path)) continue;
        const response = await send(path, { method, headers: { accept } });
        expectHeaders([method, path, accept, name], response);
        await response.body?.cancel();
      }
    }
  }
}, 120_000);

test('the page of a conversation, which the browser keeps, is answered `private, no-cache` by its script, and nothing else is', async () => {
  const page = `${router.url}/conversations/x`;
  const cacheOf = async (path: string, headers: Record<string, string>) => {
    const response = await alice.request(path, { headers });
    await response.body?.cancel();
    return response.headers.get('cache-control');
  };
  const script = { 'hx-request': 'true', 'hx-current-url': page };
  const stream = { accept: 'text/event-stream', referer: page };
  for (const path of ['/live', '/search', '/messages/none/text', '/nowhere'])
    expect([path, await cacheOf(path, script)]).toEqual([path, 'private, no-cache']);
  expect(await cacheOf('/live', stream)).toBe('private, no-cache');
  expect(await cacheOf('/live', { ...stream, referer: `${router.url}/settings` })).toBe('no-store');
  expect(await cacheOf('/live', { ...script, 'hx-current-url': `${router.url}/settings` })).toBe('no-store');
  expect(await cacheOf('/search', { referer: page, accept: 'text/html' })).toBe('no-store');
  expect(await cacheOf('/v1/models', { accept: 'text/event-stream' })).toBe('no-store');
});

test('every route of the internal listener, by every method, with and without a key, sends them', async () => {
  const requests = requestsOf(internalApp(router.context).routes);
  expect(requests.length).toBeGreaterThan(50);
  for (const [method, path] of requests) {
    for (const headers of [{}, { authorization: 'Bearer rk-none' }, { accept: 'text/html' }] as Record<
      string,
      string
    >[]) {
      const response = await fetch(router.internalUrl + path, { method, headers, redirect: 'manual' });
      expectHeaders([method, path, headers], response);
      await response.body?.cancel();
    }
  }
}, 120_000);

test('answers that need existing data have these headers too', async () => {
  await using upstream = startUpstream();
  await setValues(alice, { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'm' });
  const chat = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }], store: true };
  const post = (path: string, body: object, headers = {}) => alice.request(path, { method: 'POST', body, headers });
  const form = (path: string, fields: Record<string, string>) =>
    alice.request(path, { method: 'POST', body: new URLSearchParams(fields), headers: { accept: 'text/html' } });
  runner.reply = () => completion('Hello.');
  const responses: Record<string, Response | Promise<Response>> = {
    whole: post('/v1/chat/completions', chat),
    'too large': post('/v1/chat/completions', { ...chat, padding: 'x'.repeat(8_000) }),
    'of a wrong origin': post('/v1/chat/completions', chat, { 'sec-fetch-site': 'cross-site' }),
    'for a wrong host': alice.request('/settings', { headers: { host: 'rebound.example', accept: 'text/html' } }),
    'a question before CORS': alice.request('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: { origin: 'https://chat.example.org', 'access-control-request-method': 'POST' },
    }),
    'a report as CSV': alice.request('/api/me/usage?format=csv'),
    'a compressed page': alice.request('/settings', { headers: { 'accept-encoding': 'gzip' } }),
    'a form that is wrong': form('/settings/keys', { name: '' }),
    'a form that is right': form('/settings/keys', { name: 'one' }),
    'a redirect': form('/settings/idle', { backend: 'agent', seconds: '900' }),
    live: alice.request('/live'),
    progress: alice.request('/api/runners/agent/progress'),
    read: alice.request('/v1/files?model=agent'),
  };
  for (const [what, response] of Object.entries(responses)) {
    expectHeaders(what, await response);
    await (await response).body?.cancel();
  }
  const asset = await router.request('/assets/app.js', { headers: { 'accept-encoding': 'gzip' } });
  expectHeaders('/assets/app.js', asset);
  const kept = { headers: { 'if-none-match': (await router.request('/assets/app.js')).headers.get('etag') ?? '' } };
  const unchanged = await router.request('/assets/app.js', kept);
  expect(unchanged.status).toBe(304);
  expectHeaders('/assets/app.js', unchanged);

  const stream = pipe();
  runner.reply = () => stream.response({ headers: { 'content-type': 'text/event-stream, text/html' } });
  stream.close();
  expectHeaders('a list of types', await post('/v1/chat/completions', { ...chat, stream: true }));
  runner.reply = () => new Response(DONE, { headers: { 'content-type': 'text/event-stream' } });
  expectHeaders('streamed', await post('/v1/chat/completions', { ...chat, stream: true }));

  const given = runner.specs.at(-1)?.env;
  const authorization = `Bearer ${given?.LLM_API_KEY}`;
  const broker = (body: object, path = '/chat/completions') =>
    fetch(`${given?.LLM_BASE_URL}${path}`, { method: 'POST', headers: { authorization }, body: JSON.stringify(body) });
  upstream.script(
    { pieces: ['Hi'] },
    { pieces: ['Hi'] },
    { status: 400, body: '<b>No.</b>', headers: { 'content-type': 'text/plain, text/html' } },
  );
  for (const body of [chat, { ...chat, stream: true }, chat]) {
    const answer = await broker(body);
    expectHeaders(['broker', body], answer);
    expect(answer.headers.get('content-type')).not.toContain('html');
    await answer.text();
  }
});
