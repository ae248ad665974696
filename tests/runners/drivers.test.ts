/** Drivers that do less than their contract requires: the memory driver with one change, loaded from DRIVERS_DIR. */
import { afterAll, expect, test } from 'bun:test';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { createWatches } from '../../router/runners/health/watch';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { list, problemOf, start, statusOf, switchable, theRunner } from '../support/runners';

const driversDir = await mkdtemp(join(tmpdir(), 'agent-stack-drivers-'));
afterAll(() => rm(driversDir, { recursive: true, force: true }));

/** @param changes members of an object literal, in which `memory` is the memory driver. */
async function driver(name: string, changes: string): Promise<void> {
  await mkdir(join(driversDir, name));
  const source = `
    import plugin from ${JSON.stringify(join(repositoryRoot, 'drivers/memory/index.ts'))};
    const create = async (...given) => {
      const memory = await plugin.create(...given);
      return { ...memory, name: '${name}', ${changes} };
    };
    export default { ...plugin, name: '${name}', create };`;
  await writeFile(join(driversDir, name, 'index.ts'), source);
}

await driver('deaf', 'watch: undefined');
await driver('fickle', 'async *watch() {}');
await driver(
  'stubborn',
  `async start(spec, context) {
     await globalThis.letStubbornStart;
     return memory.start(spec, { ...context, signal: new AbortController().signal });
   }`,
);

await driver('faulty', "async start() { throw new TypeError('no secret of the log'); }");

await driver(
  'shouting',
  `async start(spec, { progress }) {
  const key = spec.env[Object.keys(spec.env).find((name) => spec.env[name].startsWith('ak-'))];
  progress({ stage: 'start', percent: 70, message: \`Starting with \${key}\` });
  await globalThis.letShoutingFail;
  throw Object.assign(new Error(\`[shouting] refused \${key}\`), { name: 'DriverError', fault: 'start_failed', hint: key });
}`,
);
await driver('endless', 'watch: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) })');
await driver('addressless', "async routerAddress() { throw 'no address'; }");
await driver('mute', "async ping() { throw new TypeError('no secret of the log'); }");

await driver('late', '');
await writeFile(
  join(driversDir, 'late/index.ts'),
  (await readFile(join(driversDir, 'late/index.ts'), 'utf8')).replace(
    'const create = async (...given) => {',
    "$& if (globalThis.lateIsAway) throw new Error('not yet');",
  ),
);

const routerWith = (name: string, more: Record<string, unknown> = {}, program?: string) =>
  startRouter({
    backends: [{ ...memoryBackend('echo', more, program), driver: name }],
    env: { DRIVERS_DIR: driversDir },
  });

test('a crash is found by the sweep where the driver cannot report it', async () => {
  await using router = await routerWith('deaf');
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  router.platform.crash(theRunner(router).spec.id, { exitCode: 5 });
  expect(await statusOf(router, alice)).toMatchObject({ state: 'running' });
  await router.context.sweep();
  const { state, failure } = await statusOf(router, alice);
  expect([state, failure?.message]).toEqual(['failed', 'The agent stopped: it ended with exit code 5.']);
});

test('a driver that throws what its contract does not know is named, without its text', async () => {
  await using router = await routerWith('faulty');
  const alice = await router.person(PEOPLE.alice);
  const refused = await start(alice);
  const { detail, code } = await problemOf(refused);
  expect([refused.status, code]).toEqual([502, 'runner_failed']);
  expect(detail).toBe('echo could not start: its driver "faulty" failed (TypeError). The log has the reason.');
});

test.each([
  ['addressless', 502, 'string'],
  ['mute', 503, 'TypeError'],
])('so is one that throws it before the start: %s', async (name, status, kind) => {
  await using router = await routerWith(name);
  const refused = await start(await router.person(PEOPLE.alice));
  expect(refused.status).toBe(status);
  const { detail } = await problemOf(refused);
  expect(detail).toBe(`echo could not start: its driver "${name}" failed (${kind}). The log has the reason.`);
});

