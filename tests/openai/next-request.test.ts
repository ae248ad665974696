/**
 * What a request of `/v1` goes by is in memory and asked anew for each: whatever is changed counts from the next request on,
 * also for a key and an agent that were in use a moment ago.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import {
  ADMIN,
  form,
  memoryBackend,
  PEOPLE,
  type Person,
  startRouter,
  type TestRouter,
  until,
} from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

const UPSTREAM = { LLM_BASE_URL: 'https://api.example.org/v1', LLM_API_KEY: 'sk-one', LLM_MODEL: 'one' };

const runner = scriptedRunner('openai-next-request');
const backend = (more: object = {}) =>
  memoryBackend(
    'agent',
    { user_overridable_env: Object.keys(UPSTREAM), forward_model_env: 'LLM_MODEL', ...more },
    runner.program,
  );
let router: TestRouter;
let admin: Person;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [backend()] });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
  runner.reply = () => completion('Hello.');
  await set(alice, UPSTREAM);
});
afterAll(() => router[Symbol.asyncDispose]());
// Each change comes to a request that is as warm as can be.
beforeEach(async () => {
  for (let times = 0; times < 3; times += 1) expect((await ask()).status).toBe(200);
});

const ask = (model = 'agent', secret = key) =>
  router.request('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}` },
    body: { model, messages: [{ role: 'user', content: 'Hi' }] },
  });

/** The status and the code of a refusal. */
async function refusal(response: Response): Promise<unknown> {
  const { error } = (await response.json()) as { error?: { code: string } };
  return [response.status, error?.code];
}

const put = (person: Person, path: string, body: object) => person.request(path, { method: 'PUT', body });

async function set(person: Person, values: Record<string, string>) {
  expect((await put(person, '/api/me/env-overrides', { values })).status).toBe(200);
}

const agentOf = (response: Response) => response.headers.get('x-agent-stack-agent') ?? '';

test('a revoked key', async () => {
  const { keys } = router.context;
  const { key: made, secret } = await keys.create(alice.id, 'revoked');
  expect((await ask('agent', secret)).status).toBe(200);
  expect((await alice.request(`/settings/keys/${made.id}/revoke`, form())).status).toBe(303);
  expect(await refusal(await ask('agent', secret))).toEqual([401, 'invalid_api_key']);
  expect((await ask()).status).toBe(200);
});

test('a disabled user', async () => {
  const mallory = await router.person(PEOPLE.mallory);
  const secret = await mallory.createKey();
  await set(mallory, UPSTREAM);
  expect((await ask('agent', secret)).status).toBe(200);
  await admin.request(`/admin/users/${mallory.id}/disable`, form());
  expect((await ask('agent', secret)).status).toBe(401);
  await admin.request(`/admin/users/${mallory.id}/enable`, form());
  expect((await ask('agent', secret)).status).toBe(200);
});

test('the backends that a user may have', async () => {
  const path = `/api/admin/users/${alice.id}/limits`;
  await put(admin, path, { backends: [] });
  expect((await ask()).status).toBe(403);
  await put(admin, path, {});
  expect((await ask()).status).toBe(200);
});

test('a budget', async () => {
  const path = `/api/admin/budgets/${alice.id}`;
  expect((await put(admin, path, { unit: 'tokens', period: 'day', hard_limit: 0 })).status).toBe(200);
  expect(await refusal(await ask())).toEqual([429, 'insufficient_quota']);
  await admin.request(path, { method: 'DELETE' });
  expect((await ask()).status).toBe(200);
});

test('the model that the owner has chosen', async () => {
  const sent = () => (JSON.parse(runner.requests.at(-1)?.text ?? '') as { model: string }).model;
  expect(sent()).toBe('one');
  await set(alice, { LLM_MODEL: 'two' });
  await ask();
  expect(sent()).toBe('two');
  await set(alice, { LLM_MODEL: 'one' });
});

test('a runner that was stopped', async () => {
  const before = await ask();
  expect(await router.context.runners.stop(agentOf(before), 'asked')).toBe(true);
  const after = await ask();
  expect([before, after].map(({ headers }) => headers.get('x-agent-stack-cold-start'))).toEqual(['false', 'true']);
  expect(after.headers.get('x-agent-stack-runner')).not.toBe(before.headers.get('x-agent-stack-runner'));
});

test('an agent that was deleted', async () => {
  const before = agentOf(await ask());
  expect((await alice.request(`/api/agents/${before}`, { method: 'DELETE' })).status).toBe(204);
  const after = await ask();
  expect(after.status).toBe(200);
  expect(agentOf(after)).not.toBe(before);
});

test('an agent that was added under the name', async () => {
  const named = agentOf(await ask());
  expect(await refusal(await ask('@mine'))).toEqual([404, 'model_not_found']);
  const made = await alice.request('/api/agents', { method: 'POST', body: { backend: 'agent', name: 'Mine' } });
  const { agent } = (await made.json()) as { agent: { id: string } };
  expect(agentOf(await ask('@mine'))).toBe(agent.id);
  expect(agentOf(await ask())).toBe(named);
  await alice.request(`/api/agents/${agent.id}`, { method: 'DELETE' });
  expect(await refusal(await ask('@mine'))).toEqual([404, 'model_not_found']);
});

test('the headers in backends.json, and whether the backend is switched on', async () => {
  const sent = () => runner.requests.at(-1)?.headers.get('x-told');
  expect(sent()).toBeNull();
  const { backends } = router.context;
  await router.writeBackends([backend({ headers: { 'X-Told': 'told' } })]);
  await until(() => backends.find('agent')?.headers['X-Told'], 'the file was read');
  await ask();
  expect(sent()).toBe('told');
  await router.writeBackends([backend({ disabled: true })]);
  await until(() => backends.find('agent')?.disabled, 'the file was read');
  expect(await refusal(await ask())).toEqual([503, 'backend_disabled']);
  await router.writeBackends([backend()]);
  await until(() => !backends.find('agent')?.disabled, 'the file was read');
  await ask();
  expect(sent()).toBeNull();
});
