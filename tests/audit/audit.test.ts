/** The audit: what is recorded, without secrets; how it is read; and that nobody changes it. */
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { ADMIN, form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(60_000);

interface Event {
  readonly id: number;
  readonly [member: string]: unknown;
}

const { alice, bob } = PEOPLE;
let router: TestRouter;
let admin: Person;

beforeAll(async () => {
  const names = ['LLM_API_KEY', 'LLM_BASE_URL', 'LLM_MODEL'];
  router = await startRouter({ backends: [memoryBackend('echo', { user_overridable_env: names })] });
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

const events = async (query: string): Promise<readonly Event[]> =>
  (await (await admin.request(`/api/admin/audit?${query}`)).json()).events;
const ofPerson = async (email: string) =>
  (await events(`person=${email}`)).map(({ action, actor, target, detail }) => [action, actor, target, detail]);

test('has sign-ins and their failures, with the address that they came from', async () => {
  const login = (password: string) =>
    fetch(`${router.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: ADMIN.email, password }),
    });
  await login('not-the-password');
  await login(ADMIN.password);
  expect(
    (await events(`person=${ADMIN.email}&limit=2`)).map(({ action, actor_id, address }) => [action, actor_id, address]),
  ).toEqual([
    ['sign-in.done', admin.id, '127.0.0.1'],
    ['sign-in.failed', null, '127.0.0.1'],
  ]);
});

test('has what people do with accounts, keys, credentials, shares and budgets, and no value of a secret', async () => {
  const { id, request } = await router.person(alice);
  await request('/settings/keys', form({ name: 'laptop' }));
  const values = { LLM_API_KEY: 'sk-a-secret-value', LLM_BASE_URL: 'https://llm.example.org/v1' };
  await request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  await request('/settings/you/password', form({ old_password: alice.password, new_password: 'a-newer-bicycle' }));
  await admin.request(`/api/admin/budgets/${id}`, {
    method: 'PUT',
    body: { unit: 'tokens', period: 'day', hard_limit: 1000 },
  });
  await admin.request(`/admin/users/${id}/disable`, form({}));
  await admin.request(`/api/admin/users/${id}`, { method: 'DELETE' });
  const told = await ofPerson(alice.email);
  expect(told).toEqual([
    ['user.deleted', ADMIN.email, alice.email, ''],
    ['user.disabled', ADMIN.email, alice.email, ''],
    ['budget.set', ADMIN.email, alice.email, 'unit=tokens, period=day, hard_limit=1000'],
    ['password.changed', alice.email, alice.email, 'old_password, new_password'],
    ['credentials.set', alice.email, alice.email, 'LLM_API_KEY, LLM_BASE_URL'],
    ['key.made', alice.email, 'laptop', 'name=laptop'],
    ['user.signed_up', alice.email, '', ''],
    ['sign-in.failed', alice.email, '', 'wrong_credentials'],
  ]);
  const file = JSON.stringify(await events(''));
  for (const secret of ['sk-a-secret-value', alice.password, 'a-newer-bicycle', ADMIN.password]) {
    expect(file).not.toContain(secret);
  }
});

test('does not keep a password that somebody typed into the field of the address', async () => {
  const typed = 'a-bicycle-in-the-wrong-field';
  const refused = await router.request('/sign-in', form({ email: typed, password: alice.email }));
  expect(refused.status).toBe(422);
  const [event] = await events('action=sign-in.failed&limit=1');
  expect([event?.actor, event?.detail]).toEqual(['', 'wrong_credentials']);
  expect(JSON.stringify(await events(''))).not.toContain(typed);
});

test('has nothing of what was refused', async () => {
  const { request } = await router.person(bob);
  const before = (await events('')).length;
  await request('/api/admin/users', { method: 'POST', body: { email: 'x@example.org' } });
  await request('/settings/keys', form({ name: '' }));
  await admin.request('/api/admin/users', { method: 'POST', body: { email: bob.email } });
  await admin.request('/admin/users', form({ email: 'nobody', name: '', password: '' }));
  expect((await events('')).length).toBe(before);
});

test('names a model as it is called, and not as an address writes it', async () => {
  const body = { prompt: 1, completion: 2 };
  await admin.request(`/api/admin/prices/${encodeURIComponent('lab/model one')}`, { method: 'PUT', body });
  expect((await events('action=price.set&limit=1')).map(({ target }) => target)).toEqual(['lab/model one']);
  // Refused, and no fault of the audit's.
  expect((await admin.request('/api/admin/prices/%zz', { method: 'PUT', body })).status).toBe(400);
});

test('says through which key something was done', async () => {
  const { secret } = await router.context.keys.create(admin.id, 'script', { scopes: ['manage'] });
  const headers = { authorization: `Bearer ${secret}` };
  const set = await router.request('/api/me/env-overrides/LLM_MODEL', {
    method: 'PUT',
    headers,
    body: { value: 'm-1' },
  });
  expect(set.status).toBe(200);
  const [event] = await events('action=credentials.set&limit=1');
  expect([event?.actor, event?.target, event?.detail]).toEqual([
    ADMIN.email,
    'LLM_MODEL',
    'by the key "script"; value',
  ]);
});

test('is filtered by action, person and day, and paged without skipping or repeating', async () => {
  for (let n = 0; n < 5; n += 1) await admin.request('/settings/keys', form({ name: `paged-${n}` }));
  const all = (await events('action=key.made')).map(({ id }) => id);
  const seen: number[] = [];
  for (let after = ''; ; after = `&after=${seen.at(-1)}`) {
    const answer = await (await admin.request(`/api/admin/audit?action=key.made&limit=2${after}`)).json();
    seen.push(...answer.events.map(({ id }: Event) => id));
    if (!answer.has_more) break;
  }
  expect(seen).toEqual(all);
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  expect((await events(`action=key.made&from=${day(Date.now() - 86_400_000)}&to=${day(Date.now())}`)).length).toBe(
    all.length,
  );
  expect(await events(`to=${day(Date.now() - 86_400_000)}`)).toEqual([]);
  expect((await admin.request('/api/admin/audit?from=yesterday')).status).toBe(422);
});

test('is a page with a filter, and a CSV in which no cell is a formula', async () => {
  await admin.request('/settings/keys', form({ name: '=1+1' }));
  const page = await (await admin.request(`/admin/audit?person=${ADMIN.email}`)).text();
  expect(page).toContain('Key made');
  const answer = await admin.request('/api/admin/audit?format=csv&action=key.made');
  expect(answer.headers.get('content-type')).toStartWith('text/csv');
  const [header, newest] = (await answer.text()).split('\r\n');
  expect(header).toBe('id,time,action,actor,actor_id,target,detail,address');
  expect(newest).toContain(`"'=1+1"`);
});

test('is never changed, and loses only its oldest events, when their retention is over', async () => {
  let nowMs = Date.now() - 400 * 86_400_000;
  await using old = await startRouter({ now: () => nowMs, env: { AUDIT_RETENTION_DAYS: '365' } });
  await old.person(alice);
  const { audit } = old.context;
  const count = async () => (await audit.page({}, { limit: 100 })).events.length;
  expect(await count()).toBe(2);
  nowMs = Date.now();
  await old.person(alice);
  using sqlite = new Database(join(old.dataRoot, 'router.db'));
  expect(() => sqlite.run("UPDATE audit_events SET actor = 'nobody'")).toThrow('never changed');
  expect(() => sqlite.run('DELETE FROM audit_events')).toThrow('oldest first');
  expect(() => sqlite.run('DELETE FROM audit_events WHERE id = 2')).toThrow('oldest first');
  expect(await count()).toBe(3);
  await audit.deleteExpired();
  expect((await audit.page({}, { limit: 100 })).events.map(({ action }) => action)).toEqual(['sign-in.done']);
});
