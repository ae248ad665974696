/**
 * `"credentials": "inject"`: agents that cannot use the broker hold the real values, and the pages tell everybody
 * concerned.
 */

import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprint } from '../../router/runners/start/desired-spec';
import { freePort } from '../support/ports';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { handClock, list, problemOf, start } from '../support/runners';
import { scriptedRunner } from '../support/scripted-runner';
import { startUpstream, type Upstream } from '../support/upstream';
import { textsOf } from '../views/dom';

const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const ADMINS_KEY = 'sk-of-the-admin-0123456789-ABCD';
const ALICES_KEY = 'sk-of-alice-0123456789-WXYZ';

const runner = scriptedRunner('inject');
let seeds: string;
let router: TestRouter;
let admin: Person;
let alice: Person;
let bob: Person;
let upstream: Upstream;

const backend = (credentials: 'broker' | 'inject', name = 'echo') =>
  memoryBackend(
    name,
    {
      ...{ user_overridable_env: LLM, seed_subdir: 'holder', templated_files: ['.env'], credentials },
      display_name: name === 'echo' ? 'Holder' : 'Caller',
    },
    runner.program,
  );
const backends = [backend('inject'), backend('broker', 'caller')];

beforeAll(async () => {
  seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
  await mkdir(join(seeds, 'holder'));
  await writeFile(join(seeds, 'holder', '.env'), `KEY=\${LLM_API_KEY}\nURL=\${LLM_BASE_URL}\n`);
  router = await startRouter({ backends, env: { SEEDS_ROOT: seeds } });
  [admin, alice, bob] = [
    await router.person(ADMIN),
    await router.person(PEOPLE.alice),
    await router.person(PEOPLE.bob),
  ];
  upstream = startUpstream({ key: ADMINS_KEY });
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await upstream.stop();
  await rm(seeds, { recursive: true });
});
/** The administrator shares an upstream, nobody else has values, and there is no runner. */
beforeEach(async () => {
  const { credentials, runners } = router.context;
  for (const who of [alice, bob]) for (const scope of ['', 'echo', 'caller']) await credentials.clear(who.id, scope);
  await credentials.set(admin.id, '', { LLM_BASE_URL: upstream.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'm' });
  await credentials.share(LLM, true);
  for (const { agent } of runners.running()) await runners.stop(agent.id, 'test');
});

async function set(who: Person, values: Record<string, string>): Promise<void> {
  const response = await who.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  expect(response.status).toBe(200);
}

const share = (group: string, shared: boolean) =>
  admin.request('/settings/credentials/share', {
    method: 'POST',
    body: new URLSearchParams({ group, shared: String(shared) }),
  });
const newest = () => {
  const spec = runner.specs.at(-1);
  if (!spec) throw new Error('Nothing was started');
  return spec;
};
const runnersOf = async (who: Person) => (await list(who)).map(({ container_name }) => container_name);
const isDown = (who: Person) => until(async () => (await runnersOf(who)).length === 0, 'the runner has ended');
const page = async (who: Person) => (await who.request('/settings')).text();

