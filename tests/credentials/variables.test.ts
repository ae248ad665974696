/**
 * Variables that do not belong to an upstream: they reach runners, and a change recycles the runners with another
 * value.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEntries } from '../../router/backends/parse';
import { agents } from '../../router/database/schema/agents';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { list, problemOf, say, start, statusOf } from '../support/runners';
import { completion, scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

const LLM = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'sk-of-the-admin-0123456789', LLM_MODEL: 'm' };
const NAMES = ['SEARCH_API_KEY', 'REGION'];

const runner = scriptedRunner('variables');
let router: TestRouter;
let seeds: string;
let admin: Person;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
  await mkdir(join(seeds, 'finder'));
  await writeFile(join(seeds, 'finder', 'search.json'), `{"key": "\${SEARCH_API_KEY}", "in": "\${REGION}"}`);
  const finder = { seed_subdir: 'finder', templated_files: ['search.json'] };
  const needs = { user_overridable_env: [...Object.keys(LLM), ...NAMES], extra_env: { REGION: 'fixed', MODE: 'fast' } };
  router = await startRouter({
    backends: [
      memoryBackend('echo', { ...needs, ...finder }, runner.program),
      memoryBackend('plain', { user_overridable_env: ['REGION'] }),
    ],
    env: { SEEDS_ROOT: seeds },
  });
  [admin, alice, bob] = [
    await router.person(ADMIN),
    await router.person(PEOPLE.alice),
    await router.person(PEOPLE.bob),
  ];
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await rm(seeds, { recursive: true });
});
/** All users have the administrator's shared value, and nobody has a runner. */
beforeEach(async () => {
  runner.reply = () => completion('Hello.');
  const { credentials, runners } = router.context;
  for (const who of [alice, bob]) for (const scope of ['', 'echo', 'plain']) await credentials.clear(who.id, scope);
  await credentials.set(admin.id, '', { ...LLM, SEARCH_API_KEY: 'of-the-admin', REGION: 'north' });
  await credentials.share([...Object.keys(LLM), ...NAMES], true);
  for (const { agent } of runners.running()) await runners.stop(agent.id, 'test');
});

async function set(who: Person, values: Record<string, string>, backend = ''): Promise<void> {
  const response = await who.request('/api/me/env-overrides', { method: 'PUT', body: { values, backend } });
  expect(response.status).toBe(200);
}

const share = (name: string, shared: boolean) =>
  admin.request(`/api/admin/shared-env/${name}`, { method: 'PUT', body: { shared } });
const newest = () => runner.specs.at(-1)?.env ?? {};
/** Ids of the existing runners, by user. */
const runnersOf = (who: Person) =>
  router.context.runners.running().flatMap(({ agent, runner: { id } }) => (agent.userId === who.id ? [id] : []));
const isDown = (who: Person) => until(() => runnersOf(who).length === 0, 'the runner has ended');

/** A message on which the agent works until `finish` is called. */
async function atWork(who: Person) {
  const gate = Promise.withResolvers<void>();
  runner.reply = async () => {
    await gate.promise;
    return completion('Done.');
  };
  const count = runner.requests.length;
  const answer = say(who, 'work');
  await until(() => runner.requests.length > count, 'the agent works');
  return {
    async finish(): Promise<number> {
      runner.reply = () => completion('Hello.');
      gate.resolve();
      return (await answer).status;
    },
  };
}

test('a value reaches environment and templates from each of the three tiers, over a fixed one', async () => {
  const seen = async () => {
    expect((await start(alice)).status).toBe(200);
    const id = runner.specs.at(-1)?.home.source ?? '';
    return [newest().SEARCH_API_KEY, newest().REGION, JSON.parse(await readFile(join(id, 'search.json'), 'utf8'))];
  };
  expect(await seen()).toEqual(['of-the-admin', 'north', { key: 'of-the-admin', in: 'north' }]);
  await set(alice, { SEARCH_API_KEY: 'of-alice' });
  await isDown(alice);
  expect(await seen()).toEqual(['of-alice', 'north', { key: 'of-alice', in: 'north' }]);
  await set(alice, { SEARCH_API_KEY: 'of-alice-here', REGION: 'south' }, 'echo');
  await isDown(alice);
  expect(await seen()).toEqual(['of-alice-here', 'south', { key: 'of-alice-here', in: 'south' }]);
  expect(newest()).toMatchObject({ MODE: 'fast', AGENT_USER_ID: alice.id });
});

test('law 14: of the upstream, the same runner gets the broker and its own key', async () => {
  await start(alice);
  expect(newest()).toMatchObject({ LLM_BASE_URL: `${router.internalUrl}/upstream/v1`, LLM_MODEL: 'm' });
  expect(newest().LLM_API_KEY).toStartWith('rk-');
  expect(JSON.stringify(runner.specs)).not.toContain(LLM.LLM_API_KEY);
});

test('law 4: a runner at work is stale until its last lease is released, and ends then', async () => {
  const [one, other] = [await atWork(alice), await atWork(alice)];
  const [id] = runnersOf(alice);
  expect(await list(alice)).toMatchObject([{ stale: false }]);
  await set(alice, { SEARCH_API_KEY: 'of-alice' });
  expect(await list(alice)).toMatchObject([{ backend: 'echo', running: true, stale: true }]);
  const page = await (await alice.request('/settings')).text();
  expect((await all(page, '[data-state=running]')).map(({ text }) => text)).toEqual(['older settings']);
  expect(await one.finish()).toBe(200);
  expect([runnersOf(alice), await list(alice)]).toMatchObject([[id], [{ stale: true }]]);
  expect(await other.finish()).toBe(200);
  await isDown(alice);
  expect((await say(alice, 'again')).status).toBe(200);
  expect([newest().SEARCH_API_KEY, await list(alice)]).toMatchObject(['of-alice', [{ stale: false }]]);
});

