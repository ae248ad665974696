import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { list, say, start, statusOf, switchable } from '../support/runners';

test('law 1: a hundred parallel first messages make one agent and one runner', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => say(alice, `message ${index}`)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const texts = await Promise.all(answers.map((answer) => answer.text()));
  expect(texts.every((text, index) => text.includes(`message ${index}"`))).toBe(true);
  expect(router.platform.calls('start')).toBe(1);
  expect(router.platform.runners.size).toBe(1);
  expect(await router.context.stores.agents.list(alice.id)).toHaveLength(1);
  expect(await router.context.stores.runners.list()).toHaveLength(1);
});

test('law 1: a hundred parallel first messages make one process', async () => {
  const demo = {
    name: 'demo',
    driver: 'process',
    trusted: true,
    cmd: [process.execPath, join(repositoryRoot, 'backends/demo/main.ts')],
  };
  await using router = await startRouter({ backends: [demo] });
  const alice = await router.person(PEOPLE.alice);
  const answers = await Promise.all(Array.from({ length: 100 }, () => say(alice, 'hello', { model: 'demo' })));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  await Promise.all(answers.map((answer) => answer.text()));
  const owned = await router.context.drivers.get('process').list(AbortSignal.timeout(5_000));
  expect(owned).toHaveLength(1);
  expect(await router.context.stores.agents.list(alice.id)).toHaveLength(1);
  expect(await list(alice)).toMatchObject([{ backend: 'demo', running: true }]);
});

test("law 1: one agent's start does not delay another's message", async () => {
  await using router = await startRouter({ backends: [memoryBackend('echo'), memoryBackend('other')] });
  const alice = await router.person(PEOPLE.alice);
  const bob = await router.person(PEOPLE.bob);
  await start(alice);
  const release = router.platform.hold('start');
  const bobs = start(bob);
  const others = start(alice, 'other');
  await until(() => router.platform.calls('start') === 3, 'both starts hang');
  expect((await say(alice, 'still there?')).status).toBe(200);
  expect(await statusOf(router, bob)).toMatchObject({ state: 'starting' });
  release();
  expect((await bobs).status).toBe(200);
  expect((await others).status).toBe(200);
});

test('law 1: a warm request makes no driver call and no probe', async () => {
  const script = switchable('counted');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  // Not `ping` and `stats`, with which clocks ask.
  const verbs = ['start', 'inspect', 'stop', 'list', 'prepare', 'logs'] as const;
  const calls = () => verbs.map((verb) => router.platform.calls(verb));
  // What follows a watch's beginning is not of the request.
  await until(() => script.probes >= 2, 'the runner was probed');
  const before = { calls: calls(), probes: script.probes };
  for (let count = 0; count < 5; count += 1) expect((await say(alice, 'warm')).status).toBe(200);
  expect({ calls: calls(), probes: script.probes }).toEqual(before);
});

test('a caller who leaves does not end the start that others wait for', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const release = router.platform.hold('start');
  const leaving = new AbortController();
  const left = alice.request('/api/runners/echo/start', { method: 'POST', signal: leaving.signal });
  await until(() => router.platform.calls('start') === 1, 'the start hangs');
  const waiting = say(alice, 'I stay');
  leaving.abort();
  await left.catch(() => undefined);
  release();
  expect(await (await waiting).text()).toContain('I stay');
  expect(router.platform.calls('start')).toBe(1);
  await until(async () => (await statusOf(router, alice)).leases === 0, 'nobody holds it');
});

test('a start that fails when nobody waits for it any more breaks nothing', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const release = router.platform.hold('start');
  router.platform.fail('start', 'no_capacity');
  const leaving = new AbortController();
  const left = alice.request('/api/runners/echo/start', { method: 'POST', signal: leaving.signal });
  await until(() => router.platform.calls('start') === 1, 'the start hangs');
  leaving.abort();
  await left.catch(() => undefined);
  release();
  await until(async () => (await statusOf(router, alice)).state === 'failed', 'the start has failed');
  expect(await statusOf(router, alice)).toMatchObject({ leases: 0 });
});
