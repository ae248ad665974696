/** The administrator's view of the backends: what each needs, what is wrong, and who may use it. */
import { expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, startRouter, until } from '../support/router';

test('shows the state of each backend, and the place of what is wrong in backends.json', async () => {
  await using router = await startRouter({
    backends: [memoryBackend('one', { display_name: 'First' }), memoryBackend('two')],
  });
  const admin = await router.person(ADMIN);
  const alice = await router.person(PEOPLE.alice);
  await alice.request('/api/runners/one/start', { method: 'POST' });
  await admin.request('/api/admin/limits', { method: 'PUT', body: { backends: ['one'] } });
  const read = async () => (await admin.request('/api/admin/backends')).json();
  const common = { driver: 'memory', image: null, image_state: null, problem: null, disabled: false };
  expect(await read()).toEqual({
    backends: [
      { name: 'one', ...common, runners: 1, for_everybody: true },
      { name: 'two', ...common, runners: 0, for_everybody: false },
    ],
    problem: null,
  });
  await router.writeBackends([{ name: 'one', driver: 'memory', no_such_member: 1 }]);
  const { problem } = await until(async () => {
    const found = await read();
    return found.problem && found;
  }, 'the broken file is noticed');
  expect(problem).toContain('no_such_member');
  const page = await (await admin.request('/admin/backends')).text();
  expect([page.includes('First'), page.includes('no_such_member')]).toEqual([true, true]);
  expect((await alice.request('/admin/backends')).status).toBe(403);
  expect((await alice.request('/api/admin/backends')).status).toBe(403);
});

test('says why runners of a backend cannot start', async () => {
  await using router = await startRouter();
  const admin = await router.person(ADMIN);
  router.platform.available = false;
  const problem = await until(async () => {
    await router.context.platforms.check(new AbortController().signal);
    return (await (await admin.request('/api/admin/backends')).json()).backends[0].problem;
  }, 'the platform is found silent');
  expect(await (await admin.request('/admin/backends')).text()).toContain(Bun.escapeHTML(problem));
});
