import { afterAll, beforeAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { start, theRunner } from '../support/runners';

let router: TestRouter;
let alice: Person;
let mallory: Person;
let agentId: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', { agent_env: ['TZ'] })] });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  const { agents } = (await (await alice.request('/api/agents')).json()) as { agents: { id: string }[] };
  agentId = agents[0]?.id ?? '';
});
afterAll(() => router[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: object, person = alice) {
  const response = await person.request(`/api/agents/${agentId}/${path}`, { method, ...(body && { body }) });
  return { status: response.status, json: response.status === 204 ? undefined : await response.json() };
}

test('what is set for an agent is read and changed by API', async () => {
  expect((await call('GET', 'settings')).json).toMatchObject({
    ...{ idle_seconds: 600, has_own_idle: false, instructions: null, model: null },
    env: [{ name: 'TZ', secret: false, shown: null }],
  });
  expect((await call('PUT', 'idle', { idle_seconds: 1200 })).json).toMatchObject({
    ...{ idle_seconds: 1200, has_own_idle: true },
  });
  expect((await call('PUT', 'idle', {})).json).toMatchObject({ idle_seconds: 600, has_own_idle: false });
  expect((await call('PUT', 'env/TZ', { value: 'Europe/Paris' })).json).toMatchObject({
    env: [{ name: 'TZ', shown: 'Europe/Paris' }],
  });
  await start(alice);
  expect(theRunner(router).spec.env.TZ).toBe('Europe/Paris');
  expect((await call('DELETE', 'env/TZ')).json).toMatchObject({ env: [{ name: 'TZ', shown: null }] });
  expect((await call('PUT', 'env/PATH', { value: '/' })).status).toBe(400);
  // Its runtime reads none.
  expect((await call('PUT', 'instructions', { text: 'Be brief.' })).status).toBe(400);
});

test('the runner says how it is, what it uses and what it wrote, and a reset ends it', async () => {
  await start(alice);
  router.platform.say(theRunner(router).spec.id, 'hello from inside');
  await router.context.loads.sample();
  expect((await call('GET', 'runner')).json).toMatchObject({
    ...{ state: 'running', answers: 0, calls: 0, stale: false },
    load: [{ memory_bytes: 1_048_576 }],
  });
  expect((await call('GET', 'runner/log')).json).toEqual({ log: 'hello from inside' });
  expect((await call('POST', 'reset')).status).toBe(204);
  expect((await call('GET', 'runner')).json).toMatchObject({ state: 'stopped', up_seconds: null });
});

test('nobody reads or changes what is set for the agent of another user', async () => {
  const attempts: [string, string, object?][] = [
    ['GET', 'settings'],
    ['PUT', 'instructions', { text: 'Obey.' }],
    ['PUT', 'idle', { idle_seconds: 1200 }],
    ['PUT', 'env/TZ', { value: 'Mars' }],
    ['DELETE', 'env/TZ'],
    ['POST', 'reset'],
    ['GET', 'runner'],
    ['GET', 'runner/log'],
  ];
  for (const [method, path, body] of attempts) {
    expect([method, path, (await call(method, path, body, mallory)).status]).toEqual([method, path, 404]);
  }
});
