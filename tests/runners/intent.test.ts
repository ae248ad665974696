import { expect, test } from 'bun:test';
import { access } from 'node:fs/promises';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { list, start, statusOf, stop, switchable, theRunner } from '../support/runners';

/** Long enough for a test to act meanwhile, and for a start that succeeds, on a busy machine. */
const brief = { timeouts: { ready_seconds: 2 } };

test('law 2: the intent is written before the driver is called, the handle when it has answered', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const { runners } = router.context.stores;
  const written = Promise.withResolvers<unknown>();
  router.platform.intercept('start', async ({ subject }) => written.resolve([subject, await runners.list()]));
  expect((await start(alice)).status).toBe(200);
  const { spec, url } = theRunner(router);
  expect(await written.promise).toMatchObject([spec.id, [{ id: spec.id, state: 'starting', handle: null, url: null }]]);
  expect(await runners.list()).toMatchObject([{ id: spec.id, state: 'running', handle: { runnerId: spec.id }, url }]);
});

test('law 2: a start that fails leaves nothing, on the platform or in the database', async () => {
  const script = switchable('never-ready', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', brief, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await start(alice)).status).toBe(504);
  expect(script.spec).toBeDefined();
  expect(router.platform.runners.size).toBe(0);
  expect(await router.context.stores.runners.list()).toEqual([]);
});

/** A start of Alice's that fails while the platform is silent, so that its runner is left. */
async function failedStart(router: TestRouter, script: ReturnType<typeof switchable>) {
  const alice = await router.person(PEOPLE.alice);
  const failing = start(alice);
  await until(() => script.probes > 0, 'the runner is there');
  router.platform.available = false;
  expect((await failing).status).toBe(504);
  return alice;
}

test('law 2: a runner that a failed start could not remove is removed by the next start', async () => {
  const script = switchable('left-behind', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', brief, script.name)] });
  const { platform } = router;
  const alice = await failedStart(router, script);
  const left = theRunner(router).spec.id;
  expect(await router.context.stores.runners.list()).toMatchObject([{ id: left, state: 'leaving' }]);
  // While it is unknown what the platform runs, no second runner may use the home.
  expect((await start(alice)).status).toBe(503);
  expect(platform.calls('start')).toBe(1);

  platform.available = true;
  script.ready = true;
  expect((await start(alice)).status).toBe(200);
  expect(theRunner(router).spec.id).not.toBe(left);
  expect(await router.context.stores.runners.list()).toMatchObject([{ id: theRunner(router).spec.id }]);
});

test('law 2: a runner that a failed start could not remove is removed when its platform answers, without another start', async () => {
  const script = switchable('left-alone', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', brief, script.name)] });
  const { platform } = router;
  await failedStart(router, script);
  expect(platform.runners.size).toBe(1);
  platform.available = true;
  await router.context.adopt();
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect(platform.runners.size).toBe(0);
  expect(platform.calls('start')).toBe(1);
});

/** Alice has agent `id`, and what her aborted start could not remove is there: it becomes ready, and its platform is silent. */
async function leftRunner(name: string) {
  const script = switchable(name, { ready: false });
  const backends = [memoryBackend('echo', {}, script.name)];
  const router = await startRouter({ backends });
  const { platform } = router;
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'the runner is there');
  const [agent] = await router.context.stores.agents.list(alice.id);
  platform.available = false;
  const aborted = async () => {
    expect((await starting).status).toBe(409);
    script.ready = true;
  };
  return { router, backends, alice, id: agent?.id ?? '', left: theRunner(router).spec, aborted };
}

test('law 2: a runner whose start its user stopped is never taken back, also after a restart', async () => {
  for (const isRestarted of [false, true]) {
    const { router: first, backends, alice, aborted } = await leftRunner(`left-stopped-${isRestarted}`);
    const { platform, dataRoot } = first;
    expect(await stop(alice)).toBe(true);
    await aborted();
    if (isRestarted) await first.stop();
    await using router = isRestarted ? await startRouter({ backends, dataRoot }) : first;
    // The platform is silent, and the runner answers.
    await router.context.adopt();
    expect(await list(await router.person(PEOPLE.alice))).toEqual([]);
    platform.available = true;
    await router.context.adopt();
    expect(platform.runners.size).toBe(0);
    expect(await router.context.stores.runners.list()).toEqual([]);
    expect(platform.calls('start')).toBe(1);
  }
});

test('law 2: an agent whose runner was left on a silent platform is neither reset nor deleted until it is gone', async () => {
  const { router: started, alice, id, left, aborted } = await leftRunner('left-reset');
  await using router = started;
  const reset = () => alice.request(`/api/agents/${id}/reset`, { method: 'POST' });
  const begun = await alice.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  const { conversation } = (await begun.json()) as { conversation: { id: string } };
  expect((await reset()).status).toBe(503);
  await aborted();
  expect((await alice.request(`/api/agents/${id}`, { method: 'DELETE' })).status).toBe(503);
  // Nothing of it is lost.
  expect((await alice.request(`/api/conversations/${conversation.id}`)).status).toBe(200);
  await access(left.home.source);
  router.platform.available = true;
  expect((await reset()).status).toBe(204);
  expect(router.platform.runners.size).toBe(0);
  await expect(access(left.home.source)).rejects.toThrow('ENOENT');
  await router.context.adopt();
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect((await start(alice)).status).toBe(200);
  expect((await alice.request(`/api/agents/${id}`, { method: 'DELETE' })).status).toBe(204);
});

test('law 5: a crashed runner that could not be removed is removed when its platform answers', async () => {
  await using router = await startRouter();
  const { platform } = router;
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const heal = platform.fail('stop', 'unavailable');
  platform.crash(theRunner(router).spec.id, { exitCode: 1 });
  await until(async () => (await statusOf(router, alice)).state === 'failed', 'the crash is known');
  expect(platform.runners.size).toBe(1);
  heal();
  await router.context.adopt();
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect(platform.runners.size).toBe(0);
});

test('law 6: a runner is named by ids, and carries the labels that prove it ours', async () => {
  await using router = await startRouter();
  const alice = await router.person({ ...PEOPLE.alice, name: 'Alice; rm -rf /' });
  await start(alice);
  const { spec, url } = theRunner(router);
  const { installationId } = router.context;
  expect(spec.name).toBe(`ar-${installationId.slice(0, 8)}-${spec.id.slice(0, 12)}`);
  expect(spec.labels).toEqual({
    'agent-stack.installation': installationId,
    'agent-stack.runner': spec.id,
    'agent-stack.agent': (await router.context.stores.agents.list(alice.id))[0]?.id ?? '',
    'agent-stack.user': alice.id,
    'agent-stack.backend': 'echo',
  });
  expect(await list(alice)).toMatchObject([{ container_name: spec.name, host_port: Number(new URL(url).port) }]);
});

test('law 6: every start has another id, so that a name is never used twice', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const names = new Set<string>();
  for (let count = 0; count < 3; count += 1) {
    await start(alice);
    names.add(theRunner(router).spec.name);
    expect(await stop(alice)).toBe(true);
  }
  expect(names.size).toBe(3);
});
