/** The administrator's view of the backends: what each needs, what is wrong, and who may use it. */
import { expect, test } from 'bun:test';
import { ADMIN, form, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { watchStream } from '../support/watch';

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

test('an image is fetched anew by the administrator, whose page shows how far it is, and it is audited', async () => {
  await using router = await startRouter({
    backends: [memoryBackend('echo', { image: 'registry.example/echo:1' }), memoryBackend('plain')],
    env: { BACKEND_PREPULL_AT_STARTUP: 'true' },
  });
  const admin = await router.person(ADMIN);
  const state = async () => (await (await admin.request('/api/admin/backends')).json()).backends[0].image_state;
  await until(async () => (await state()) === 'ok', 'the image is there');
  await using page = await watchStream(`${router.url}/admin/live?on=backends`, { cookie: admin.cookie });
  await page.saw('image fetched');

  const go = router.platform.hold('prepare');
  const begun = await admin.request('/admin/backends/echo/pull', form({}));
  expect([begun.status, begun.headers.get('location')]).toEqual([303, '/admin/backends?said=pulling']);
  expect(await page.saw('<progress')).toContain('hx-target="#backend-echo"');
  // While it is under way, a second one joins it.
  expect((await admin.request('/api/admin/backends/echo/pull', { method: 'POST' })).status).toBe(202);
  go();
  expect(await page.saw('image fetched')).not.toContain('<progress');
  expect(router.platform.calls('prepare')).toBe(2);

  const mend = router.platform.fail('prepare', 'image_missing', 'the registry is away');
  await admin.request('/admin/backends/echo/pull', form({}));
  expect(await page.saw('The registry is away.')).toContain('The image could not be fetched anew');
  expect(await state()).toBe('ok');
  mend();

  const { events } = await (await admin.request('/api/admin/audit?action=image.fetched')).json();
  expect(events.map(({ actor, target }: { actor: string; target: string }) => [actor, target])).toEqual(
    events.map(() => [ADMIN.email, 'echo']),
  );
  expect(events.length).toBe(3);
});

test('a pull is refused for an entry without an image, an entry that is not there, a silent platform, and another user', async () => {
  await using router = await startRouter({
    backends: [memoryBackend('echo', { image: 'registry.example/echo:1' }), memoryBackend('plain')],
  });
  const admin = await router.person(ADMIN);
  const alice = await router.person(PEOPLE.alice);
  const pull = async (name: string, who = admin) => {
    const response = await who.request(`/api/admin/backends/${name}/pull`, { method: 'POST' });
    return [response.status, (await response.json()).detail];
  };
  expect(await pull('plain')).toEqual([409, 'The backend "plain" has no image: its runners start without one.']);
  expect((await pull('nothing'))[0]).toBe(404);
  expect((await pull('echo', alice))[0]).toBe(403);
  expect((await alice.request('/admin/backends/echo/pull', form({}))).status).toBe(403);
  const page = await admin.request('/admin/backends/plain/pull', form({}));
  expect([page.status, await page.text()]).toEqual([409, expect.stringContaining('has no image')]);
  router.platform.available = false;
  await router.context.platforms.check(new AbortController().signal);
  expect((await pull('echo'))[0]).toBe(503);
  expect(await (await admin.request('/admin/backends')).text()).not.toContain('Fetch image now');
  expect(router.platform.calls('prepare')).toBe(0);
});
