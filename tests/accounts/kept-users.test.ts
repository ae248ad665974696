/** Deleted users are kept for a while: out at once, restored with everything of theirs, or purged when their time is over. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, form, memoryBackend, type Person, startRouter, type TestRouter, until } from '../support/router';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

const PASSWORD = 'green-bicycle-9';
const DAY_MS = 86_400_000;
let nowMs = Date.now();
let router: TestRouter;
let admin: Person;

beforeAll(async () => {
  const env = { DELETED_USERS_DAYS: '30', JWT_TTL_SECONDS: '34560000' };
  router = await startRouter({ backends: [memoryBackend('echo')], env, now: () => nowMs });
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

let count = 0;
/** Somebody with a conversation, a key, and a runner with its home. */
async function someone() {
  count += 1;
  const who = { email: `kept${count}@example.org`, name: `Kept ${count}`, password: PASSWORD };
  await router.context.users.create(who);
  const person = await router.person(who);
  const key = await person.createKey();
  await person.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  await person.request('/api/runners/echo/start', { method: 'POST' });
  const [agent] = await router.context.agents.listAll(person.id);
  const home = join(router.context.config.homesRoot, agent?.id ?? '');
  expect(existsSync(home)).toBe(true);
  return { who, person, key, home };
}

const login = async (email: string) =>
  (await router.request('/auth/login', { method: 'POST', body: { email, password: PASSWORD } })).status;
const withKey = async (key: string) =>
  (await router.request('/v1/models', { headers: { authorization: `Bearer ${key}` } })).status;
const path = (id: string, more = '') => `/api/admin/users/${id}${more}`;
const remove = async (id: string, query = '') => (await admin.request(path(id, query), { method: 'DELETE' })).status;
const listed = async (query = '') => {
  const { users } = await (await admin.request(`/api/admin/users${query}`)).json();
  return users.map(({ email }: { email: string }) => email) as string[];
};
const audited = async (action: string, email: string) => {
  const { events } = await (await admin.request(`/api/admin/audit?action=${action}&person=${email}`)).json();
  return events.map(({ actor }: { actor: string }) => actor);
};

test('a deleted user is out at once, everything is kept, and nobody gets the address', async () => {
  const { who, person, key, home } = await someone();
  expect(await remove(person.id)).toBe(204);
  expect([await login(who.email), await withKey(key)]).toEqual([403, 401]);
  expect((await person.request('/auth/me')).status).toBe(401);
  expect(router.context.runners.running().filter(({ agent }) => agent.userId === person.id)).toEqual([]);
  expect(existsSync(home)).toBe(true);
  const again = await admin.request('/api/admin/users', { method: 'POST', body: { email: who.email } });
  expect(again.status).toBe(409);
  expect([await listed(), await listed('?deleted=true')].map((emails) => emails.includes(who.email))).toEqual([
    false,
    true,
  ]);
  const { user } = await (await admin.request(path(person.id))).json();
  expect(user.purge_at).toBe(Math.floor((nowMs + 30 * DAY_MS) / 1000));
  // Enabling would let in somebody who is about to be purged.
  const enabled = await admin.request(path(person.id), { method: 'PATCH', body: { disabled: false } });
  expect(enabled.status).toBe(409);
  const page = await (await admin.request(`/admin/users/${person.id}`)).text();
  expect([page.includes('This user is deleted'), page.includes('Enable again')]).toEqual([true, false]);
  expect(await (await admin.request('/admin/users')).text()).toContain('deleted');
});

test('the administrator restores a deleted user, who has everything as before', async () => {
  const { who, person, key, home } = await someone();
  const deleted = await admin.request(`/admin/users/${person.id}/delete`, form({ typed: who.name, when: 'later' }));
  expect([deleted.status, deleted.headers.get('location')]).toEqual([303, `/admin/users/${person.id}?said=kept`]);
  expect((await admin.request(`/admin/users/${person.id}/restore`, form({}))).status).toBe(303);
  expect([await login(who.email), await withKey(key)]).toEqual([200, 200]);
  const back = await router.person(who);
  expect(back.id).toBe(person.id);
  expect((await (await back.request('/api/conversations')).json()).conversations.length).toBe(1);
  expect(existsSync(home)).toBe(true);
  nowMs += 31 * DAY_MS;
  await router.context.removal.purgeDue();
  expect(await login(who.email)).toBe(200);
  expect(await audited('user.restored', who.email)).toEqual([ADMIN.email]);
  const twice = await admin.request(path(person.id, '/restore'), { method: 'POST' });
  expect(twice.status).toBe(409);
});

test('after the time a deleted user is purged with homes and data, and id and slug are not used again', async () => {
  const { who, person, home } = await someone();
  const { slug } = (await (await admin.request(path(person.id))).json()).user;
  expect(await remove(person.id)).toBe(204);
  nowMs += 30 * DAY_MS - 1_000;
  await router.context.removal.purgeDue();
  expect((await admin.request(path(person.id))).status).toBe(200);
  nowMs += 2_000;
  await router.context.removal.purgeDue();
  expect((await admin.request(path(person.id))).status).toBe(404);
  expect((await admin.request(path(person.id, '/restore'), { method: 'POST' })).status).toBe(404);
  expect(existsSync(home)).toBe(false);
  expect(await audited('user.purged', who.email)).toEqual(['agent-stack']);
  const { user } = await (await admin.request('/api/admin/users', { method: 'POST', body: who })).json();
  expect(user.id).not.toBe(person.id);
  expect(user.slug).not.toBe(slug);
});

