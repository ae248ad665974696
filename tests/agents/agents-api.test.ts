/** `/api/agents`: the predecessor's endpoints for a user's agents. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { problemOf } from '../support/runners';

interface Agent {
  readonly id: string;
  readonly backend: string;
  readonly name: string;
  readonly model: string;
  readonly ordinal: number;
  readonly running: boolean;
}

const nowMs = Date.now();
const nowSeconds = Math.floor(nowMs / 1000);
let router: TestRouter;
let alice: Person;
let mallory: Person;
beforeAll(async () => {
  const backends = [memoryBackend('echo', { display_name: 'Echo' }), memoryBackend('off', { disabled: true })];
  router = await startRouter({ backends, now: () => nowMs, steady: () => performance.now() });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
});
afterAll(() => router[Symbol.asyncDispose]());

const agentsOf = async (person: Person, backend = 'echo') => {
  const { agents } = (await (await person.request('/api/agents')).json()) as { agents: Agent[] };
  return agents.filter((agent) => agent.backend === backend);
};
const post = (person: Person, body: object) => person.request('/api/agents', { method: 'POST', body });
const patch = (person: Person, id: string, body: object) =>
  person.request(`/api/agents/${id}`, { method: 'PATCH', body });
const remove = (person: Person, path: string) => person.request(`/api/agents/${path}`, { method: 'DELETE' });
const agentIn = async (response: Response) => ((await response.json()) as { agent: Agent }).agent;

/** A person nobody else in this file is, with agents of their own. */
let people = 0;
function newPerson(): Promise<Person> {
  people += 1;
  return router.person({ email: `p${people}@example.org`, name: `P${people}`, password: 'a-long-password' });
}

test("agents have the predecessor's members, and each backend has a default agent", async () => {
  const response = await alice.request('/api/agents');
  const { agents, max_per_backend } = (await response.json()) as { agents: Agent[]; max_per_backend: number };
  expect(max_per_backend).toBe(3);
  expect(agents).toHaveLength(2);
  expect(agents[0]).toEqual({
    ...{ id: expect.stringMatching(/^[0-9a-f]{24}$/), user_id: alice.id, backend: 'echo', name: 'Echo', model: '' },
    ...{ ordinal: 1, created_at: nowSeconds, updated_at: nowSeconds },
    ...{ running: false, container_name: null, host_port: null },
  } as object as Agent);
});

test('an agent is made with a name and a model, and its null members are as if they were absent', async () => {
  const bob = await newPerson();
  await agentsOf(bob);
  const made = await post(bob, { backend: 'echo', name: '  Researcher ', model: 'gpt-x' });
  expect([made.status, await agentIn(made)]).toMatchObject([200, { name: 'Researcher', model: 'gpt-x', ordinal: 2 }]);
  expect(await agentIn(await post(bob, { backend: 'off', name: 'Off', model: null }))).toMatchObject({ model: '' });
  expect((await agentsOf(bob)).map(({ name }) => name)).toEqual(['Echo', 'Researcher']);
  const models = (await (await bob.request('/v1/models')).json()) as { data: { id: string }[] };
  expect(models.data.map(({ id }) => id)).toContain('@researcher');
});

test('an unknown backend and a blank name are 400, and one agent too many is 409', async () => {
  const bob = await newPerson();
  expect((await post(bob, { backend: 'nope', name: 'x' })).status).toBe(400);
  expect((await post(bob, { backend: 'echo', name: '  ' })).status).toBe(400);
  for (const name of ['one', 'two', 'three']) expect((await post(bob, { backend: 'echo', name })).status).toBe(200);
  const fourth = await post(bob, { backend: 'echo', name: 'four' });
  expect([fourth.status, (await problemOf(fourth)).code]).toEqual([409, 'conflict']);
  const [, second] = await agentsOf(bob);
  expect((await remove(bob, second?.id ?? '')).status).toBe(204);
  // The lowest ordinal that is free.
  expect(await agentIn(await post(bob, { backend: 'echo', name: 'again' }))).toMatchObject({ ordinal: 2 });
});

