/** Laws 14 to 16: where each key is used, and where it must never appear. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { Glob } from 'bun';
import { createVault } from '../../router/lib/vault';
import { answerFromUpstream, LLM } from '../support/broker';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';
import { startUpstream, type Upstream } from '../support/upstream';

const ALICES_KEY = 'sk-real-of-alice-0123456789abcdef';
const BOBS_KEY = 'sk-real-of-bob-0123456789abcdef';

/** Calls its upstream for each chat, as an agent does, and answers with the outcome. */
const runner = scriptedRunner('broker-secrets');
let router: TestRouter;
let alice: Person;
let bob: Person;
let alices: Upstream;
let bobs: Upstream;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('agent', { user_overridable_env: LLM, seed_subdir: 'direct-home' }, runner.program)],
  });
  [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  alices = startUpstream({ key: ALICES_KEY });
  bobs = startUpstream({ key: BOBS_KEY });
  answerFromUpstream(runner);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await alices.stop();
  await bobs.stop();
});

async function set(who: Person, values: Record<string, string>, backend = '') {
  for (const [name, value] of Object.entries(values)) {
    const response = await who.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value, backend } });
    expect(response.status).toBe(200);
  }
}

async function chat(who: Person): Promise<{ status: number; text: string }> {
  const response = await who.request('/v1/chat/completions', {
    method: 'POST',
    body: { model: 'agent', messages: [] },
  });
  return { status: response.status, text: await response.text() };
}

const statusOf = async (who: Person) => (await chat(who)).status;
const keysSeen = (upstream: Upstream) => upstream.requests.map(({ headers }) => headers.get('authorization'));

test('law 15: a base URL without a key of the same user is never called, whoever else has a key', async () => {
  await set(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: ALICES_KEY, LLM_MODEL: 'm' });
  await set(bob, { LLM_BASE_URL: bobs.url, LLM_MODEL: 'm' }, 'agent');
  expect(await statusOf(bob)).toBe(422);
  expect(bobs.refusedCount + bobs.requests.length + alices.requests.length).toBe(0);
});

test('law 15: two users side by side each call their own upstream with their own key', async () => {
  await set(bob, { LLM_API_KEY: BOBS_KEY });
  for (const who of [alice, bob, alice]) expect(await statusOf(who)).toBe(200);
  expect(keysSeen(alices)).toEqual([`Bearer ${ALICES_KEY}`, `Bearer ${ALICES_KEY}`]);
  expect(keysSeen(bobs)).toEqual([`Bearer ${BOBS_KEY}`]);
  expect(alices.refusedCount + bobs.refusedCount).toBe(0);
});

test('law 16: a change counts from the next call on, in the same runner', async () => {
  const starts = runner.specs.length;
  await using other = startUpstream({ key: 'sk-second-of-alice' });
  await set(alice, { LLM_BASE_URL: other.url, LLM_API_KEY: 'sk-second-of-alice', LLM_MODEL: 'second' });
  expect(await statusOf(alice)).toBe(200);
  expect(other.requests.map(({ body }) => body.model)).toEqual(['second']);
  // Values for one backend override values for all.
  await set(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: ALICES_KEY, LLM_MODEL: 'third' }, 'agent');
  const before = alices.requests.length;
  expect(await statusOf(alice)).toBe(200);
  expect(alices.requests.slice(before).map(({ body }) => body.model)).toEqual(['third']);
  await set(alice, { LLM_API_KEY: '' }, 'agent');
  await set(alice, { LLM_API_KEY: '' });
  const { status, text } = await chat(alice);
  expect([status, text]).toEqual([422, expect.stringContaining('needs LLM_API_KEY')]);
  expect(runner.specs).toHaveLength(starts);
  await set(alice, { LLM_API_KEY: ALICES_KEY }, 'agent');
});

test('law 22: an address of machine metadata is not called, also when it was set by other means', async () => {
  const hosts = [
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '[::ffff:169.254.169.254]',
    '[fe80::1]',
    '[fd00:ec2::254]',
  ];
  for (const host of [...hosts, 'metadata.google.internal', 'metadata.google.internal.', 'METADATA']) {
    const body = { value: `http://${host}/v1` };
    const response = await alice.request('/api/me/env-overrides/LLM_BASE_URL', { method: 'PUT', body });
    expect([host, response.status, await response.text()]).toEqual([
      host,
      400,
      expect.stringContaining('never called'),
    ]);
  }
  const value = 'http://169.254.169.254/latest';
  const name = 'LLM_BASE_URL';
  const sealed = createVault(Buffer.alloc(32)).seal(value, `${alice.id}/agent/${name}`);
  const row = { userId: alice.id, backend: 'agent', name, sealed, updatedAtMs: Date.now() };
  await router.context.stores.settings.putCredentials([row]);
  // The router caches values until they are changed through it.
  await set(alice, { LLM_MODEL: 'm' }, 'agent');
  const { status, text } = await chat(alice);
  expect([status, text]).toEqual([400, expect.stringContaining('never called')]);
  await set(alice, { LLM_BASE_URL: alices.url }, 'agent');
});

test('law 14: a runner holds its own key and never the real one, also when its upstream repeats it', async () => {
  alices.script({ status: 404, message: `No such model for ${ALICES_KEY}.`, code: 'model_not_found' });
  const refused = await chat(alice);
  expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([404, 'model_not_found']);
  expect(refused.text).toContain('No such model for [key].');
  const secrets = [ALICES_KEY, BOBS_KEY];
  const given = JSON.stringify(runner.specs);
  for (const { env } of runner.specs) {
    expect([env.LLM_API_KEY?.slice(0, 3), env.LLM_BASE_URL]).toEqual(['rk-', `${router.internalUrl}/upstream/v1`]);
  }
  const asked = JSON.stringify(runner.requests.map(({ headers, text }) => [[...headers], text]));
  const output = JSON.stringify([...router.platform.runners.values()].map(({ lines }) => lines));
  for (const secret of secrets) expect(given + asked + output + refused.text).not.toContain(secret);
});

test('law 14: the real keys are in no answer of ours', async () => {
  const admin = await router.person(ADMIN);
  const paths = [
    '/settings',
    '/api/me/env-overrides',
    '/api/backends',
    '/api/runners',
    '/v1/models',
    '/auth/me',
    '/healthz',
  ];
  for (const who of [alice, bob, admin]) {
    for (const path of paths) {
      const text = await (await who.request(path, { headers: { accept: 'text/html, application/json' } })).text();
      for (const secret of [ALICES_KEY, BOBS_KEY]) expect([path, text.includes(secret)]).toEqual([path, false]);
    }
  }
});

test('law 14: the real keys, and those of runners and people, are in no file in clear', async () => {
  const mine = await alice.createKey();
  const given = runner.specs.flatMap(({ env }) => [env.LLM_API_KEY ?? '', env.OPENAI_API_KEY ?? '']);
  expect(given.every((key) => key.length > 40)).toBe(true);
  let files = 0;
  for await (const path of new Glob('**/*').scan({
    cwd: router.dataRoot,
    dot: true,
    absolute: true,
    onlyFiles: true,
  })) {
    files += 1;
    const bytes = Buffer.from(await Bun.file(path).bytes());
    for (const secret of [ALICES_KEY, BOBS_KEY, mine, ...given])
      expect([path, bytes.includes(secret)]).toEqual([path, false]);
  }
  // Ensures that the search includes the database, its WAL, and the homes.
  expect(files).toBeGreaterThan(3);
});