test('a user who is deleted twice is kept as long as before, so that a request that is repeated destroys nothing', async () => {
  const { who, person, home } = await someone();
  const purgeAt = async () => (await (await admin.request(path(person.id))).json()).user.purge_at;
  expect(await remove(person.id)).toBe(204);
  const firstAt = await purgeAt();
  nowMs += DAY_MS;
  expect([await remove(person.id), await purgeAt(), existsSync(home)]).toEqual([204, firstAt, true]);
  // The same from a page that was opened before, which is told what has become of the user.
  const onPage = await admin.request(`/admin/users/${person.id}/delete`, form({ typed: who.name, when: 'later' }));
  expect([onPage.headers.get('location'), await purgeAt()]).toEqual([`/admin/users/${person.id}?said=kept`, firstAt]);
  expect((await admin.request(path(person.id, '/restore'), { method: 'POST' })).status).toBe(200);
});

test('a runner that could not be stopped when its user was deleted is stopped when that is asked for again', async () => {
  const { person } = await someone();
  const theirs = () => router.context.runners.running().filter(({ agent }) => agent.userId === person.id).length;
  router.platform.available = false;
  expect([await remove(person.id), theirs()]).toEqual([204, 1]);
  router.platform.available = true;
  expect([await remove(person.id), theirs()]).toEqual([204, 0]);
});

test('a user is purged at once when that is asked for, also one who is kept', async () => {
  const first = await someone();
  expect(await remove(first.person.id, '?purge=true')).toBe(204);
  expect([(await admin.request(path(first.person.id))).status, existsSync(first.home)]).toEqual([404, false]);
  const second = await someone();
  expect([await remove(second.person.id), await remove(second.person.id, '?purge=true')]).toEqual([204, 204]);
  expect([(await admin.request(path(second.person.id))).status, existsSync(second.home)]).toEqual([404, false]);
  const third = await someone();
  const at = `/admin/users/${third.person.id}/delete`;
  expect((await admin.request(at, form({ typed: 'somebody else', when: 'now' }))).status).toBe(422);
  expect((await admin.request(at, form({ typed: third.who.name, when: 'now' }))).status).toBe(303);
  expect(existsSync(third.home)).toBe(false);
});

test('a user whose runner cannot be stopped is purged when it can', async () => {
  const { person } = await someone();
  await remove(person.id);
  await router.context.removal.restore(person.id);
  await (await router.person({ email: `kept${count}@example.org`, name: '', password: PASSWORD })).request(
    '/api/runners/echo/start',
    { method: 'POST' },
  );
  router.platform.available = false;
  await remove(person.id);
  nowMs += 31 * DAY_MS;
  await router.context.removal.purgeDue();
  expect((await admin.request(path(person.id))).status).toBe(200);
  router.platform.available = true;
  await router.context.removal.purgeDue();
  expect((await admin.request(path(person.id))).status).toBe(404);
});

test('a user whose purge has begun is not restored, and gone in the end', async () => {
  const { person, home } = await someone();
  const release = router.platform.hold('stop');
  const calls = router.platform.calls('stop');
  const purged = remove(person.id, '?purge=true');
  await until(() => router.platform.calls('stop') > calls, 'the runner is being stopped');
  const restored = await admin.request(path(person.id, '/restore'), { method: 'POST' });
  expect([restored.status, await restored.text()]).toEqual([
    409,
    expect.stringContaining('This user is being deleted.'),
  ]);
  const enabled = await admin.request(path(person.id), { method: 'PATCH', body: { disabled: false } });
  expect(enabled.status).toBe(409);
  // One purge of a user is enough.
  await router.context.removal.purgeDue();
  release();
  expect(await purged).toBe(204);
  expect([(await admin.request(path(person.id))).status, existsSync(home)]).toEqual([404, false]);
});

test('a user who could not be purged at once is not restored, and purged when the platform answers', async () => {
  const { who, person, home } = await someone();
  router.platform.available = false;
  const refused = await admin.request(path(person.id, '?purge=true'), { method: 'DELETE' });
  router.platform.available = true;
  expect([refused.status, await refused.text()]).toEqual([
    503,
    expect.stringContaining('The user is disabled, and deleted when it answers.'),
  ]);
  expect((await admin.request(path(person.id, '/restore'), { method: 'POST' })).status).toBe(409);
  expect([await login(who.email), existsSync(home)]).toEqual([403, true]);
  await router.context.removal.purgeDue();
  expect([(await admin.request(path(person.id))).status, existsSync(home)]).toEqual([404, false]);
});

test('a user who is being deleted for a while cannot be enabled meanwhile', async () => {
  const { who, person } = await someone();
  const release = router.platform.hold('stop');
  const calls = router.platform.calls('stop');
  const kept = remove(person.id);
  await until(() => router.platform.calls('stop') > calls, 'the runner is being stopped');
  const enabled = await admin.request(path(person.id), { method: 'PATCH', body: { disabled: false } });
  expect(enabled.status).toBe(409);
  release();
  expect(await kept).toBe(204);
  const { user } = await (await admin.request(path(person.id))).json();
  expect([user.disabled, await login(who.email)]).toEqual([true, 403]);
});
