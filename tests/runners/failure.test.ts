import { afterAll, expect, test } from 'bun:test';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { handClock, problemOf, say, start, statusOf, stop, switchable } from '../support/runners';

const seedsRoot = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
afterAll(() => rm(seedsRoot, { recursive: true, force: true }));

async function seed(name: string, files: Record<string, string>): Promise<void> {
  await mkdir(join(seedsRoot, name));
  for (const [path, text] of Object.entries(files)) await writeFile(join(seedsRoot, name, path), text);
}

test('after failed starts messages are refused with the reason for 1, 2, 4 … 60 seconds', async () => {
  const clock = handClock();
  await using router = await startRouter({ now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  router.platform.fail('start', 'start_failed', 'no luck');
  for (const [index, waitSeconds] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
    expect((await say(alice, 'hello')).status).toBe(502);
    expect(router.platform.calls('start')).toBe(index + 1);
    clock.advanceSeconds(waitSeconds - 0.5);
    const early = await say(alice, 'hello?');
    // From the second one on it is known to last, and a time to wait would only hold its reason back.
    expect([early.status, early.headers.get('retry-after')]).toEqual([502, index === 0 ? '1' : null]);
    expect(early.headers.get('x-should-retry')).toBe(index === 0 ? null : 'false');
    expect(await early.text()).toContain('echo could not start: no luck');
    expect(router.platform.calls('start')).toBe(index + 1);
    clock.advanceSeconds(0.5);
  }
});

test('a start that a person requests ignores the back-off, and a successful one ends it', async () => {
  const clock = handClock();
  await using router = await startRouter({ now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  const mend = router.platform.fail('start', 'start_failed');
  expect((await say(alice, 'hello')).status).toBe(502);
  expect((await start(alice)).status).toBe(502);
  const [agent] = await router.context.stores.agents.list(alice.id);
  await alice.request(`/agents/${agent?.id}/runner`, { method: 'POST' });
  await until(() => router.platform.calls('start') === 3, 'the button has started it');
  await until(async () => (await statusOf(router, alice)).state === 'failed', 'that has failed as well');
  mend();
  expect((await start(alice)).status).toBe(200);
  // A success resets the count: the next failure is the first one again.
  await stop(alice);
  router.platform.fail('start', 'start_failed');
  expect((await say(alice, 'hello')).headers.get('retry-after')).toBeNull();
  expect((await say(alice, 'hello')).headers.get('retry-after')).toBe('1');
});

test('asking again for an answer that failed starts the runner without waiting', async () => {
  const clock = handClock();
  await using router = await startRouter({ now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  const { conversations, generations, variants, agents, backends } = router.context;
  const [backend] = backends.all();
  if (!backend) throw new Error('There is no backend');
  const conversation = await conversations.create(await agents.defaultOf(alice.id, backend));
  const mend = router.platform.fail('start', 'start_failed', 'no luck');
  const asked = await generations.start(conversation, 'hello');
  const read = (id: string) => conversations.findMessage(alice.id, id).then((found) => found?.message);
  const failed = await until(
    async () => (await read(asked.id))?.status === 'failed' && read(asked.id),
    'it has failed',
  );
  expect(failed.failure).toMatchObject({ message: 'echo could not start: no luck' });
  mend();
  const again = await variants.retry(await conversations.get(alice.id, conversation.id), failed);
  await until(async () => (await read(again.id))?.status === 'done', 'it is answered');
});

test('a runner that has ended and cannot be removed is removed by the next start, before another uses its home', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  const [ended = ''] = router.platform.runners.keys();
  const mend = router.platform.fail('stop', 'start_failed', 'it is being restarted');
  router.platform.crash(ended);
  await until(async () => (await statusOf(router, alice)).state === 'failed', 'its end is known');
  const refused = await say(alice, 'hello?');
  expect([refused.status, await refused.text()]).toEqual([502, expect.stringContaining('it is being restarted')]);
  expect([...router.platform.runners.keys()]).toEqual([ended]);
  mend();
  expect((await start(alice)).status).toBe(200);
  expect([...router.platform.runners.keys()]).toEqual([expect.not.stringMatching(ended)]);
});

test("a driver's error is known by its shape: a driver from npm has a class of its own", async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const foreign = (fault: string) =>
    Object.assign(new Error('[far] the far side said no'), {
      name: 'DriverError',
      driver: 'far',
      fault,
      hint: 'Ask it',
    });
  for (const [fault, status, code] of [
    ['unavailable', 503, 'driver_unavailable'],
    ['timeout', 504, 'start_timeout'],
    ['image_missing', 502, 'runner_failed'],
    ['no_capacity', 502, 'runner_failed'],
  ] as const) {
    const remove = router.platform.intercept('start', () => {
      throw foreign(fault);
    });
    const response = await start(alice);
    const detail = 'echo could not start: the far side said no';
    expect([response.status, await problemOf(response)]).toMatchObject([status, { code, detail, hint: 'Ask it' }]);
    remove();
  }
});

test('an error that no driver should throw names the driver and says nothing of itself', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  router.platform.intercept('start', () => {
    throw new TypeError('undefined is not a function of /secret/place');
  });
  const response = await start(alice);
  const { detail } = await problemOf(response);
  expect(response.status).toBe(502);
  expect(detail).toContain('its driver "memory" failed (TypeError)');
  expect(detail).not.toContain('secret');
});

test('a seed that cannot be rendered is named, with file and variable', async () => {
  await seed('unknown-variable', { 'AGENTS.md': ['Hello $', '{NOBODY}'].join('') });
  await seed('without-file', {});
  const backends = [
    memoryBackend('first', { seed_subdir: 'unknown-variable', templated_files: ['AGENTS.md'] }),
    memoryBackend('second', { seed_subdir: 'without-file', templated_files: ['AGENTS.md'] }),
  ];
  await using router = await startRouter({ backends, env: { SEEDS_ROOT: seedsRoot } });
  const alice = await router.person(PEOPLE.alice);
  const first = await start(alice, 'first');
  expect([first.status, (await problemOf(first)).detail]).toEqual([
    502,
    expect.stringMatching(/^first could not start: AGENTS\.md: \$\{NOBODY\}: /),
  ]);
  expect((await problemOf(await start(alice, 'second'))).detail).toBe(
    'second could not start: The templated file AGENTS.md is not in the seed.',
  );
  expect(router.platform.calls('start')).toBe(0);
});

test('the error for a home with a link in the way contains no path of this machine', async () => {
  await mkdir(join(seedsRoot, 'linked', 'settings'), { recursive: true });
  await writeFile(join(seedsRoot, 'linked', 'settings', 'agent.json'), '{}');
  const backend = memoryBackend('echo', { seed_subdir: 'linked', templated_files: ['settings/agent.json'] });
  await using router = await startRouter({ backends: [backend], env: { SEEDS_ROOT: seedsRoot } });
  const alice = await router.person(PEOPLE.alice);
  // Opening the page creates the agent.
  await statusOf(router, alice);
  const [agent] = await router.context.stores.agents.list(alice.id);
  const home = join(router.context.config.homesRoot, agent?.id ?? '');
  await mkdir(home, { recursive: true });
  await symlink('/etc', join(home, 'settings'));
  const response = await start(alice);
  const text = await response.text();
  expect(response.status).toBe(502);
  expect(text).toContain('a link or a folder stands where');
  expect(text).not.toContain(router.dataRoot);
});

test('a missing setting of a user or the administrator is no failure of the runner', async () => {
  const script = switchable('needs-credentials');
  const backends = [
    memoryBackend('needy', { user_overridable_env: ['LLM_API_KEY'] }, script.name),
    memoryBackend('off', { disabled: true }),
  ];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  for (let count = 0; count < 2; count += 1) {
    const missing = await start(alice, 'needy');
    expect([missing.status, (await problemOf(missing)).code]).toEqual([422, 'credentials_missing']);
    expect((await problemOf(await start(alice, 'off'))).code).toBe('backend_disabled');
  }
  for (const name of ['needy', 'off']) expect(await statusOf(router, alice, name)).toMatchObject({ state: 'stopped' });
  await router.context.credentials.set(alice.id, '', { LLM_API_KEY: 'sk-mine' });
  expect((await say(alice, 'now', { model: 'needy' })).status).toBe(200);
});
