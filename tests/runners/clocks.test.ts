import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, program, startRouter, until } from '../support/router';
import { problemOf, start, statusOf, switchable } from '../support/runners';

/** A test that waits this long has failed. */
const NEVER = 3600;

test('law 3: a pull that takes longer than the other two clocks does not use them up', async () => {
  const script = switchable('after-pull');
  const clocks = { pull_seconds: 60, start_seconds: 2, ready_seconds: 2 };
  const backend = memoryBackend('echo', { image: 'agents/echo', timeouts: clocks }, script.name);
  await using router = await startRouter({ backends: [backend] });
  const alice = await router.person(PEOPLE.alice);
  const release = router.platform.hold('prepare');
  const starting = start(alice);
  await until(() => router.platform.calls('prepare') === 1, 'the image is being fetched');
  const began = performance.now();
  await until(() => performance.now() - began > 2_000, 'both other clocks would have run out');
  release();
  expect((await starting).status).toBe(200);
});

test('law 3: each clock runs out in its own words', async () => {
  const script = switchable('slow', { ready: false });
  const backend = (name: string, clocks: object, more: object = {}) =>
    memoryBackend(name, { display_name: name, timeouts: clocks, ...more }, script.name);
  const backends = [
    backend('pulling', { pull_seconds: 0.05 }, { image: 'agents/pulling' }),
    backend('starting', { start_seconds: 0.05 }),
    backend('waking', { ready_seconds: 2 }),
  ];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  const messageOf = async (name: string) => {
    const response = await start(alice, name);
    expect(response.status).toBe(504);
    return (await problemOf(response)).detail;
  };
  const releases = [router.platform.hold('prepare')];
  expect(await messageOf('pulling')).toBe('pulling could not start: its image was not fetched within 0.05 s.');
  releases.push(router.platform.hold('start'));
  expect(await messageOf('starting')).toBe('starting took too long to start: the platform was not done within 0.05 s.');
  for (const release of releases) release();
  expect(await messageOf('waking')).toBe(
    'waking was started but did not become ready within 2 s (/healthz answered 503).',
  );
  expect(router.platform.runners.size).toBe(0);
});

test('law 3: a runner that exits while starting fails at once, with exit code and last lines', async () => {
  const script = switchable('exits', { ready: false });
  const backend = memoryBackend('echo', { display_name: 'Echo', timeouts: { ready_seconds: NEVER } }, script.name);
  await using router = await startRouter({ backends: [backend] });
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'it waits to be ready');
  script.runtime?.say('reading the settings');
  script.runtime?.say(`cannot read them with ${script.spec?.env.OPENAI_API_KEY}`);
  script.runtime?.exit(78);
  const response = await starting;
  expect(response.status).toBe(502);
  expect(await problemOf(response)).toMatchObject({
    code: 'runner_failed',
    detail: 'Echo could not start: it ended with exit code 78.',
    hint: 'Its last output:\nreading the settings\ncannot read them with [key]',
  });
  expect(router.platform.runners.size).toBe(0);
  // The platform reported it; nothing polled.
  expect(router.platform.calls('inspect')).toBe(0);
});

test('law 3: a runner that exits before the start call is through fails at once as well', async () => {
  const name = program('exits-early', (_spec, runtime) => {
    runtime.exit(9);
    return () => new Response('not yet', { status: 503 });
  });
  const backend = memoryBackend('echo', { timeouts: { ready_seconds: NEVER } }, name);
  await using router = await startRouter({ backends: [backend] });
  const alice = await router.person(PEOPLE.alice);
  expect((await problemOf(await start(alice))).detail).toEndWith('it ended with exit code 9.');
  expect(router.platform.calls('inspect')).toBe(0);
});

test('law 3: a process that exits while starting fails at once, with exit code and last lines', async () => {
  const code = 'console.error("no such model"); process.exit(3)';
  const broken = {
    name: 'broken',
    driver: 'process',
    trusted: true,
    cmd: [process.execPath, '-e', code],
    timeouts: { ready_seconds: NEVER },
  };
  await using router = await startRouter({ backends: [broken] });
  const alice = await router.person(PEOPLE.alice);
  const response = await start(alice, 'broken');
  expect(response.status).toBe(502);
  expect(await problemOf(response)).toMatchObject({
    detail: 'broken could not start: it ended with exit code 3.',
    hint: 'Its last output:\nno such model',
  });
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect(await router.context.drivers.get('process').list(AbortSignal.timeout(5_000))).toEqual([]);
});

test('law 3: a runner that vanishes while starting fails at once', async () => {
  const script = switchable('vanishes', { ready: false });
  const backend = memoryBackend('echo', { timeouts: { ready_seconds: NEVER } }, script.name);
  await using router = await startRouter({ backends: [backend] });
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'it waits to be ready');
  router.platform.vanish(script.spec?.id ?? '');
  expect((await problemOf(await starting)).detail).toEndWith('it disappeared.');
  expect(await statusOf(router, alice)).toMatchObject({ state: 'failed' });
});
