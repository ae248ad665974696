/**
 * Containers that are changed outside the router: restarted, moved to another address, paused, with and without the
 * engine's events. Every message gets an answer, and never from another user's runner.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { containedBackend } from '../support/contained';
import { docker, removeInstallation, requireEngine } from '../support/engine';
import { startEngineProxy } from '../support/engine-proxy';
import { testImage } from '../support/image';
import { portRange } from '../support/ports';
import { PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { passTime, restoreTime } from '../support/time';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

/** For which the router reuses a connection that rests. */
const IDLE_MS = 2_000;
const isThere = await requireEngine('containers that somebody changes');
const seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
const cleanUp = new AsyncDisposableStack();
cleanUp.defer(() => rm(seeds, { recursive: true, force: true }));
const installations = new Set<string>();
// After each test and not at the end, because an engine has addresses for only thirty networks.
afterEach(async () => {
  restoreTime();
  for (const id of installations) await removeInstallation(id);
  installations.clear();
}, 60_000);
afterAll(() => cleanUp.disposeAsync());

/** A router that gets no events of its engine, so it misses changes of containers. */
const deaf = isThere ? await startEngineProxy((_, path) => path !== '/events') : undefined;
if (deaf) cleanUp.defer(deaf.close);

interface Options {
  readonly isDeaf?: boolean;
  readonly dataRoot?: string;
  readonly env?: Record<string, string>;
}

async function start({ isDeaf = true, env = {}, ...options }: Options = {}): Promise<TestRouter> {
  const backends = [await containedBackend('demo', { image: await testImage(), seeds })];
  const host = isDeaf && deaf ? { DRIVER_OPTIONS: JSON.stringify({ docker: { host: deaf.path } }) } : {};
  const router = await startRouter({ backends, env: { SEEDS_ROOT: seeds, ...host, ...env }, ...options });
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

async function containersOf(router: TestRouter, who?: Person) {
  const label = [`agent-stack.installation=${router.context.installationId}`];
  if (who) label.push(`agent-stack.user=${who.id}`);
  return docker.listContainers({ all: true, filters: { label } });
}

async function containerOf(router: TestRouter, who: Person) {
  const [found, ...others] = await containersOf(router, who);
  if (!found || others.length > 0) throw new Error(`${others.length + 1} containers where there should be one`);
  return docker.getContainer(found.Id);
}

const stateOf = (router: TestRouter, who: Person) =>
  router.context.runners.running().find(({ agent }) => agent.userId === who.id)?.status;

/** Kills the agent. Resolves when the engine has restarted it, or when a router that was told has removed it first. */
async function crash(container: ReturnType<typeof docker.getContainer>): Promise<void> {
  const { State: before } = await container.inspect();
  process.kill(before.Pid, 'SIGKILL');
  await until(async () => {
    const now = await container.inspect().catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404) throw error;
    });
    return now === undefined || (now.State.Running && now.State.StartedAt !== before.StartedAt);
  }, 'the engine has started it again');
}

