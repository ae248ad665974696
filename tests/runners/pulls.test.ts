/**
 * Images are fetched before a start takes its turn: a registry that does not answer delays only the starts that need
 * its image.
 */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { removeInstallation, requireEngine } from '../support/engine';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { problemOf, say, start, statusOf, stop } from '../support/runners';

const NAMES = ['one', 'two', 'three', 'four', 'five', 'six'];

test('starts whose images do not come take nobody a turn', async () => {
  const backends = [
    ...NAMES.map((name) => memoryBackend(name, { image: `silent/${name}:1` })),
    memoryBackend('plain'),
    memoryBackend('present', { image: 'present/one:1' }),
  ];
  await using router = await startRouter({ backends, env: { MAX_STARTS: '1', START_QUEUE_SECONDS: '30' } });
  router.platform.intercept('prepare', ({ subject }) =>
    subject?.startsWith('silent/') ? new Promise(() => {}) : undefined,
  );
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const hanging = NAMES.map((name) => start(alice, name));
  await until(() => router.platform.calls('prepare') === NAMES.length, 'all of them are being fetched');
  expect((await say(bob, 'hello', { model: 'plain' })).status).toBe(200);
  expect((await say(bob, 'hello', { model: 'present' })).status).toBe(200);
  // Nor does another start of the same user wait.
  expect((await say(alice, 'hello', { model: 'plain' })).status).toBe(200);
  expect(await statusOf(router, alice, 'one')).toMatchObject({ progress: { stage: 'image_pull' } });
  for (const name of NAMES) expect(await stop(alice, name)).toBe(true);
  for (const response of await Promise.all(hanging)) expect(response.status).toBe(409);
});

test('a fetch has a time limit of its own, and an error of its own', async () => {
  const backends = [memoryBackend('echo', { image: 'silent/one:1', timeouts: { pull_seconds: 0.05 } })];
  await using router = await startRouter({ backends });
  router.platform.hold('prepare');
  const response = await start(await router.person(PEOPLE.alice));
  expect(response.status).toBe(504);
  expect((await problemOf(response)).detail).toContain('its image was not fetched within 0.05 s');
  expect(await router.context.stores.runners.list()).toEqual([]);
});

test('a user at the limit of runners is refused before an image is fetched', async () => {
  const backends = [memoryBackend('plain'), memoryBackend('echo', { image: 'an/image:1' })];
  await using router = await startRouter({ backends, env: { MAX_RUNNERS_PER_USER: '1' } });
  const alice = await router.person(PEOPLE.alice);
  const lease = await router.context.runners.lease(
    await router.context.agents.defaultOf(alice.id, router.context.backends.all()[0] as never),
    { signal: new AbortController().signal },
  );
  expect((await problemOf(await start(alice))).code).toBe('too_many_runners');
  expect(router.platform.calls('prepare')).toBe(0);
  lease.end();
});

test.skipIf(!(await requireEngine('four registries that never answer')))(
  'four registries that take connections and never answer lock nobody out',
  async () => {
    const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    const boxed = NAMES.slice(0, 4).map((name) => ({
      ...{ name, driver: 'docker', image: `127.0.0.1:${silent.port}/${name}:1` },
    }));
    const demo = {
      ...{ name: 'demo', driver: 'process', trusted: true },
      cmd: [process.execPath, join(repositoryRoot, 'backends/demo/main.ts')],
    };
    const router = await startRouter({ backends: [...boxed, demo] });
    try {
      const people = [PEOPLE.alice, PEOPLE.mallory];
      const [alice, mallory] = await Promise.all(people.map((one) => router.person(one)));
      const bob = await router.person(PEOPLE.bob);
      if (!alice || !mallory) throw new Error('premise: there are people');
      const hanging = boxed.flatMap(({ name }) => [start(alice, name), start(mallory, name)]);
      const isPulled = async (name: string) => (await statusOf(router, alice, name)).progress.stage === 'image_pull';
      for (const { name } of boxed) await until(() => isPulled(name), 'it is being fetched');
      expect((await say(bob, 'hello', { model: 'demo' })).status).toBe(200);
      for (const { name } of boxed) for (const one of [alice, mallory]) await stop(one, name);
      for (const response of await Promise.all(hanging)) expect(response.status).toBe(409);
    } finally {
      silent.stop(true);
      await router[Symbol.asyncDispose]();
      await removeInstallation(router.context.installationId);
    }
  },
  120_000,
);