test('a runner that has its credentials injected holds the real ones, and may use the broker all the same', async () => {
  await start(alice);
  const { env, home } = newest();
  expect(env).toMatchObject({ LLM_BASE_URL: upstream.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'm' });
  expect(await readFile(join(home.source, '.env'), 'utf8')).toBe(`KEY='${ADMINS_KEY}'\nURL='${upstream.url}'\n`);
  const headers = { authorization: `Bearer ${env.AGENT_BROKER_KEY}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ model: 'm', messages: [] });
  const answer = await fetch(`${env.AGENT_BROKER_URL}/chat/completions`, { method: 'POST', headers, body });
  expect([answer.status, upstream.requests.length]).toEqual([200, 1]);
});

test('law 14: only a runner that has its credentials injected holds the real key, and its home no longer than that', async () => {
  await start(alice, 'caller');
  const caller = newest();
  expect(caller.env.AGENT_BROKER_KEY).toBeUndefined();
  expect(JSON.stringify(caller)).not.toContain(ADMINS_KEY);
  expect(await readFile(join(caller.home.source, '.env'), 'utf8')).not.toContain(ADMINS_KEY);
  await start(alice);
  expect(await list(alice)).toHaveLength(2);

  // The administrator puts the broker in between: runners that hold the key end, the other one stays.
  await router.writeBackends([backend('broker'), backend('broker', 'caller')]);
  await until(async () => (await list(alice)).length === 1, 'the runner with the key has ended');
  expect(await list(alice)).toMatchObject([{ backend: 'caller', stale: false }]);
  await start(alice);
  expect(newest().env.LLM_API_KEY).toStartWith('rk-');
  expect(await readFile(join(newest().home.source, '.env'), 'utf8')).not.toContain(ADMINS_KEY);
  await router.writeBackends(backends);
  await until(async () => (await list(alice)).length === 1, 'the runner without the key has ended');
});

test('law 15: an address and a key of two owners are never injected together', async () => {
  const starts = runner.specs.length;
  for (const values of [{ LLM_BASE_URL: 'http://127.0.0.1:9/v1' }, { LLM_API_KEY: ALICES_KEY }]) {
    await set(alice, { LLM_BASE_URL: '', LLM_API_KEY: '', ...values });
    const refused = await start(alice);
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([422, expect.stringContaining('You have set')]);
  }
  expect(runner.specs).toHaveLength(starts);
  await set(alice, { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: ALICES_KEY });
  await start(alice);
  expect(newest().env).toMatchObject({ LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: ALICES_KEY });
  // A half that is added while the runner is up ends it instead of being paired with the shared half.
  await set(alice, { LLM_API_KEY: '' });
  await isDown(alice);
  expect((await start(alice)).status).toBe(422);
});

test('a shared key that is changed or withdrawn ends the runners that hold it, and no others', async () => {
  await set(bob, { LLM_BASE_URL: upstream.url, LLM_API_KEY: ALICES_KEY, LLM_MODEL: 'm' });
  await Promise.all([start(alice), start(bob), start(alice, 'caller')]);
  const bobs = await runnersOf(bob);
  await set(admin, { LLM_API_KEY: 'sk-rotated-0123456789' });
  await until(async () => (await list(alice)).length === 1, 'it has ended');
  expect(await list(alice)).toMatchObject([{ backend: 'caller' }]);
  await start(alice);
  expect(newest().env.LLM_API_KEY).toBe('sk-rotated-0123456789');
  expect((await share('llm', false)).headers.get('location')).toBe(
    '/settings?card=credentials&said=withdrawn#credentials-said',
  );
  await until(async () => (await list(alice)).length === 1, 'it has ended again');
  expect([await runnersOf(bob), (await start(alice)).status]).toEqual([bobs, 422]);
});

describe('the settings page', () => {
  const rows = async (who: Person) => textsOf(await page(who), '#credentials .effective li');

  test('tells whose software holds which key', async () => {
    const [holder, caller] = await rows(alice);
    expect(holder).toContain('The software of this agent holds the shared key itself');
    expect(caller).not.toContain('holds');
    await set(alice, { LLM_BASE_URL: upstream.url, LLM_API_KEY: ALICES_KEY });
    expect((await rows(alice))[0]).toContain('The software of this agent holds your key itself');
    await share('llm', false);
    expect((await rows(bob))[0]).not.toContain('holds');
  });

  test('tells the administrator before the switch which agents would be given the key', async () => {
    await share('llm', false);
    for (const shared of [false, true]) {
      await share('llm', shared);
      const [words] = await textsOf(await page(admin), '#credentials-share');
      expect(words).toContain('The software of Holder gets the key itself');
    }
  });

  test('says of an empty field where the key would be', async () => {
    await share('llm', false);
    const help = async (scope: string) =>
      (await textsOf(await page(bob), `#credentials-${scope}-LLM_API_KEY-help`)).join(' ');
    expect(await help('all')).toContain('except for Holder');
    expect(await help('echo')).toContain('except for Holder');
    expect(await help('caller')).toContain('no runner ever sees it');
  });
});

test('law 2: after a restart a stale runner is known and given time, and the hash of its spec reveals nothing', async () => {
  const clock = handClock();
  const needs = { user_overridable_env: ['PIN'] };
  // A runner is told the address of the router, so the second router must have that of the first.
  const env = { ROUTER_PORT: String(freePort()) };
  const options = { backends: [memoryBackend('echo', needs), memoryBackend('same', needs)], now: clock.now, env };
  const first = await startRouter(options);
  const before = await first.person(PEOPLE.alice);
  for (const scope of ['echo', 'same']) await first.context.credentials.set(before.id, scope, { PIN: '1234' });
  await Promise.all([start(before), start(before, 'same')]);
  await first.stop();
  {
    using database = new Database(join(first.dataRoot, 'router.db'));
    const hashes = database.query<{ values_hash: string }, []>('SELECT values_hash FROM runners').all();
    // Two runners with one value have two hashes, and none that could be had without the key of the runner.
    expect(new Set(hashes.map((row) => row.values_hash)).size).toBe(2);
    const guesses = [...first.platform.runners.values()].map(({ spec }) => {
      const backend = first.context.backends.find(spec.labels['agent-stack.backend'] ?? '');
      if (!backend) throw new Error('premise: its backend is there');
      return fingerprint(spec, { backend, own: { instructions: undefined, variables: {} }, accessKey: '' });
    });
    expect(guesses).toHaveLength(2);
    for (const row of hashes) expect(guesses).not.toContain(row.values_hash);
    database.run("DELETE FROM credentials WHERE backend = 'echo'");
  }
  await using second = await startRouter({ ...options, dataRoot: first.dataRoot });
  const after = await second.person(PEOPLE.alice);
  const listed = async () => (await list(after)).map((one) => [one.backend, one.stale]).sort();
  expect(await listed()).toEqual([
    ['echo', true],
    ['same', false],
  ]);
  await second.context.sweep();
  expect(await listed()).toHaveLength(2);
  clock.advanceSeconds(60);
  await second.context.sweep();
  expect(await listed()).toEqual([['same', false]]);
});
