import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, startRouter } from '../support/router';
import { handClock, list, problemOf, say, start, statusOf, stop, theRunner } from '../support/runners';

test("start, list and stop have the predecessor's JSON", async () => {
  const clock = handClock();
  await using router = await startRouter({ now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  expect(await list(alice)).toEqual([]);
  const started = await start(alice);
  const { spec, url } = theRunner(router);
  const address = { container_name: spec.name, host_port: Number(new URL(url).port) };
  expect(await started.json()).toEqual({ runner: { backend: 'echo', ...address } });
  const startedAt = Math.floor(clock.now() / 1000);
  clock.advanceSeconds(42);
  expect(await (await alice.request('/api/runners')).json()).toEqual({
    runners: [
      {
        agent_id: spec.labels['agent-stack.agent'],
        backend: 'echo',
        ...address,
        started_at: startedAt,
        last_active: startedAt,
        idle_seconds: 600,
        idle_for_seconds: 42,
        stops_in_seconds: 558,
        state: 'running',
        running: true,
        stale: false,
      },
    ],
  });
  const stopped = await alice.request('/api/runners/echo', { method: 'DELETE' });
  expect(await stopped.json()).toEqual({ stopped: true });
  expect(await stop(alice)).toBe(false);
  expect(await list(alice)).toEqual([]);
});

test('starting a runner that runs already changes nothing', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const first = await (await start(alice)).json();
  expect(await (await start(alice)).json()).toEqual(first);
  expect(router.platform.calls('start')).toBe(1);
});

test("backends are listed with the predecessor's JSON", async () => {
  const backends = [
    memoryBackend('echo', { display_name: 'Echo', extra_models: ['echo/main'], default_idle_seconds: 90 }),
    memoryBackend('off', { disabled: true, user_overridable_env: ['LLM_MODEL'] }),
  ];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  await alice.request('/api/runners/echo/idle', { method: 'PUT', body: { idle_seconds: 300 } });
  expect(await (await alice.request('/api/backends')).json()).toEqual({
    backends: [
      {
        name: 'echo',
        display_name: 'Echo',
        models: ['echo', 'echo/main'],
        default_idle_seconds: 90,
        idle_seconds: 300,
        user_overridable_env: [],
        disabled: false,
      },
      {
        name: 'off',
        display_name: 'off',
        models: ['off'],
        default_idle_seconds: 600,
        idle_seconds: 600,
        user_overridable_env: ['LLM_MODEL'],
        disabled: true,
      },
    ],
  });
});

test('a backend that is switched off or not there is refused in words', async () => {
  await using router = await startRouter({
    backends: [memoryBackend('echo'), memoryBackend('off', { disabled: true })],
  });
  const alice = await router.person(PEOPLE.alice);
  const off = await start(alice, 'off');
  expect([off.status, (await problemOf(off)).detail]).toEqual([503, 'off is switched off.']);
  for (const [method, path] of [
    ['POST', 'start'],
    ['DELETE', ''],
    ['GET', 'progress'],
  ]) {
    const response = await alice.request(`/api/runners/nope/${path}`.replace(/\/$/, ''), { method: method ?? '' });
    expect([response.status, (await problemOf(response)).detail]).toEqual([404, 'There is no backend "nope".']);
  }
});

const endpoints = [
  ['GET', '/api/backends'],
  ['GET', '/api/runners'],
  ['POST', '/api/runners/echo/start'],
  ['DELETE', '/api/runners/echo'],
  ['PUT', '/api/runners/echo/idle'],
  ['GET', '/api/runners/echo/progress'],
] as const;

for (const [method, path] of endpoints) {
  test(`signed out, ${method} ${path} is 401`, async () => {
    await using router = await startRouter();
    const body = method === 'PUT' ? { body: { idle_seconds: 60 } } : {};
    const response = await router.request(path, { method, ...body });
    expect([response.status, (await problemOf(response)).code]).toEqual([401, 'signed_out']);
    expect(router.platform.calls('start')).toBe(0);
  });
}

test("mallory does not see, stop or use alice's runner", async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const mallory = await router.person(PEOPLE.mallory);
  await start(alice);
  const alices = theRunner(router).spec.id;
  expect(await list(mallory)).toEqual([]);
  expect(await stop(mallory)).toBe(false);
  await mallory.request('/api/runners/echo/idle', { method: 'PUT', body: { idle_seconds: 1 } });
  expect(await list(alice)).toMatchObject([{ idle_seconds: 600, running: true }]);
  expect((await say(mallory, 'whose is it?')).status).toBe(200);
  expect(router.platform.runners.size).toBe(2);
  expect((await list(mallory))[0]?.agent_id).not.toBe((await list(alice))[0]?.agent_id);
  expect(router.platform.runners.get(alices)?.spec.labels['agent-stack.user']).toBe(alice.id);
});

test("mallory cannot start or stop alice's agent by its id", async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const mallory = await router.person(PEOPLE.mallory);
  await statusOf(router, alice);
  const [agent] = await router.context.stores.agents.list(alice.id);
  expect((await mallory.request(`/agents/${agent?.id}/runner`, { method: 'POST' })).status).toBe(404);
  expect(router.platform.calls('start')).toBe(0);
  await start(alice);
  expect((await mallory.request(`/agents/${agent?.id}/runner/stop`, { method: 'POST' })).status).toBe(404);
  expect(await list(alice)).toMatchObject([{ running: true }]);
});
