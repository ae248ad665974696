/** Pages of other sites and `/v1`: allowed only by the setting, and never with a cookie. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

const CHAT = 'https://chat.example.org';
const EVIL = 'https://evil.example.org';
const FROM_PAGE = { 'sec-fetch-site': 'cross-site' };

let router: TestRouter;
let alice: Person;
let key: string;
const others: TestRouter[] = [];

beforeAll(async () => {
  router = await start({ CORS_ORIGINS: `${CHAT}, http://localhost:5173` });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => Promise.all(others.map((one) => one[Symbol.asyncDispose]())));

async function start(env: Record<string, string>): Promise<TestRouter> {
  const started = await startRouter({ backends: [memoryBackend('echo')], env });
  others.push(started);
  return started;
}

const preflight = (origin: string, path = '/v1/chat/completions', to = router) =>
  to.request(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-stainless-os',
    },
  });
const ask = (headers: Record<string, string>, to = router, model = 'echo') =>
  to.request('/v1/chat/completions', {
    method: 'POST',
    headers: { ...FROM_PAGE, ...headers },
    body: { model, messages: [{ role: 'user', content: 'Hello' }] },
  });
const bearer = () => ({ authorization: `Bearer ${key}` });
const allowed = ({ headers }: Response) => headers.get('access-control-allow-origin');

test('a page of an origin that is named may ask, send and read', async () => {
  for (const origin of [CHAT, 'http://localhost:5173']) {
    const asked = await preflight(origin);
    expect([asked.status, allowed(asked), await asked.text()]).toEqual([204, origin, '']);
    expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,content-type,x-stainless-os');
    expect(asked.headers.get('access-control-allow-credentials')).toBe(null);
    const answer = await ask({ origin, ...bearer() });
    expect([answer.status, allowed(answer), answer.headers.get('vary')]).toEqual([200, origin, 'origin']);
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
    const models = await router.request('/v1/models', { headers: { origin, ...bearer() } });
    expect([models.status, allowed(models)]).toEqual([200, origin]);
  }
});

test('a page of an origin that is named can read why a request was refused', async () => {
  for (const [headers, model, status] of [
    [bearer(), 'nope', 404],
    [{ authorization: 'Bearer sk-as-nope' }, 'echo', 401],
  ] as const) {
    const refused = await ask({ origin: CHAT, ...headers }, router, model);
    expect([refused.status, allowed(refused)]).toEqual([status, CHAT]);
  }
});

test('a page of an origin that is not named may neither ask nor read', async () => {
  for (const origin of [EVIL, 'null', `${CHAT}.evil.example.org`, 'http://chat.example.org']) {
    expect(allowed(await preflight(origin))).toBe(null);
    const answer = await ask({ origin, ...bearer() });
    expect([answer.status, allowed(answer)]).toEqual([403, null]);
  }
});

test('who looks at what a page of an origin that is not named was refused with reads which setting names origins', async () => {
  for (const refused of [await preflight(EVIL), await ask({ origin: EVIL, ...bearer() })]) {
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    expect([refused.status, error.code, error.message]).toEqual([
      403,
      'forbidden',
      expect.stringContaining('CORS_ORIGINS'),
    ]);
  }
  const elsewhere = (await (await preflight(EVIL, '/api/me/keys')).json()) as object;
  expect(elsewhere).toMatchObject({ status: 403, code: 'forbidden' });
  expect(elsewhere).not.toHaveProperty('hint');
});

test('law 21: an allowed page gets nowhere with a cookie, and nowhere but to /v1', async () => {
  expect((await ask({ origin: CHAT, cookie: alice.cookie })).status).toBe(403);
  const answer = await ask({ origin: CHAT, cookie: alice.cookie, authorization: 'Bearer nope' });
  expect(answer.status).toBe(401);
  for (const path of ['/settings/keys', '/api/me/keys', '/v1x/chat/completions']) {
    expect(allowed(await preflight(CHAT, path))).toBe(null);
    const posted = await router.request(path, {
      method: 'POST',
      headers: { ...FROM_PAGE, origin: CHAT, cookie: alice.cookie, ...bearer() },
      body: { name: 'stolen' },
    });
    expect([posted.status, allowed(posted)]).toEqual([403, null]);
  }
});

test('with * every page may, and without the setting none', async () => {
  const open = await start({ CORS_ORIGINS: '*' });
  const secret = await (await open.person(PEOPLE.alice)).createKey();
  expect([(await preflight(EVIL, undefined, open)).status, allowed(await preflight(EVIL, undefined, open))]).toEqual([
    204,
    '*',
  ]);
  const answer = await ask({ origin: EVIL, authorization: `Bearer ${secret}` }, open);
  expect([answer.status, allowed(answer)]).toEqual([200, '*']);
  const closed = await start({});
  const own = await (await closed.person(PEOPLE.alice)).createKey();
  expect(allowed(await preflight(CHAT, undefined, closed))).toBe(null);
  expect((await ask({ origin: CHAT, authorization: `Bearer ${own}` }, closed)).status).toBe(403);
});

test('a setting that names no origins is refused', async () => {
  for (const value of ['chat.example.org', `${CHAT}/`, `${CHAT},*`, 'ftp://x.example.org']) {
    await expect(startRouter({ env: { CORS_ORIGINS: value } })).rejects.toThrow(/CORS_ORIGINS: must be \*, or http/);
  }
});