describe.skipIf(!isThere)('containers that somebody changes', () => {
  for (const isDeaf of [true, false]) {
    const events = isDeaf ? 'missed' : 'told';
    test(`law 5: a container that its restart policy starts again (${events}) has ended: the next message starts another`, async () => {
      await using router = await start({ isDeaf });
      const alice = await router.person(PEOPLE.alice);
      expect(await ask(alice, 'echo one')).toBe('one');
      const container = await containerOf(router, alice);
      await container.update({ RestartPolicy: { Name: 'always' } });
      await crash(container);
      expect(await ask(alice, 'echo two')).toBe('two');
      expect((await containerOf(router, alice)).id).not.toBe(container.id);
    });

    test(`law 5: docker restart (${events}) is no end of an answer: the next message is answered`, async () => {
      await using router = await start({ isDeaf });
      const alice = await router.person(PEOPLE.alice);
      expect(await ask(alice, 'echo one')).toBe('one');
      await (await containerOf(router, alice)).restart({ t: 0 });
      expect(await ask(alice, 'echo two')).toBe('two');
      expect(await containersOf(router)).toHaveLength(1);
    });

    test(`a container that somebody pauses (${events}) goes on for the message that needs it`, async () => {
      await using router = await start({ isDeaf });
      const alice = await router.person(PEOPLE.alice);
      expect(await ask(alice, 'echo one')).toBe('one');
      const container = await containerOf(router, alice);
      await container.pause();
      // Without events, the reaper's sweep or the next message detects it.
      if (isDeaf) await router.context.runners.look(router.context.runners.running()[0]?.runner as never);
      await until(() => stateOf(router, alice)?.state === 'paused', 'it is known to be paused');
      expect(await ask(alice, 'echo two')).toBe('two');
      expect(stateOf(router, alice)?.state).toBe('running');
      expect((await containerOf(router, alice)).id).toBe(container.id);
    });
  }

  test('a container that is paused while a request waits for it is resumed at once', async () => {
    await using router = await start({ isDeaf: false });
    const alice = await router.person(PEOPLE.alice);
    expect(await ask(alice, 'echo one')).toBe('one');
    const container = await containerOf(router, alice);
    await container.pause();
    await until(() => stateOf(router, alice)?.state === 'paused', 'it is known to be paused');
    await container.unpause();
    await until(() => stateOf(router, alice)?.state === 'running', 'it is known to go on');
    const waiting = ask(alice, 'slow 3');
    await until(() => stateOf(router, alice)?.leases === 1, 'she waits');
    await container.pause();
    expect(await waiting).not.toMatch(/^\d{3} /);
    expect(stateOf(router, alice)?.state).toBe('running');
  });

  test('a container that is idle for long enough is paused by the router, and the next message resumes it', async () => {
    await using router = await start({ isDeaf: false, env: { PAUSE_IDLE_SECONDS: '1' } });
    const alice = await router.person(PEOPLE.alice);
    expect(await ask(alice, 'echo one')).toBe('one');
    const container = await containerOf(router, alice);
    await until(
      async () => {
        await router.context.sweep();
        return (await container.inspect()).State.Paused;
      },
      'it is paused',
      60_000,
    );
    expect(await ask(alice, 'echo two')).toBe('two');
    expect((await containerOf(router, alice)).id).toBe(container.id);
    expect((await container.inspect()).State.Paused).toBeFalse();
  });

  test('an idle container that is paused can be stopped, and makes room', async () => {
    await using router = await start({ isDeaf: false, env: { MAX_RUNNERS: '1' } });
    const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
    expect(await ask(alice, 'echo one')).toBe('one');
    await (await containerOf(router, alice)).pause();
    await until(() => stateOf(router, alice)?.state === 'paused', 'it is known to be paused');
    expect(await ask(bob, 'echo two')).toBe('two');
    expect(await containersOf(router, alice)).toEqual([]);
  });

  test('a container whose network was taken away and given back is found at its new address, or replaced', async () => {
    for (const network of ['own', 'sealed']) {
      const backend = await containedBackend('demo', { image: await testImage(), seeds });
      await using router = await start();
      await router.writeBackends([{ ...backend, driver_options: { network } }]);
      await until(() => router.context.backends.find('demo')?.driverOptions.network === network, 'it is read');
      const alice = await router.person(PEOPLE.alice);
      expect(await ask(alice, 'echo one')).toBe('one');
      const container = await containerOf(router, alice);
      const { NetworkSettings: settings } = await container.inspect();
      const [name = ''] = Object.keys(settings.Networks);
      const hosted = docker.getNetwork(name);
      await hosted.disconnect({ Container: container.id });
      // Another container takes the address meanwhile.
      const bob = await router.person(PEOPLE.bob);
      expect(await ask(bob, 'echo from bob')).toBe('from bob');
      await hosted.connect({ Container: container.id });
      // A request on a connection from before may have arrived, and is not sent again.
      passTime(IDLE_MS);
      expect(await ask(alice, 'echo two')).toBe('two');
      expect(await ask(bob, 'echo still bob')).toBe('still bob');
    }
  });

  test("another user's runner that got the old port answers nobody's message but its owner's", async () => {
    const [first, last] = portRange(2);
    const env = { BACKEND_PORT_START: String(first), BACKEND_PORT_END: String(last) };
    await using router = await start({ env });
    const [alice, bob, mallory] = [
      await router.person(PEOPLE.alice),
      await router.person(PEOPLE.bob),
      await router.person(PEOPLE.mallory),
    ];
    expect(await ask(alice, 'echo one')).toBe('one');
    const urlOf = (who: Person) =>
      router.context.runners.running().find(({ agent }) => agent.userId === who.id)?.runner.url;
    const before = urlOf(alice);
    await (await containerOf(router, alice)).stop({ t: 0 });
    expect(await ask(bob, 'echo from bob')).toBe('from bob');
    expect(await ask(mallory, 'echo from mallory')).toBe('from mallory');
    // Both ports are in use, and one of them was hers; the runner that has it now does not answer her.
    expect([urlOf(bob), urlOf(mallory)]).toContain(before);
    expect(await ask(alice, 'echo two')).toStartWith('502 ');
    expect((await bob.request('/api/runners/demo', { method: 'DELETE' })).status).toBe(200);
    const again = await alice.request('/api/runners/demo/start', { method: 'POST' });
    expect(again.status).toBe(200);
    expect(await ask(alice, 'echo two')).toBe('two');
    expect(await ask(mallory, 'echo still mallory')).toBe('still mallory');
  });

  test('law 2: a container that was restarted while the router was down is probed before it is adopted', async () => {
    const before = await start();
    const alice = await before.person(PEOPLE.alice);
    expect(await ask(alice, 'echo one')).toBe('one');
    await before.stop();
    await (await containerOf(before, alice)).restart({ t: 0 });
    await using after = await start({ dataRoot: before.dataRoot });
    expect(await ask(await after.person(PEOPLE.alice), 'echo two')).toBe('two');
    expect(await containersOf(after)).toHaveLength(1);
  });
});
