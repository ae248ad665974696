/** Every tier and every switch through the broker, with runners that run all the time. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { resolveValue } from '../../router/credentials/tiers';
import { answerFromUpstream, LLM, setValues as set } from '../support/broker';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';
import { startUpstream, type Upstream } from '../support/upstream';

const ADMINS_KEY = 'sk-of-the-admin-0123456789-ABCD';
const BOBS_KEY = 'sk-of-bob-0123456789-WXYZ';

/** Calls its upstream for each chat, as an agent does, and passes on the result. */
const runner = scriptedRunner('credentials-live');
let router: TestRouter;
let admin: Person;
let alice: Person;
let bob: Person;
let admins: Upstream;
let bobs: Upstream;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('agent', { user_overridable_env: LLM }, runner.program)],
  });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  bob = await router.person(PEOPLE.bob);
  admins = startUpstream({ key: ADMINS_KEY });
  bobs = startUpstream({ key: BOBS_KEY });
  answerFromUpstream(runner);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await admins.stop();
  await bobs.stop();
});

/** The switch of the settings page: one request for all three variables. */
async function share(shared: boolean): Promise<void> {
  const body = new URLSearchParams({ group: 'llm', shared: String(shared) });
  const { status } = await admin.request('/settings/credentials/share', { method: 'POST', body });
  expect(status).toBe(303);
}

async function chat(who: Person): Promise<{ status: number; text: string }> {
  const response = await who.request('/v1/chat/completions', {
    method: 'POST',
    body: { model: 'agent', messages: [] },
  });
  return { status: response.status, text: await response.text() };
}

const modelsSeen = (upstream: Upstream) => upstream.requests.map(({ body }) => body.model);

test('law 16: each switch and each value counts from the next call on, and no runner is restarted for it', async () => {
  await set(admin, { LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'shared-model' });
  expect((await chat(alice)).status).toBe(422);
  await share(true);
  for (const who of [alice, bob]) expect((await chat(who)).status).toBe(200);
  expect(modelsSeen(admins)).toEqual(['shared-model', 'shared-model']);
  const starts = runner.specs.length;

  // The administrator changes the shared values.
  await set(admin, { LLM_MODEL: 'newer-model' });
  expect((await chat(alice)).status).toBe(200);
  // A user chooses another model, for this agent only.
  await set(bob, { LLM_MODEL: 'model-of-bob' }, 'agent');
  expect((await chat(bob)).status).toBe(200);
  expect(modelsSeen(admins).slice(2)).toEqual(['newer-model', 'model-of-bob']);
  // A user sets an upstream of their own.
  await set(bob, { LLM_BASE_URL: bobs.url, LLM_API_KEY: BOBS_KEY });
  expect((await chat(bob)).status).toBe(200);
  expect([admins.requests.length, modelsSeen(bobs)]).toEqual([4, ['model-of-bob']]);

  // No longer shared: alice has no credentials, bob's still work.
  await share(false);
  const refused = await chat(alice);
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining('needs LLM_BASE_URL, LLM_API_KEY')]);
  expect((await chat(bob)).status).toBe(200);
  await share(true);
  expect((await chat(alice)).status).toBe(200);
  expect(runner.specs).toHaveLength(starts);
  expect(router.context.runners.running()).toHaveLength(2);
});

test('law 15: a shared key does not travel to an address that a user has set, in a runner that is up', async () => {
  const starts = runner.specs.length;
  const before = admins.requests.length;
  await using mallorys = startUpstream({ key: 'whatever' });
  for (const scope of ['agent', '']) {
    await set(alice, { LLM_BASE_URL: mallorys.url }, scope);
    const { status, text } = await chat(alice);
    expect([status, text]).toEqual([422, expect.stringContaining('the shared key never goes to another address')]);
    await set(alice, { LLM_BASE_URL: '' }, scope);
  }
  // Nor is a user's own key sent to the shared address.
  await set(alice, { LLM_API_KEY: 'sk-alice-own-key-0123456789' });
  expect((await chat(alice)).status).toBe(422);
  await set(alice, { LLM_API_KEY: '' });
  expect(mallorys.requests.length + mallorys.refusedCount + admins.refusedCount).toBe(0);
  expect(admins.requests).toHaveLength(before);
  expect((await chat(alice)).status).toBe(200);
  expect(runner.specs).toHaveLength(starts);
});

test('the credentials say whose key pays', async () => {
  const [backend] = router.context.backends.all();
  if (!backend) throw new Error('There is no backend');
  const source = async (who: Person) =>
    (await router.context.credentials.upstreamOf({ userId: who.id, model: '' }, backend)).source;
  expect([await source(alice), await source(bob), await source(admin)]).toEqual(['shared', 'global', 'global']);
  await set(bob, { LLM_API_KEY: BOBS_KEY }, 'agent');
  expect(await source(bob)).toBe('backend');
});

test('law 15: of all ways to set address and key in three tiers, none pairs those of two owners', () => {
  const tiers = ['backend', 'global', 'shared'] as const;
  const places = tiers.flatMap((tier) => ['LLM_BASE_URL', 'LLM_API_KEY'].map((name) => ({ tier, name })));
  let pairs = 0;
  for (let bits = 0; bits < 2 ** places.length; bits += 1) {
    const set = places.filter((_, index) => bits & (1 << index));
    const valuesOf = (tier: string) => new Map(set.filter((one) => one.tier === tier).map(({ name }) => [name, tier]));
    const all = { backend: valuesOf('backend'), global: valuesOf('global'), shared: valuesOf('shared') };
    const [url, key] = [resolveValue('LLM_BASE_URL', all), resolveValue('LLM_API_KEY', all)];
    if (url.value === undefined || key.value === undefined) continue;
    pairs += 1;
    expect([bits, url.source === 'shared']).toEqual([bits, key.source === 'shared']);
    // A user's complete profile always takes precedence.
    const isOwn = set.some(({ tier }) => tier !== 'shared');
    expect([bits, url.source === 'shared']).toEqual([bits, !isOwn]);
  }
  // Ensures that both own and shared pairs occur (9 of 16 with own values, and one without).
  expect(pairs).toBe(9 * 4 + 1);
});
