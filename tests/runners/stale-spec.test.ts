/**
 * Runners that were started with another spec than they would get now: detected at once, and ended when they are idle.
 */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { handClock, list, say, start, theRunner } from '../support/runners';
import { completion, scriptedRunner } from '../support/scripted-runner';

const entry = { image: 'agent:1', extra_env: { MODE: 'fast' }, limits: { memory: '1g' }, network_mode: 'agents' };
const other = scriptedRunner('stale-option');
other.reply = () => completion('Hello.');
const held = (router: TestRouter, alice: Person) =>
  router.context.agents
    .list(alice.id)
    .then(([agent]) => router.context.runners.lease(agent as never, { signal: new AbortController().signal }));

test.each([
  ['its image', { image: 'agent:2' }],
  ['a variable', { extra_env: { MODE: 'slow' } }],
  ['a limit', { limits: { memory: '2g' } }],
  ['its network', { network_mode: 'others' }],
  ['its command', { cmd: ['other'] }],
  ['the variable of its key', { api_key_env: 'OTHER_KEY' }],
  ['its user', { user: '1000' }],
  ['an option of its driver', { driver_options: { program: other.program } }],
])(
  'a runner at work is stale when backends.json changes %s, and ends when its last lease is released',
  async (_, change) => {
    await using router = await startRouter({ backends: [memoryBackend('echo', entry)] });
    const alice = await router.person(PEOPLE.alice);
    await start(alice);
    const lease = await held(router, alice);
    const before = theRunner(router).spec.id;
    await router.writeBackends([memoryBackend('echo', { ...entry, ...change })]);
    await until(async () => (await list(alice))[0]?.stale, 'the runner is stale');
    expect(theRunner(router).spec.id).toBe(before);
    lease.end();
    await until(() => router.platform.runners.size === 0, 'the runner has ended');
    expect((await say(alice, 'again')).status).toBe(200);
    expect(await list(alice)).toMatchObject([{ stale: false }]);
  },
);

test('a change that does not reach a runner makes none stale', async () => {
  await using router = await startRouter({ backends: [memoryBackend('echo', entry)] });
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const more = { display_name: 'Other', description: 'Other', suggestions: ['Hi'], history: 'last-turn' };
  await router.writeBackends([memoryBackend('echo', { ...entry, ...more })]);
  await until(() => router.context.backends.find('echo')?.displayName === 'Other', 'backends.json is read');
  await router.context.runners.valuesChanged();
  expect(await list(alice)).toMatchObject([{ running: true, stale: false }]);
});

const upstream = { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] };
async function withCredentials(router: TestRouter): Promise<Person> {
  const alice = await router.person(PEOPLE.alice);
  const values = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'sk-0123456789', LLM_MODEL: 'one' };
  await router.context.credentials.set(alice.id, '', values);
  return alice;
}

test('law 16: another address, key or model of the upstream makes no runner stale', async () => {
  await using router = await startRouter({ backends: [memoryBackend('echo', upstream)] });
  const alice = await withCredentials(router);
  await start(alice);
  const values = { LLM_BASE_URL: 'http://127.0.0.1:8/v1', LLM_API_KEY: 'sk-9876543210', LLM_MODEL: 'two' };
  await router.context.credentials.set(alice.id, '', values);
  await router.context.runners.valuesChanged(alice.id);
  expect(await list(alice)).toMatchObject([{ running: true, stale: false }]);
});

test("law 2: an adopted runner that was given another router's address is stale, and is recycled when it is idle", async () => {
  const clock = handClock();
  const options = { backends: [memoryBackend('echo', upstream)], now: clock.now };
  const first = await startRouter(options);
  await start(await withCredentials(first));
  await first.stop();
  // Its internal listener has another port.
  await using second = await startRouter({ ...options, dataRoot: first.dataRoot });
  const alice = await second.person(PEOPLE.alice);
  expect(second.internalUrl).not.toBe(first.internalUrl);
  expect(await list(alice)).toMatchObject([{ running: true, stale: true }]);
  clock.advanceSeconds(61);
  await second.context.sweep();
  expect(await list(alice)).toEqual([]);
  await start(alice);
  expect(theRunner(second).spec.env.LLM_BASE_URL).toStartWith(second.internalUrl);
});

test('a runner whose backend is hosted by another driver by now is ended, though no backend names its driver', async () => {
  const agent = { name: 'echo', trusted: true, cmd: [process.execPath, join(repositoryRoot, 'backends/demo/main.ts')] };
  const first = await startRouter({ backends: [{ ...agent, driver: 'process' }] });
  await start(await first.person(PEOPLE.alice));
  const owned = ({ context }: TestRouter) => context.drivers.get('process').list(AbortSignal.timeout(5_000));
  expect(await owned(first)).toHaveLength(1);
  await first.stop();
  await using second = await startRouter({ backends: [memoryBackend('echo')], dataRoot: first.dataRoot });
  expect(await owned(second)).toEqual([]);
  const alice = await second.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  expect(second.platform.runners.size).toBe(1);
});
