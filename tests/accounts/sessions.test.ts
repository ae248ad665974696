import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import { refuse } from '../support/refusing';
import { PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';

const secret = 'the-secret-of-this-file-0123456789abcdef';
let router: TestRouter;
let alice: Person;

beforeAll(async () => {
  router = await startRouter({ env: { JWT_SECRET: secret } });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

type Claims = Record<string, unknown>;
const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
const tokenOf = (person: Person) => person.cookie.slice(person.cookie.indexOf('=') + 1);
const claimsOf = (person: Person): Claims =>
  JSON.parse(Buffer.from(tokenOf(person).split('.')[1] ?? '', 'base64url').toString());

function sign(claims: Claims, { alg = 'HS256', key = secret } = {}): string {
  const text = `${encode({ alg, typ: 'JWT' })}.${encode(claims)}`;
  const hash = { HS256: 'sha256', HS512: 'sha512' }[alg];
  return `${text}.${hash ? createHmac(hash, key).update(text).digest('base64url') : ''}`;
}

/** Statuses of the two routes that a token gives access to. */
async function tryToken(token: string): Promise<number[]> {
  const page = await router.request('/auth/me', { headers: { cookie: `agent_stack_session=${token}` } });
  const program = await router.request('/v1/models', { headers: { authorization: `Bearer ${token}` } });
  return [page.status, program.status];
}

/** An open stream, after its first bytes have arrived. */
async function openStream(path: string, headers: Record<string, string>, init: RequestInit = {}) {
  const response = await fetch(router.url + path, { ...init, headers });
  if (!response.body) throw new Error('There is no stream');
  const reader = response.body.getReader();
  await reader.read();
  let ended = false;
  const drained = (async () => {
    while (!(await reader.read()).done);
    ended = true;
  })();
  return { drained, hasEnded: () => ended, cancel: () => reader.cancel() };
}

test('a session token opens pages as a cookie and /v1 as a Bearer credential', async () => {
  expect(await tryToken(tokenOf(alice))).toEqual([200, 200]);
  expect(await tryToken(sign(claimsOf(alice)))).toEqual([200, 200]);
});

test('a session token as a Bearer credential opens /api, and a personal key does not', async () => {
  const ask = async (credential: string) => {
    const response = await router.request('/auth/me', { headers: { authorization: `Bearer ${credential}` } });
    return response.status;
  };
  expect(await ask(tokenOf(alice))).toBe(200);
  expect(await ask(await alice.createKey())).toBe(401);
});

test('a token that was not made here opens nothing', async () => {
  const claims = claimsOf(alice);
  const { exp: _, ...endless } = claims;
  const { jti: __, ...sessionless } = claims;
  const bob = await router.person(PEOPLE.bob);
  const forged = {
    'without exp': sign(endless),
    'without a session': sign(sessionless),
    'with a session of somebody else': sign({ ...claims, sub: bob.id }),
    'with a session that never was': sign({ ...claims, jti: 'ab'.repeat(12) }),
    'past its time': sign({ ...claims, exp: 1_000_000_000 }),
    'signed with another secret': sign(claims, { key: 'another-secret-0123456789-0123456789' }),
    'signed with alg none': sign(claims, { alg: 'none' }),
    'signed with another algorithm': sign(claims, { alg: 'HS512' }),
    'with claims exchanged': tokenOf(alice).replace(/\.[^.]+\./, `.${encode({ ...claims, sub: bob.id })}.`),
    'that is no token': 'null',
  };
  for (const [what, token] of Object.entries(forged)) expect([what, await tryToken(token)]).toEqual([what, [401, 401]]);
});

test('a Bearer credential decides on /v1, and a good cookie does not rescue a bad one', async () => {
  const headers = { authorization: 'Bearer sk-as-unknown' };
  expect((await alice.request('/v1/models', { headers })).status).toBe(401);
  expect((await alice.request('/v1/models')).status).toBe(200);
});

test('a key opens /v1 and nothing else', async () => {
  const headers = { authorization: `Bearer ${await alice.createKey()}` };
  expect((await router.request('/v1/models', { headers })).status).toBe(200);
  for (const path of ['/auth/me', '/api/me', '/api/schedules', '/settings', '/live']) {
    expect([path, (await router.request(path, { headers })).status]).toEqual([path, 401]);
  }
  // What a key with another scope opens is refused by that scope's name.
  for (const path of ['/api/agents', '/api/backends', '/api/conversations', '/api/runners']) {
    expect([path, (await router.request(path, { headers })).status]).toEqual([path, 403]);
  }
});

test('law 20: signing out makes the token worthless and ends its streams, and no others', async () => {
  const [first, second] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.alice)];
  const { cookie } = first;
  const streams = await Promise.all(
    ['/live', '/api/runners/echo/progress'].map((path) => openStream(path, { cookie })),
  );
  const other = await openStream('/live', { cookie: second.cookie });
  await first.request('/sign-out', { method: 'POST' });
  await Promise.all(streams.map(({ drained }) => drained));
  expect(await tryToken(tokenOf(first))).toEqual([401, 401]);
  expect(await tryToken(tokenOf(second))).toEqual([200, 200]);
  expect(other.hasEnded()).toBe(false);
  await other.cancel();
  await until(() => router.context.streams.size === 0, 'all streams are closed');
});

test('who signs out while the database refuses it is signed out at once, told that it is not stored, and it is as soon as it can be', async () => {
  const doors = [
    { path: '/sign-out', words: 'that is not stored yet', locale: 'en' },
    { path: '/sign-out', words: '这一点尚未保存', locale: 'zh' },
    { path: '/auth/logout', words: 'storage_failed', locale: 'en' },
  ];
  for (const { path, words, locale } of doors) {
    const [first, second] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.alice)];
    const stream = await openStream('/live', { cookie: first.cookie });
    const { context } = router;
    const id = String(claimsOf(first).jti);
    const isStored = async () => (await context.sessions.list(alice.id)).some((one) => one.id === id);
    {
      using _refusing = refuse(router);
      const headers = { 'accept-language': locale, ...(path === '/sign-out' && { accept: 'text/html' }) };
      const answer = await first.request(path, { method: 'POST', headers });
      expect([path, answer.status, await answer.text()]).toEqual([path, 503, expect.stringContaining(words)]);
      expect(answer.headers.get('set-cookie')).toContain('Max-Age=0');
      await stream.drained;
      expect(await tryToken(tokenOf(first))).toEqual([401, 401]);
      expect(await tryToken(tokenOf(second))).toEqual([200, 200]);
      // It does not look as if it were revoked for good.
      expect(await isStored()).toBe(true);
      await expect(context.sessions.flush()).rejects.toThrow();
    }
    await context.sessions.flush();
    expect(await isStored()).toBe(false);
  }
});

