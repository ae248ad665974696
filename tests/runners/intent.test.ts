import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { list, start, statusOf, stop, switchable, theRunner } from '../support/runners';

const brief = { timeouts: { ready_seconds: 0.2 } };

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

test('law 2: a runner that a failed start could not remove is removed by the next start', async () => {
  const script = switchable('left-behind', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', brief, script.name)] });
  const { platform } = router;
  const alice = await router.person(PEOPLE.alice);
  const failing = start(alice);
  await until(() => script.probes > 0, 'the runner is there');
  platform.available = false;
  expect((await failing).status).toBe(504);
  const left = theRunner(router).spec.id;
  expect(await router.context.stores.runners.list()).toMatchObject([{ id: left, state: 'starting' }]);
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
  const alice = await router.person(PEOPLE.alice);
  const failing = start(alice);
  await until(() => script.probes > 0, 'the runner is there');
  platform.available = false;
  expect((await failing).status).toBe(504);
  expect(platform.runners.size).toBe(1);
  platform.available = true;
  await router.context.adopt();
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect(platform.runners.size).toBe(0);
  expect(platform.calls('start')).toBe(1);
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