test('law 5: the end of a stale runner takes its turn, and a message that comes before it holds the runner', async () => {
  await start(alice);
  const [id] = runnersOf(alice);
  const [agent] = router.context.runners.running().map((one) => one.agent);
  if (!agent) throw new Error('There is no agent');
  // The change and the message begin at once; in either order the message is answered.
  const [status] = await Promise.all([
    say(alice, 'now').then((response) => response.status),
    set(alice, { REGION: 'x' }),
  ]);
  expect(status).toBe(200);
  await until(() => !runnersOf(alice).includes(id ?? ''), 'the older runner has ended');
  const starts = router.platform.calls('start');
  const answers = await Promise.all(Array.from({ length: 20 }, () => say(alice, 'hello')));
  expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
  expect(router.platform.calls('start') - starts).toBeLessThanOrEqual(1);
  expect(newest().REGION).toBe('x');
});

test('every agent of the user on that backend is recycled, and none of another backend', async () => {
  const [first] = (await router.context.agents.list(alice.id)).filter(({ backend }) => backend === 'echo');
  if (!first) throw new Error('There is no agent');
  const second = { ...first, id: 'secondagent', name: 'Second', ordinal: 2 };
  await router.context.database.db.insert(agents).values(second);
  await Promise.all([start(alice), start(alice, 'plain')]);
  (await router.context.runners.lease(second, { signal: new AbortController().signal })).end();
  expect(await list(alice)).toHaveLength(3);
  await set(alice, { SEARCH_API_KEY: 'of-alice' });
  await until(async () => (await list(alice)).length === 1, 'both have ended');
  expect(await list(alice)).toMatchObject([{ backend: 'plain', stale: false }]);
});

test("another shared value, or none, ends the runners of all who use it and of nobody else's", async () => {
  await set(bob, { SEARCH_API_KEY: 'of-bob' });
  await Promise.all([start(alice), start(bob), start(admin)]);
  const bobs = runnersOf(bob);
  await set(admin, { SEARCH_API_KEY: 'rotated' });
  for (const who of [alice, admin]) await isDown(who);
  await start(alice);
  expect(newest().SEARCH_API_KEY).toBe('rotated');
  expect((await share('SEARCH_API_KEY', false)).status).toBe(200);
  await isDown(alice);
  expect([runnersOf(bob), (await list(bob))[0]?.stale]).toEqual([bobs, false]);
  const refused = await start(alice);
  expect([refused.status, (await problemOf(refused)).detail]).toEqual([422, expect.stringContaining('SEARCH_API_KEY')]);
});

test('a change that keeps the effective value recycles no runner, nor does one that is undone in time', async () => {
  await set(alice, { REGION: 'here' }, 'echo');
  await start(alice);
  const before = runnersOf(alice);
  await set(alice, { REGION: 'elsewhere' });
  await set(alice, { REGION: 'here' }, 'echo');
  // The same value, now set by the user.
  await set(alice, { SEARCH_API_KEY: 'of-the-admin' });
  await share('REGION', false);
  expect(await list(alice)).toMatchObject([{ stale: false }]);
  const work = await atWork(alice);
  await set(alice, { REGION: 'there' }, 'echo');
  expect(await list(alice)).toMatchObject([{ stale: true }]);
  await set(alice, { REGION: 'here' }, 'echo');
  expect(await list(alice)).toMatchObject([{ stale: false }]);
  await work.finish();
  expect(runnersOf(alice)).toEqual(before);
});

test('law 16: a change of LLM_* recycles nothing, whoever makes it', async () => {
  await start(alice);
  const before = runnersOf(alice);
  await set(admin, { LLM_API_KEY: 'sk-another-0123456789', LLM_MODEL: 'other' });
  for (const name of Object.keys(LLM)) await share(name, false);
  await set(alice, { ...LLM, LLM_MODEL: 'mine' });
  expect([runnersOf(alice), await list(alice)]).toMatchObject([before, [{ stale: false }]]);
});

test('a value that changes while a runner starts is noticed when it is up', async () => {
  const release = router.platform.hold('start');
  const calls = router.platform.calls('start');
  const answer = say(alice, 'hello');
  await until(() => router.platform.calls('start') > calls, 'the runner starts');
  await set(alice, { REGION: 'late' });
  release();
  expect((await answer).status).toBe(200);
  expect(newest().REGION).toBe('north');
  await isDown(alice);
  await say(alice, 'again');
  expect(newest().REGION).toBe('late');
  expect((await statusOf(router, alice)).isStale).toBe(false);
});

test('a variable that the router, a driver or the system sets cannot be listed', () => {
  const problems = (name: string) =>
    parseEntries('b', JSON.stringify([{ name: 'a', api_key_env: 'DOOR_KEY', user_overridable_env: ['OK', name] }]))
      .problems;
  for (const name of ['SEARCH_API_KEY', 'LLM_PROVIDER', 'MY_PATH', 'OPENAI_API_KEY'])
    expect(problems(name)).toEqual([]);
  for (const name of ['AGENT_USER_ID', 'AGENT_BROKER_KEY', 'PATH', 'HOME', 'PORT', 'LD_PRELOAD', 'NODE_OPTIONS']) {
    expect(problems(name)).toEqual([
      `b/0/user_overridable_env/1: expected a variable that neither the router nor the system sets or obeys (got "${name}")`,
    ]);
  }
  expect(problems('DOOR_KEY')).toEqual([
    'b/0/user_overridable_env/1: expected another variable than api_key_env, which the router sets (got "DOOR_KEY")',
  ]);
});