test('nobody ends the session of another one while the database refuses it', async () => {
  const bob = await router.person(PEOPLE.bob);
  const id = String(claimsOf(alice).jti);
  {
    using _refusing = refuse(router);
    expect((await bob.request(`/settings/sessions/${id}/revoke`, { method: 'POST' })).status).toBe(404);
  }
  await router.context.sessions.flush();
  expect(await tryToken(tokenOf(alice))).toEqual([200, 200]);
});

test('law 20: revoking a key ends the streams that were opened with it', async () => {
  const key = await alice.createKey('to be revoked');
  const kept = await alice.createKey('to be kept');
  const ask = (bearer: string) => {
    const body = JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'wait' }], stream: true });
    return { headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }, body, method: 'POST' };
  };
  const release = router.platform.hold('start');
  try {
    const stream = await openStream('/v1/chat/completions', ask(key).headers, ask(key));
    const id = (await router.context.keys.list(alice.id)).find(({ name }) => name === 'to be revoked')?.id;
    await alice.request(`/settings/keys/${id}/revoke`, { method: 'POST' });
    await stream.drained;
  } finally {
    release();
  }
  expect((await router.request('/v1/models', { headers: { authorization: `Bearer ${key}` } })).status).toBe(401);
  expect((await router.request('/v1/models', { headers: { authorization: `Bearer ${kept}` } })).status).toBe(200);
});

test('a session ends after its time', async () => {
  let nowMs = Date.now();
  await using timed = await startRouter({ env: { JWT_TTL_SECONDS: '3600' }, now: () => nowMs });
  const bob = await timed.person(PEOPLE.bob);
  nowMs += 3_599_000;
  expect((await bob.request('/auth/me')).status).toBe(200);
  nowMs += 2_000;
  expect((await bob.request('/auth/me')).status).toBe(401);
});

test('behind TLS the cookie is for TLS only, and has the name that was chosen', async () => {
  await using secure = await startRouter({ env: { COOKIE_SECURE: 'true', COOKIE_NAME: 'own_name' } });
  const response = await secure.request('/auth/signup', { method: 'POST', body: PEOPLE.bob });
  const cookie = response.headers.get('set-cookie') ?? '';
  expect(cookie).toStartWith('own_name=');
  expect(cookie.split('; ')).toContain('Secure');
  const me = await secure.request('/auth/me', { headers: { cookie: cookie.split(';')[0] ?? '' } });
  expect(me.status).toBe(200);
});