test('parallel requests make no more agents than are allowed', async () => {
  const bob = await newPerson();
  const answers = await Promise.all([...'abcdef'].map((name) => post(bob, { backend: 'echo', name })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 409, 409, 409]);
  expect((await agentsOf(bob)).map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
});

test('a patch changes the name, the model, or nothing', async () => {
  const bob = await newPerson();
  const [agent] = await agentsOf(bob);
  const id = agent?.id ?? '';
  expect(await agentIn(await patch(bob, id, { name: 'Renamed' }))).toMatchObject({ name: 'Renamed', model: '' });
  expect(await agentIn(await patch(bob, id, { model: 'm' }))).toMatchObject({ name: 'Renamed', model: 'm' });
  expect(await agentIn(await patch(bob, id, { name: null, model: null }))).toMatchObject({
    name: 'Renamed',
    model: 'm',
  });
  expect(await agentIn(await patch(bob, id, { model: '' }))).toMatchObject({ model: '' });
  expect((await patch(bob, id, { name: ' ' })).status).toBe(400);
});

test("an agent's runner is started and stopped by the agent's id", async () => {
  const bob = await newPerson();
  const agent = await agentIn(await post(bob, { backend: 'echo', name: 'worker' }));
  const started = await bob.request(`/api/agents/${agent.id}/start`, { method: 'POST' });
  const { runner } = (await started.json()) as { runner: { container_name: string; host_port: number } };
  const address = { container_name: expect.any(String), host_port: expect.any(Number) };
  expect(runner).toEqual({ agent_id: agent.id, backend: 'echo', ...address } as object as typeof runner);
  const listed = (await agentsOf(bob)).find(({ id }) => id === agent.id);
  expect(listed).toMatchObject({ running: true, container_name: runner.container_name, host_port: runner.host_port });
  expect(await (await remove(bob, `${agent.id}/runner`)).json()).toEqual({ stopped: true });
  expect(await (await remove(bob, `${agent.id}/runner`)).json()).toEqual({ stopped: false });
});

test('an agent that is deleted takes its runner and conversations with it, and its home goes to the trash', async () => {
  const bob = await newPerson();
  const agent = await agentIn(await post(bob, { backend: 'echo', name: 'gone' }));
  const body = { model: '@gone', store: true, messages: [{ role: 'user', content: 'hello' }] };
  const answer = await bob.request('/v1/chat/completions', { method: 'POST', body });
  const conversation = answer.headers.get('x-conversation-id') ?? '';
  await until(() => router.context.conversations.find(bob.id, conversation), 'the conversation is stored');
  const before = router.platform.runners.size;
  expect((await remove(bob, agent.id)).status).toBe(204);
  expect(router.platform.runners.size).toBe(before - 1);
  expect(await router.context.conversations.find(bob.id, conversation)).toBeUndefined();
  expect((await bob.request('/v1/chat/completions', { method: 'POST', body })).status).toBe(404);
  expect((await remove(bob, agent.id)).status).toBe(404);
  const homes = join(router.dataRoot, 'homes');
  expect(await readdir(homes)).not.toContain(agent.id);
  expect((await readdir(join(homes, '.trash'))).some((name) => name.startsWith(agent.id))).toBe(true);
});

test('when the default agent is deleted, the next one takes its place, and a new one is made after the last', async () => {
  const bob = await newPerson();
  const [first] = await agentsOf(bob);
  const second = await agentIn(await post(bob, { backend: 'echo', name: 'second' }));
  const agentOf = async () => {
    const body = { model: 'echo', messages: [{ role: 'user', content: 'hello' }] };
    const answer = await bob.request('/v1/chat/completions', { method: 'POST', body });
    return answer.headers.get('x-agent-stack-agent');
  };
  expect(await agentOf()).toBe(first?.id ?? '');
  await remove(bob, first?.id ?? '');
  expect(await agentOf()).toBe(second.id);
  await remove(bob, second.id);
  const made = await agentOf();
  expect([first?.id, second.id]).not.toContain(made ?? '');
});

const endpoints = (id: string) =>
  [
    ['GET', '/api/agents'],
    ['POST', '/api/agents'],
    ['PATCH', `/api/agents/${id}`],
    ['DELETE', `/api/agents/${id}`],
    ['POST', `/api/agents/${id}/start`],
    ['DELETE', `/api/agents/${id}/runner`],
  ] as const;
const bodyOf = (method: string) => (/POST|PATCH/.test(method) ? { body: { backend: 'echo', name: 'theirs' } } : {});

test('signed out every endpoint is 401, and with a key that lacks the scope 403', async () => {
  const [agent] = await agentsOf(alice);
  const authorization = `Bearer ${await alice.createKey()}`;
  for (const [method, path] of endpoints(agent?.id ?? '')) {
    const answers = [
      await router.request(path, { method, ...bodyOf(method) }),
      await router.request(path, { method, ...bodyOf(method), headers: { authorization } }),
    ];
    expect([method, path, ...answers.map(({ status }) => status)]).toEqual([method, path, 401, 403]);
  }
});

test("another user's agent is not found, and nothing of it changes", async () => {
  const [agent] = await agentsOf(alice);
  const id = agent?.id ?? '';
  await alice.request(`/api/agents/${id}/start`, { method: 'POST' });
  const before = await agentsOf(alice);
  for (const [method, path] of endpoints(id).slice(2)) {
    const answer = await mallory.request(path, { method, ...bodyOf(method) });
    expect([method, path, answer.status]).toEqual([method, path, 404]);
  }
  expect(await agentsOf(alice)).toEqual(before);
  expect((await agentsOf(mallory)).map((one) => one.id)).not.toContain(id);
});

test('a page of another site changes nothing', async () => {
  const [agent] = await agentsOf(alice);
  for (const [method, path] of endpoints(agent?.id ?? '').slice(1)) {
    const headers = { origin: 'https://elsewhere.example' };
    const answer = await alice.request(path, { method, ...bodyOf(method), headers });
    expect([method, path, answer.status]).toEqual([method, path, 403]);
  }
});

test('a method that an endpoint does not have is refused', async () => {
  const [agent] = await agentsOf(alice);
  for (const [method, path] of [
    ['PUT', '/api/agents'],
    ['POST', `/api/agents/${agent?.id}`],
    ['GET', `/api/agents/${agent?.id}/start`],
    ['POST', `/api/agents/${agent?.id}/runner`],
  ] as const) {
    expect([method, path, (await alice.request(path, { method })).status]).toEqual([method, path, 405]);
  }
});
