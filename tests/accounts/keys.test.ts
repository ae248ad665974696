/** Keys: their permissions, their expiry, and who lists and revokes them. Each permission with its refused twin. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

const runner = scriptedRunner('keys');
let router: TestRouter;
let alice: Person;
let mallory: Person;
let admin: Person;
let nowMs = Date.now();

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('echo', { display_name: 'Echo', extra_models: ['echo/main'] }),
      memoryBackend('other', { display_name: 'Other' }, runner.program),
    ],
    now: () => nowMs,
  });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

interface MadeKey {
  readonly key: { readonly id: string; readonly [member: string]: unknown };
  readonly secret: string;
}

async function make(body: object, person = alice): Promise<MadeKey> {
  const response = await person.request('/api/me/keys', { method: 'POST', body: { name: 'test', ...body } });
  expect(response.status).toBe(201);
  return (await response.json()) as MadeKey;
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
const get = (secret: string, path: string) => router.request(path, { headers: bearer(secret) });
const ask = (secret: string, model = 'echo', more: object = {}) =>
  router.request('/v1/chat/completions', {
    method: 'POST',
    headers: bearer(secret),
    body: { model, messages: [{ role: 'user', content: 'Hello' }], ...more },
  });
const list = async (person: Person, path = '/api/me/keys') =>
  ((await (await person.request(path)).json()) as { keys: { id: string; user?: string }[] }).keys;

async function expectError(response: Response, status: number, type: string, words: RegExp) {
  const { error } = (await response.json()) as { error: { type: string; message: string } };
  expect([response.status, error.type]).toEqual([status, type]);
  expect(error.message).toMatch(words);
}

test('a key is made, listed without its secret, and revoked over the API', async () => {
  const limits = { requests_per_minute: 60, tokens_per_minute: 1000, concurrent_requests: 2 };
  const expires_at = Math.floor(nowMs / 1000) + 3600;
  const { key, secret } = await make({ name: ' CI ', backends: ['echo'], expires_at, ...limits });
  const shown = { name: 'CI', scopes: ['v1'], backends: ['echo'], agents: [], expires_at, ...limits };
  expect(key as object).toEqual({
    id: key.id,
    last_four: secret.slice(-4),
    created_at: Math.floor(nowMs / 1000),
    last_used_at: null,
    ...shown,
  });
  expect((await ask(secret)).status).toBe(200);
  const listed = (await list(alice)).find(({ id }) => id === key.id);
  expect(listed as object).toEqual({ ...key, last_used_at: Math.floor(nowMs / 1000) });
  expect(JSON.stringify(await list(alice))).not.toContain(secret);
  expect((await alice.request(`/api/me/keys/${key.id}`, { method: 'DELETE' })).status).toBe(200);
  expect((await ask(secret)).status).toBe(401);
  expect((await alice.request(`/api/me/keys/${key.id}`, { method: 'DELETE' })).status).toBe(404);
});

test('only the administrator sees or revokes keys of other users', async () => {
  const { key, secret } = await make({});
  expect((await list(mallory)).map(({ id }) => id)).not.toContain(key.id);
  for (const path of [`/api/me/keys/${key.id}`, `/api/admin/keys/${key.id}`]) {
    expect((await mallory.request(path, { method: 'DELETE' })).status).toBe(path.includes('admin') ? 403 : 404);
  }
  expect((await mallory.request('/api/admin/keys')).status).toBe(403);
  expect((await mallory.request('/admin/keys', { headers: { accept: 'text/html' } })).status).toBe(403);
  expect((await mallory.request(`/admin/keys/${key.id}/revoke`, { method: 'POST' })).status).toBe(403);
  expect((await ask(secret)).status).toBe(200);

  const seen = (await list(admin, '/api/admin/keys')).find(({ id }) => id === key.id);
  expect(seen?.user).toBe(PEOPLE.alice.email);
  const page = await (await admin.request('/admin/keys')).text();
  expect(page).toContain(`/admin/keys/${key.id}/revoke`);
  expect((await admin.request(`/api/admin/keys/${key.id}`, { method: 'DELETE' })).status).toBe(200);
  expect((await ask(secret)).status).toBe(401);
  const other = await make({});
  expect((await admin.request(`/admin/keys/${other.key.id}/revoke`, { method: 'POST' })).status).toBe(303);
  expect((await ask(other.secret)).status).toBe(401);
});

test('a key opens what its scopes say and nothing else', async () => {
  const [v1, manage, both] = [
    await make({}),
    await make({ scopes: ['manage'] }),
    await make({ scopes: ['v1', 'manage'] }),
  ];
  for (const path of ['/api/me/keys', '/api/me/env-overrides', '/api/runners']) {
    expect((await get(manage.secret, path)).status).toBe(200);
    expect((await get(both.secret, path)).status).toBe(200);
    const refused = await get(v1.secret, path);
    expect([refused.status, await refused.json()]).toMatchObject([
      403,
      { detail: expect.stringContaining('lacks the scope "manage"') },
    ]);
  }
  expect((await ask(both.secret)).status).toBe(200);
  await expectError(await ask(manage.secret), 403, 'permission_error', /lacks the scope "v1", which opens \/v1/);
  await expectError(await get(manage.secret, '/v1/models'), 403, 'permission_error', /scope "v1"/);
  for (const path of ['/settings', '/api/meadow', '/api/admin/keys', '/admin/keys']) {
    expect((await get(both.secret, path)).status).toBe(path === '/api/meadow' ? 404 : 401);
  }
});

test('a key with the scope agents opens the agents and conversations of its owner, and no other key does', async () => {
  const { secret } = await make({ scopes: ['agents'] });
  const others = [await make({}), await make({ scopes: ['v1', 'manage'] })];
  const send = (of: string, method: string, path: string, body?: object) =>
    router.request(path, { method, headers: bearer(of), ...(body && { body }) });
  const begun = await send(secret, 'POST', '/api/conversations', { backend: 'echo' });
  const { conversation } = (await begun.json()) as { conversation: { id: string; agent_id: string } };
  const [one, agent] = [`/api/conversations/${conversation.id}`, `/api/agents/${conversation.agent_id}`];
  const opened = [
    ['GET', '/api/agents'],
    ['GET', '/api/backends'],
    ['GET', `${agent}/settings`],
    ['PUT', `${agent}/idle`, { idle_seconds: 60 }],
    ['GET', `${agent}/runner/log`],
    ['GET', '/api/conversations'],
    ['GET', one],
    ['POST', `${one}/messages`, { role: 'user', content: 'Hi' }],
    ['GET', `${one}/export`],
  ] as const;
  for (const [method, path, body] of opened) {
    expect([path, (await send(secret, method, path, body)).status]).toEqual([path, 200]);
    for (const other of others) {
      const refused = await send(other.secret, method, path, body);
      expect([path, refused.status, await refused.json()]).toMatchObject([
        path,
        403,
        {
          detail: expect.stringContaining('lacks the scope "agents", which opens /api/agents and /api/conversations'),
        },
      ]);
    }
  }
  // Not the files of a home, which may hold a key of its runner, nor what the other scopes open, nor pages.
  for (const path of [`${agent}/files`, `${agent}/files/content?path=x`, '/', `/conversations/${conversation.id}`]) {
    expect([path, (await send(secret, 'GET', path)).status]).toEqual([path, 401]);
  }
  for (const path of ['/api/me/keys', '/api/runners', '/v1/models']) {
    expect([path, (await send(secret, 'GET', path)).status]).toEqual([path, 403]);
  }
  // Nor what belongs to somebody else.
  const foreign = await make({ scopes: ['agents'] }, mallory);
  for (const path of [one, `${agent}/settings`]) {
    expect([path, (await send(foreign.secret, 'GET', path)).status]).toEqual([path, 404]);
  }
});

test('law 20: the stream of a conversation ends with the key that opened it', async () => {
  const { key, secret } = await make({ scopes: ['agents'] });
  const headers = { ...bearer(secret), 'content-type': 'application/json' };
  const body = JSON.stringify({ backend: 'echo' });
  const begun = await fetch(`${router.url}/api/conversations`, { method: 'POST', headers, body });
  const { conversation } = (await begun.json()) as { conversation: { id: string } };
  const stream = await fetch(`${router.url}/api/conversations/${conversation.id}/stream`, { headers: bearer(secret) });
  expect(stream.status).toBe(200);
  await alice.request(`/api/me/keys/${key.id}`, { method: 'DELETE' });
  expect(await stream.text()).toContain('hello');
});

test('a key that manages cannot widen itself: neither its budget nor its scopes, its limits or its end', async () => {
  const { key, secret } = await make({ scopes: ['v1', 'manage'], requests_per_minute: 1000 });
  const other = await make({ scopes: ['v1', 'manage'] });
  const budget = { unit: 'tokens', period: 'day', soft_limit: null, hard_limit: 100 };
  const send = (of: string, method: string, path: string, body?: object) =>
    router.request(path, { method, headers: bearer(of), ...(body && { body }) });
  const path = `/api/me/keys/${key.id}/budget`;
  expect((await alice.request(path, { method: 'PUT', body: budget })).status).toBe(200);
  for (const [method, body] of [
    ['DELETE', undefined],
    ['PUT', { ...budget, hard_limit: 1e9 }],
    ['PUT', { ...budget, hard_limit: 1 }],
  ] as const) {
    const refused = await send(secret, method, path, body);
    expect([method, refused.status, await refused.json()]).toMatchObject([
      method,
      403,
      { detail: expect.stringContaining('its own budget') },
    ]);
  }
  const widened = { scopes: ['v1', 'manage'], requests_per_minute: null, expires_at: null };
  for (const method of ['PUT', 'PATCH', 'POST']) {
    expect([method, (await send(secret, method, `/api/me/keys/${key.id}`, widened)).status]).toEqual([method, 405]);
  }
  for (const of of [
    '/usage/budgets/remove',
    '/settings/keys',
    `/api/admin/budgets/${key.id}`,
    '/api/me',
    '/api/me/password',
  ]) {
    const { status } = await send(secret, 'POST', of, { subject: key.id, name: 'more', ...widened });
    expect([of, [401, 404, 405].includes(status)]).toEqual([of, true]);
  }
  expect(await list(alice)).toContainEqual(expect.objectContaining({ id: key.id, requests_per_minute: 1000 }));
  const { budgets } = router.context;
  expect(budgets.list().find((state) => state.budget.subjectId === key.id)?.budget.hardLimit).toBe(100);
  // The owner may change it, and so may another key of the owner.
  expect((await send(other.secret, 'PUT', path, budget)).status).toBe(200);
  expect((await alice.request(path, { method: 'DELETE' })).status).toBe(200);
});

test('a key makes no keys, and revokes those of its owner', async () => {
  const { secret } = await make({ scopes: ['manage'] });
  const headers = bearer(secret);
  const made = await router.request('/api/me/keys', { method: 'POST', headers, body: { name: 'more' } });
  expect([made.status, await made.json()]).toMatchObject([403, { detail: expect.stringContaining('Sign in') }]);
  const { key } = await make({});
  expect((await router.request(`/api/me/keys/${key.id}`, { method: 'DELETE', headers })).status).toBe(200);
  const foreign = await make({}, mallory);
  expect((await router.request(`/api/me/keys/${foreign.key.id}`, { method: 'DELETE', headers })).status).toBe(404);
});

test('a key for some agents sees and reaches no others, also not by a conversation', async () => {
  const own = (await router.context.agents.list(alice.id)).find(({ backend }) => backend === 'echo');
  expect(own).toBeDefined();
  for (const grant of [{ backends: ['echo'] }, { agents: [own?.id] }]) {
    const { secret } = await make(grant);
    const { data } = (await (await get(secret, '/v1/models')).json()) as { data: { root: string }[] };
    expect([...new Set(data.map(({ root }) => root))]).toEqual(['echo']);
    expect((await ask(secret, 'echo/main')).status).toBe(200);
    await expectError(await ask(secret, 'other'), 403, 'permission_error', /is not for Other/);
    const missing = await ask(secret, 'nope');
    const { error } = (await missing.json()) as { error: { message: string } };
    expect([missing.status, error.message.includes('other')]).toEqual([404, false]);
    const backend = router.context.backends.find('other');
    if (!backend) throw new Error('There is no backend "other"');
    const conversation = await router.context.conversations.create(
      await router.context.agents.defaultOf(alice.id, backend),
    );
    const headers = { ...bearer(secret), 'x-conversation-id': conversation.id };
    const body = { model: 'echo', messages: [{ role: 'user', content: 'Hi' }] };
    const response = await router.request('/v1/chat/completions', { method: 'POST', headers, body });
    await expectError(response, 403, 'permission_error', /is not for Other/);
  }
});

test('law 20: a key that expires opens nothing any more, and its streams end', async () => {
  const { secret } = await make({ expires_at: nowMs / 1000 + 60 });
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const reading = new Reading(await ask(secret, 'other', { stream: true }));
  await reading.until('One.');
  nowMs += 61_000;
  await expectError(await ask(secret), 401, 'invalid_request_error', /has expired on \d{4}-\d\d-\d\d\. Create another/);
  const events = eventsOf(await reading.end());
  expect(events.at(-1)).toBe('[DONE]');
  expect((JSON.parse(events.at(-2) ?? '') as { error: object }).error).toMatchObject({ code: 'invalid_api_key' });
  await until(() => router.context.streams.size === 0, 'nothing is held');
});

test('invalid values for a key are refused field by field', async () => {
  const wrong: [object, string][] = [
    [{ name: ' ' }, 'name'],
    [{ name: 'C\0I' }, 'name'],
    [{ name: 'C\u001bI' }, 'name'],
    [{ scopes: ['all'] }, 'scopes'],
    [{ scopes: [] }, 'scopes'],
    [{ scopes: ['manage'], backends: ['echo'] }, 'scopes'],
    [{ scopes: ['v1', 'agents'], agents: ['x'] }, 'agents'],
    [{ scopes: ['agents'], backends: ['echo'] }, 'scopes'],
    [{ backends: ['nope'] }, 'backends'],
    [{ agents: ['nope'] }, 'agents'],
    [{ expires_at: nowMs / 1000 - 1 }, 'expires_at'],
    // No page could say this day.
    [{ expires_at: 1e18 }, 'expires_at'],
    [{ expires_at: 253_402_300_801 }, 'expires_at'],
    [{ requests_per_minute: 0 }, 'requests_per_minute'],
    [{ tokens_per_minute: -1 }, 'tokens_per_minute'],
    [{ concurrent_requests: 0 }, 'concurrent_requests'],
  ];
  const before = await list(alice);
  for (const [body, field] of wrong) {
    const response = await alice.request('/api/me/keys', { method: 'POST', body: { name: 'test', ...body } });
    expect([response.status, Object.keys(((await response.json()) as { fields: object }).fields)]).toEqual([
      422,
      [field],
    ]);
  }
  expect(await list(alice)).toEqual(before);
});

test('a key may expire up to the end of the year 9999, and the page of keys says when', async () => {
  const body = { name: 'late', expires_at: 253_402_300_799 };
  const made = await alice.request('/api/me/keys', { method: 'POST', body });
  const { key } = (await made.json()) as { key: { id: string } };
  const page = await alice.request('/settings', { headers: { accept: 'text/html' } });
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('9999-12-31')]);
  await router.context.keys.revoke(alice.id, key.id);
});

test('a new key is shown once, and only to the browser that made it', async () => {
  const [here, elsewhere] = [await router.person(PEOPLE.bob), await router.person(PEOPLE.bob)];
  const secretOn = async ({ request }: Person) =>
    /sk-as-[\w-]{20,}/.exec(await (await request('/settings')).text())?.[0];
  await here.request('/settings/keys', { method: 'POST', body: new URLSearchParams({ name: 'laptop' }) });
  expect(await secretOn(elsewhere)).toBeUndefined();
  expect(await secretOn(here)).toBeString();
  expect(await secretOn(here)).toBeUndefined();
});

test('the form on the settings page takes limits, and keeps what was typed when one is wrong', async () => {
  const form = (fields: [string, string][]) =>
    alice.request('/settings/keys', { method: 'POST', body: new URLSearchParams(fields) });
  const refused = await form([
    ['name', 'Form'],
    ['backends', 'echo'],
    ['requests_per_minute', 'many'],
  ]);
  const page = await refused.text();
  expect(refused.status).toBe(422);
  expect(page).toMatch(/<details class="scope" open/);
  expect(page).toContain('value="many"');
  expect(page).toMatch(/name="backends" value="echo" checked/);
  const made = await form([
    ['name', 'Form'],
    ['backends', 'echo'],
    ['backends', 'other'],
    ['requests_per_minute', '1 000'],
    ['expires_at', '2999-01-01'],
  ]);
  expect([made.status, made.headers.get('location')]).toEqual([303, '/settings#created-key']);
  const [key] = await list(alice);
  expect(key as object).toMatchObject({ name: 'Form', backends: ['echo', 'other'], requests_per_minute: 1000 });
  const settings = await (await alice.request('/settings')).text();
  expect(settings).toContain('only Echo and Other · 1,000 requests a minute · expires');
  // Shown once: a reload shows no key, and makes none.
  expect(await all(settings, '#created-key')).toHaveLength(1);
  expect(await all(await (await alice.request('/settings')).text(), '#created-key')).toEqual([]);
});
