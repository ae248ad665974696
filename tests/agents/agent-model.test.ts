/** An agent with a model of its own uses it in place of its owner's, from the next call on. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type BrokerBench, LLM, startBroker } from '../support/broker';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';

const injected = scriptedRunner('agent-model-injected');
let bench: BrokerBench;
beforeAll(async () => {
  bench = await startBroker('agent-model');
});
afterAll(() => bench[Symbol.asyncDispose]());

test("an agent's model is the one of its calls, counts from the next call on, and restarts nothing", async () => {
  const { alice, router, upstream } = bench;
  const { agents } = (await (await alice.request('/api/agents')).json()) as { agents: { id: string }[] };
  const setModel = (model: string) =>
    alice.request(`/api/agents/${agents[0]?.id}`, { method: 'PATCH', body: { model } });
  const asked = async () => {
    expect((await bench.complete()).status).toBe(200);
    return JSON.parse(upstream.requests.at(-1)?.text ?? '{}').model;
  };
  expect(await asked()).toBe('alices-model');
  await setModel('the-agents-model');
  expect(await asked()).toBe('the-agents-model');
  await setModel('');
  expect(await asked()).toBe('alices-model');
  expect(router.platform.calls('start')).toBe(1);
});

test('an agent that holds its values itself is started anew when its model changes', async () => {
  const entry = { user_overridable_env: LLM, credentials: 'inject', forward_model_env: 'LLM_MODEL' };
  await using router = await startRouter({ backends: [memoryBackend('held', entry, injected.program)] });
  const alice = await router.person(PEOPLE.alice);
  const values = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'sk-test-key', LLM_MODEL: 'alices-model' };
  await alice.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  const { agents } = (await (await alice.request('/api/agents')).json()) as { agents: { id: string }[] };
  const asked = async () => {
    const body = { model: 'held', messages: [{ role: 'user', content: 'hello' }] };
    await (await alice.request('/v1/chat/completions', { method: 'POST', body })).text();
    return [injected.specs.at(-1)?.env.LLM_MODEL, JSON.parse(injected.requests.at(-1)?.text ?? '{}').model];
  };
  expect(await asked()).toEqual(['alices-model', 'alices-model']);
  await alice.request(`/api/agents/${agents[0]?.id}`, { method: 'PATCH', body: { model: 'own' } });
  await until(() => router.platform.runners.size === 0, 'the runner with the older model has ended');
  expect(await asked()).toEqual(['own', 'own']);
});