test('keys are taken out of what a driver says, and its percent is a part of the start', async () => {
  const failing = Promise.withResolvers<void>();
  Object.assign(globalThis, { letShoutingFail: failing.promise });
  await using router = await routerWith('shouting');
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(async () => (await statusOf(router, alice)).progress.message.includes('with'), 'the driver speaks');
  expect((await statusOf(router, alice)).progress).toMatchObject({ percent: 57, message: 'Starting with [key]' });
  failing.resolve();
  const { detail, hint } = await problemOf(await starting);
  expect([detail, hint]).toEqual(['echo could not start: refused [key]', '[key]']);
});

test('a platform’s words about an end are short and without keys', async () => {
  await using router = await routerWith('deaf');
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  router.platform.crash(theRunner(router).spec.id, { reason: `ak-${'k'.repeat(43)} ${'x'.repeat(2_000)}` });
  await router.context.sweep();
  const { failure } = await statusOf(router, alice);
  expect(failure?.message).toBe(`The agent stopped: it ended ([key] ${'x'.repeat(994)}…).`);
});

test('law 3: a runner that exits while starting is found where the driver cannot report it', async () => {
  const script = switchable('exits-unheard', { ready: false });
  await using router = await routerWith('deaf', { timeouts: { ready_seconds: 3600 } }, script.name);
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'it waits to be ready');
  script.runtime?.exit(4);
  expect((await problemOf(await starting)).detail).toEndWith('it ended with exit code 4.');
});

test('a watch that ends is restarted, and the changes meanwhile are inspected', async () => {
  await using router = await routerWith('fickle');
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const { drivers, runners } = router.context;
  const stopping = new AbortController();
  await using watches = createWatches({ drivers, runners, signal: stopping.signal, retryMs: 5 });
  watches.follow();
  router.platform.crash(theRunner(router).spec.id);
  await until(async () => (await statusOf(router, alice)).state === 'failed', 'the crash is known');
  stopping.abort();
});

test('a driver whose watch does not end with its signal does not keep the router from ending', async () => {
  await using router = await routerWith('endless');
  const { drivers, runners } = router.context;
  const stopping = new AbortController();
  const watches = createWatches({ drivers, runners, signal: stopping.signal });
  watches.follow();
  stopping.abort();
  await watches[Symbol.asyncDispose]();
});

test('a driver that exceeds its time limit is not waited for, and a runner that it starts later is stopped', async () => {
  const gate = Promise.withResolvers<void>();
  Object.assign(globalThis, { letStubbornStart: gate.promise });
  await using router = await routerWith('stubborn', { timeouts: { start_seconds: 0.05 } });
  const alice = await router.person(PEOPLE.alice);
  const response = await start(alice);
  expect([response.status, (await problemOf(response)).code]).toEqual([504, 'start_timeout']);
  expect(await router.context.stores.runners.list()).toEqual([]);
  gate.resolve();
  await until(() => router.platform.calls('start') === 1, 'it starts after all');
  await until(() => router.platform.calls('stop') === 1 && router.platform.runners.size === 0, 'it is stopped');
});

test('a driver that could not be loaded at boot and comes with a new backends.json brings its runners back', async () => {
  const first = await routerWith('late');
  await start(await first.person(PEOPLE.alice));
  const [row] = await first.context.stores.runners.list();
  await first.stop();
  Object.assign(globalThis, { lateIsAway: true });
  const env = { DRIVERS_DIR: driversDir };
  const other = { name: 'other', driver: 'process', trusted: true, cmd: ['true'] };
  await using router = await startRouter({ dataRoot: first.dataRoot, backends: [other], env });
  expect(await router.context.stores.runners.list()).toMatchObject([{ id: row?.id }]);
  Object.assign(globalThis, { lateIsAway: false });
  await router.writeBackends([{ ...memoryBackend('echo'), driver: 'late' }]);
  await until(() => router.context.backends.find('echo'), 'the backend is there');
  await router.context.adopt();
  expect(await list(await router.person(PEOPLE.alice))).toMatchObject([{ backend: 'echo', running: true }]);
  expect(theRunner(router).spec.id).toBe(row?.id ?? '');
});
