/**
 * Containers that have ended and that the engine cannot remove, here because of an immutable file in the layer of each.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { containedBackend } from '../support/contained';
import { docker, removeInstallation, requireEngine } from '../support/engine';
import { testImage } from '../support/image';
import { PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const isThere = (await requireEngine('containers that cannot be removed')) && (await canBeImmutable());
const seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
const cleanUp = new AsyncDisposableStack();
/** Runs first: nothing else can be removed while these exist. */
const holds = new AsyncDisposableStack();
cleanUp.defer(() => rm(seeds, { recursive: true, force: true }));
const installations = new Set<string>();
afterAll(async () => {
  await holds.disposeAsync();
  for (const id of installations) await removeInstallation(id);
  await cleanUp.disposeAsync();
}, 60_000);

/** Only some file systems have immutable files, and only an engine that stacks layers shows where they are. */
async function canBeImmutable(): Promise<boolean> {
  const { Driver: driver, DockerRootDir: folder } = await docker.info();
  const file = join(folder, `immutable-${crypto.randomUUID()}`);
  await Bun.write(file, '');
  const { exitCode } = await Bun.$`chattr +i ${file}`.nothrow().quiet();
  await Bun.$`chattr -i ${file}`.nothrow().quiet();
  await rm(file);
  return driver === 'overlay2' && exitCode === 0;
}

/** From now on the engine cannot remove the container, until the test has ended. */
async function hold(id: string): Promise<void> {
  const { GraphDriver: layers } = await docker.getContainer(id).inspect();
  const file = join(String(Object(layers.Data).UpperDir), 'held');
  await Bun.write(file, '');
  await Bun.$`chattr +i ${file}`.quiet();
  holds.defer(async () => {
    await Bun.$`chattr -i ${file}`.nothrow().quiet();
    await docker
      .getContainer(id)
      .remove({ force: true, v: true })
      .catch(() => undefined);
  });
}

async function start(dataRoot?: string): Promise<TestRouter> {
  const backends = [await containedBackend('demo', { image: await testImage(), seeds })];
  const router = await startRouter({ backends, env: { SEEDS_ROOT: seeds }, ...(dataRoot && { dataRoot }) });
  installations.add(router.context.installationId);
  cleanUp.defer(() => rm(router.dataRoot, { recursive: true, force: true }));
  return router;
}

async function ask(who: Person, content: string): Promise<string> {
  const body = { model: 'demo', messages: [{ role: 'user', content }] };
  const answer = await who.request('/v1/chat/completions', { method: 'POST', body });
  const text = await answer.text();
  return answer.ok ? JSON.parse(text).choices[0].message.content : `${answer.status} ${text}`;
}

const containersOf = (router: TestRouter) =>
  docker.listContainers({
    all: true,
    filters: { label: [`agent-stack.installation=${router.context.installationId}`] },
  });

describe.skipIf(!isThere)('containers that cannot be removed', () => {
  test('a container that has ended counts as gone, is logged once, and is not listed after a restart of the driver', async () => {
    const bench = await createDockerBench();
    cleanUp.defer(bench.dispose);
    const driver = await bench.create();
    const { handle, containerId } = await bench.inside(driver);
    await hold(containerId);
    const soon = () => AbortSignal.timeout(30_000);
    await driver.stop(handle, { graceMs: 1_000 });
    await driver.stop(handle, { graceMs: 1_000 });
    expect(await driver.inspect(handle, soon())).toEqual({ state: 'gone' });
    expect(JSON.stringify(bench.events).split('container.left')).toHaveLength(2);
    const later = await bench.create();
    expect(await later.list(soon())).toEqual([]);
    expect(await later.inspect(handle, soon())).toEqual({ state: 'gone' });
    await later.stop(handle, { graceMs: 1_000 });
    const { Name: name } = await docker.getContainer(containerId).inspect();
    expect(name).toEndWith('-left');
  });

  test('its agent starts anew, under another name, at once and after a restart of the router', async () => {
    const before = await start();
    const alice = await before.person(PEOPLE.alice);
    expect(await ask(alice, 'echo one')).toBe('one');
    const [first] = await containersOf(before);
    await hold(first?.Id ?? '');
    await docker.getContainer(first?.Id ?? '').kill();
    await until(() => before.context.runners.running().length === 0, 'its end is known');
    expect(await ask(alice, 'echo two')).toBe('two');
    const second = (await containersOf(before)).find(({ Id }) => Id !== first?.Id);
    await hold(second?.Id ?? '');
    await before.stop();
    await docker.getContainer(second?.Id ?? '').kill();
    await using after = await start(before.dataRoot);
    expect(await ask(await after.person(PEOPLE.alice), 'echo three')).toBe('three');
    const names = (await containersOf(after)).flatMap(({ Names }) => Names);
    expect(names.filter((name) => name.endsWith('-left'))).toHaveLength(2);
    expect(new Set(names).size).toBe(3);
  });
});
