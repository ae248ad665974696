/** What users may have: for one, for everybody, enforced everywhere, and set by nobody but the administrator. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { ADMIN, form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

/** Ends only a test that has failed. */
setDefaultTimeout(120_000);

const UNSET = { runners: null, agents: null, backends: null };
let router: TestRouter;
let admin: Person;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  const backends = [memoryBackend('one'), memoryBackend('two')];
  router = await startRouter({ backends, env: { MAX_RUNNERS_PER_USER: '5', MAX_AGENTS_PER_BACKEND: '3' } });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  bob = await router.person(PEOPLE.bob);
});
afterAll(() => router[Symbol.asyncDispose]());

const limit = async (whose: string, body: object, status = 200) =>
  expect((await admin.request(`/api/admin/${whose}`, { method: 'PUT', body })).status).toBe(status);
const limitAlice = (body: object) => limit(`users/${alice.id}/limits`, body);
const start = async (who: Person, backend: string) =>
  (await who.request(`/api/runners/${backend}/start`, { method: 'POST' })).status;
const backendsOf = async (who: Person) =>
  (await (await who.request('/api/backends')).json()).backends.map(({ name }: { name: string }) => name);

test('a backend that a user may not use is hidden and refused at every door, and its runner stops', async () => {
  const { agent } = await (
    await alice.request('/api/agents', { method: 'POST', body: { backend: 'two', name: 'Mine' } })
  ).json();
  expect(await start(alice, 'two')).toBe(200);
  const key = await alice.createKey();
  await limitAlice({ backends: ['one'] });
  expect(router.context.runners.running().filter((one) => one.agent.userId === alice.id)).toEqual([]);
  expect(await backendsOf(alice)).toEqual(['one']);
  expect(await start(alice, 'two')).toBe(403);
  expect((await alice.request(`/agents/${agent.id}`)).status).toBe(404);
  expect((await alice.request('/api/agents', { method: 'POST', body: { backend: 'two', name: 'More' } })).status).toBe(
    403,
  );
  expect((await alice.request('/api/conversations', { method: 'POST', body: { backend: 'two' } })).status).toBe(403);
  const headers = { authorization: `Bearer ${key}` };
  const { data } = await (await router.request('/v1/models', { headers })).json();
  expect(JSON.stringify(data)).not.toContain('two');
  const chat = { model: 'two', messages: [{ role: 'user', content: 'Hello' }] };
  expect((await router.request('/v1/chat/completions', { method: 'POST', headers, body: chat })).status).toBe(403);
  expect(await start(alice, 'one')).toBe(200);
  expect(await start(bob, 'two')).toBe(200);
  await limitAlice(UNSET);
  expect(await start(alice, 'two')).toBe(200);
  expect((await alice.request(`/agents/${agent.id}`)).status).toBe(200);
});

test('a number of agents is that of the user, else that of everybody, else that of the settings', async () => {
  const most = async (who: Person) => (await (await who.request('/api/agents')).json()).max_per_backend;
  expect([await most(alice), await most(bob)]).toEqual([3, 3]);
  await limit('limits', { agents: 2 });
  await limitAlice({ agents: 1 });
  expect([await most(alice), await most(bob)]).toEqual([1, 2]);
  expect((await bob.request('/api/agents', { method: 'POST', body: { backend: 'one', name: 'Second' } })).status).toBe(
    200,
  );
  expect((await bob.request('/api/agents', { method: 'POST', body: { backend: 'one', name: 'Third' } })).status).toBe(
    409,
  );
  await limitAlice(UNSET);
  await limit('limits', UNSET);
});

test('at a number of runners the idle one is stopped for the next', async () => {
  for (const backend of ['one', 'two']) await alice.request(`/api/runners/${backend}`, { method: 'DELETE' });
  await limitAlice({ runners: 1 });
  expect([await start(alice, 'one'), await start(alice, 'two')]).toEqual([200, 200]);
  const own = router.context.runners.running().filter(({ agent }) => agent.userId === alice.id);
  expect(own.map(({ agent }) => agent.backend)).toEqual(['two']);
  await limitAlice(UNSET);
});

test('limits are set on a page too, survive a restart, and go with their user', async () => {
  const path = `/admin/users/${bob.id}/limits`;
  const refused = await admin.request(path, form({ runners: 'many', agents: '' }));
  expect([refused.status, (await refused.text()).includes('A whole number from 1 to 1000')]).toEqual([422, true]);
  const saved = await admin.request(path, form({ runners: '2', agents: '', backends: 'one' }));
  expect([saved.status, saved.headers.get('location')]).toEqual([303, `${path}?said=saved`]);
  expect(await (await admin.request(`/api${path}`)).json()).toEqual({
    limits: { runners: 2, agents: null, backends: ['one'] },
  });
  const rows = await router.context.stores.limits.list();
  expect(rows).toEqual([{ subjectId: bob.id, runners: 2, agents: null, backends: ['one'] }]);
  expect((await admin.request('/admin/limits')).status).toBe(200);
  await admin.request(`/api/admin/users/${bob.id}?purge=true`, { method: 'DELETE' });
  expect(await router.context.stores.limits.list()).toEqual([]);
});

test('what is no limit is refused, and nobody sets one but the administrator', async () => {
  await limit('limits', { backends: ['nothing'] }, 422);
  await limit('limits', { runners: 0 }, 422);
  const path = `/api/admin/users/${alice.id}/limits`;
  expect((await alice.request(path, { method: 'PUT', body: { runners: 100 } })).status).toBe(403);
  expect((await alice.request('/admin/limits', form({ runners: '', agents: '' }))).status).toBe(403);
  expect(router.context.userLimits.runnersOf(alice.id)).toBe(5);
});
