import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import backends from '../../backends.json';
import { until } from '../../drivers/conformance/bench';
import { buildCommand } from '../../drivers/docker/images';
import { registryOf } from '../../drivers/docker/sign-ins';
import type { StartProgress } from '../../drivers/driver';
import { docker, requireEngine } from '../support/engine';
import { type Registry, startRegistry } from '../support/registry';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const failureOf = (promise: Promise<unknown> | undefined) =>
  Promise.resolve(promise).then(
    () => undefined,
    (error) => error,
  );

/** A context that records the progress that it gets. */
function listener(signal = new AbortController().signal) {
  const steps: StartProgress[] = [];
  return { signal, steps, progress: (step: StartProgress) => void steps.push(step) };
}

if (await requireEngine('how the docker driver fetches images')) {
  const directory = await mkdtemp(join(tmpdir(), 'agent-stack-pull-'));
  const authFile = join(directory, 'config.json');
  const bench = await createDockerBench({ authFile });
  const images: string[] = [];
  const registryWithImage = async (): Promise<Registry> => {
    const registry = await startRegistry();
    images.push(registry.image);
    return registry;
  };
  const isPresent = async (image: string) => (await failureOf(docker.getImage(image).inspect())) === undefined;

  afterEach(async () => {
    await rm(authFile, { force: true });
    for (const image of images.splice(0)) await failureOf(docker.getImage(image).remove({ force: true }));
    await bench.sweep();
  }, 60_000);
  afterAll(async () => {
    await bench.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  describe('an image', () => {
    test('is fetched with progress that never falls, and then is there', async () => {
      await using registry = await registryWithImage();
      const driver = await bench.create();
      registry.hold();
      const context = listener();
      const fetching = driver.prepare?.(registry.image, context);
      await until('some of it has come', () => context.steps.some(({ percent = 0 }) => percent > 5));
      registry.release();
      await fetching;
      const percents = context.steps.map(({ percent = -1 }) => percent);
      expect(percents).toEqual(percents.toSorted((a, b) => a - b));
      expect(context.steps.at(-1)).toEqual({ stage: 'pull', percent: 100, message: `Fetched ${registry.image}` });
      expect(context.steps.some(({ message }) => /of 3 layers, 9 MB$/.test(message))).toBe(true);
      expect(await isPresent(registry.image)).toBe(true);
      const again = listener();
      await driver.prepare?.(registry.image, again);
      expect(again.steps).toEqual([]);
    });

    test('that is there is asked for again when it is fetched anew, and stays when the registry has none', async () => {
      await using registry = await registryWithImage();
      const driver = await bench.create();
      await driver.prepare?.(registry.image, listener());
      const anew = listener();
      await driver.prepare?.(registry.image, { ...anew, isAnew: true });
      expect(anew.steps.at(-1)).toEqual({ stage: 'pull', percent: 100, message: `Fetched ${registry.image}` });
      await registry[Symbol.asyncDispose]();
      const failure = await failureOf(driver.prepare?.(registry.image, { ...listener(), isAnew: true }));
      expect(failure).toMatchObject({ fault: 'image_missing' });
      expect(await isPresent(registry.image)).toBe(true);
    });

    test('that several starts wait for is fetched once, and each start sees the progress', async () => {
      await using registry = await registryWithImage();
      const driver = await bench.create();
      const waiting = Array.from({ length: 20 }, () => listener());
      registry.hold();
      const fetching = waiting.map((context) => driver.prepare?.(registry.image, context));
      await until('the layers are asked for', () => registry.fetched.length === 3);
      const late = listener();
      const latest = driver.prepare?.(registry.image, late);
      await until('the late one is told how far it is', () => late.steps.length > 0);
      registry.release();
      await Promise.all([...fetching, latest]);
      expect(registry.fetched.length).toBe(new Set(registry.fetched).size);
      for (const { steps } of [...waiting, late]) expect(steps.at(-1)?.percent).toBe(100);
    });

    test('is given up when the last who waits has gone, and not before', async () => {
      await using registry = await registryWithImage();
      const driver = await bench.create();
      const [first, second] = [new AbortController(), new AbortController()];
      registry.hold();
      const one = failureOf(driver.prepare?.(registry.image, listener(first.signal)));
      const two = failureOf(driver.prepare?.(registry.image, listener(second.signal)));
      await until('the layers are asked for', () => registry.fetched.length === 3);
      first.abort();
      expect(await one).toMatchObject({ fault: 'timeout' });
      expect(registry.abandoned).toEqual([]);
      second.abort();
      expect(await two).toMatchObject({ fault: 'timeout' });
      await until('the engine has let go', () => registry.abandoned.length === 3);
      expect(await isPresent(registry.image)).toBe(false);
      registry.release();
      await driver.prepare?.(registry.image, listener());
      expect(await isPresent(registry.image)).toBe(true);
    });
  });

  describe('an image that cannot be had is image_missing', () => {
    test('when the registry does not know it: look at the name and the tag', async () => {
      await using registry = await registryWithImage();
      const error = await failureOf((await bench.create()).prepare?.(`${registry.image}0`, listener()));
      expect(error).toMatchObject({ fault: 'image_missing', hint: expect.stringContaining('the name and the tag') });
      expect(error.message).toContain('manifest unknown');
    });

    test('when it wants a sign-in: docker login, after which it is fetched, and a wrong one is refused', async () => {
      await using registry = await registryWithImage();
      registry.requireSignIn('ada', 's3cret-of-ada');
      const driver = await bench.create();
      const attempt = () => failureOf(driver.prepare?.(registry.image, listener()));
      const signIn = (text: string) =>
        Bun.write(authFile, JSON.stringify({ auths: { [registry.host]: { auth: btoa(text) } } }));
      const refused = { fault: 'image_missing', hint: expect.stringContaining(`docker login ${registry.host}`) };
      expect(await attempt()).toMatchObject(refused);
      await signIn('ada:wrong-secret');
      const error = await attempt();
      expect(error).toMatchObject(refused);
      expect(Bun.inspect(error, { depth: 10 })).not.toContain('wrong-secret');
      await signIn('ada:s3cret-of-ada');
      expect(await attempt()).toBeUndefined();
    });

    test('when it is one that is built: no registry is asked for it, since anybody could take its name there', async () => {
      const context = listener();
      const error = await failureOf((await bench.create()).prepare?.('agent-stack/parrot:1.2', context));
      const hint = 'In the folder of agent-stack: docker build -t agent-stack/parrot:1.2 images/parrot';
      expect(error).toMatchObject({ fault: 'image_missing', hint });
      expect(context.steps).toEqual([]);
    });

    test('when the registry does not answer: load it another way', async () => {
      const registry = await registryWithImage();
      await registry[Symbol.asyncDispose]();
      const error = await failureOf((await bench.create()).prepare?.(registry.image, listener()));
      expect(error).toMatchObject({
        fault: 'image_missing',
        hint: expect.stringContaining(`does not reach ${registry.host}`),
      });
    });
  });
}

test('the registry of an image is its first part where that is an address', () => {
  expect(['bun', 'oven/bun:1', 'ghcr.io/a/b:2', 'localhost/a', '127.0.0.1:5000/a'].map(registryOf)).toEqual([
    ...['docker.io', 'docker.io', 'ghcr.io', 'localhost', '127.0.0.1:5000'],
  ]);
});

test('an image of ours is built from the folder of its name, every other one is fetched', async () => {
  const build = (name: string) => `docker build -t ${name} images/nanobot`;
  for (const name of ['agent-stack/nanobot:0.3.0', 'agent-stack/nanobot']) expect(buildCommand(name)).toBe(build(name));
  for (const name of ['ghcr.io/agent-stack/nanobot:1', 'agent-stacks/nanobot', 'agent-stack', 'localhost/a']) {
    expect([name, buildCommand(name)]).toEqual([name, undefined]);
  }
  // Every such image of the repository has a folder to build it from.
  for (const { image = '' } of backends) {
    const folder = buildCommand(image)?.split(' ').at(-1);
    if (folder) expect(await Bun.file(join(import.meta.dir, '../..', folder, 'Dockerfile')).exists()).toBe(true);
  }
});
