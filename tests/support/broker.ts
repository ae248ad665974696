/** A router with one agent and a scripted upstream, and calls to the broker as that agent's runner makes them. */
import { expect } from 'bun:test';
import {
  memoryBackend,
  PEOPLE,
  type Person,
  startRouter,
  type TestRouter,
  type TestRouterOptions,
  until,
} from './router';
import { completion, type ScriptedRunner, scriptedRunner } from './scripted-runner';
import { startUpstream, type Upstream } from './upstream';

export const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];

export interface BrokerBench extends AsyncDisposable {
  readonly router: TestRouter;
  readonly upstream: Upstream;
  readonly alice: Person;
  readonly runner: ScriptedRunner;
  /** Sets alice's upstream. */
  set(values: Readonly<Record<string, string>>): Promise<void>;
  /** Makes a call as alice's runner. @param path begins with a slash, below `/v1`. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Requests a chat completion as alice's runner. */
  complete(more?: object, init?: RequestInit): Promise<Response>;
  /** Returns every row of usage, after all calls have ended. */
  rows(): Promise<Awaited<ReturnType<TestRouter['context']['stores']['usage']['page']>>>;
}

/** @param name Name of the scripted program, one for each test file. */
export async function startBroker(
  name: string,
  options: Pick<TestRouterOptions, 'env' | 'idleSeconds' | 'now'> & { readonly backend?: Record<string, unknown> } = {},
): Promise<BrokerBench> {
  const runner = scriptedRunner(name);
  const backend = memoryBackend('agent', { user_overridable_env: LLM, ...options.backend }, runner.program);
  const router = await startRouter({ ...options, backends: [backend] });
  const upstream = startUpstream();
  const alice = await router.person(PEOPLE.alice);
  const set = async (values: Readonly<Record<string, string>>) => {
    for (const [variable, value] of Object.entries(values)) {
      const response = await alice.request(`/api/me/env-overrides/${variable}`, { method: 'PUT', body: { value } });
      expect([variable, response.status]).toEqual([variable, 200]);
    }
  };
  await set({ LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'alices-model' });
  const started = await alice.request('/api/runners/agent/start', { method: 'POST' });
  expect(started.status).toBe(200);
  const given = runner.specs.at(-1)?.env;

  const call = (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${given?.LLM_API_KEY}`, 'content-type': 'application/json' };
    return fetch(`${given?.LLM_BASE_URL}${path}`, { ...init, headers: { ...headers, ...init.headers } });
  };
  const leases = () => router.context.runners.running().reduce((sum, { status }) => sum + status.leases, 0);
  return {
    ...{ router, upstream, alice, runner, set, call },
    complete(more = {}, init = {}) {
      const body = JSON.stringify({ model: 'default', messages: [{ role: 'user', content: 'Hi' }], ...more });
      return call('/chat/completions', { method: 'POST', body, ...init });
    },
    async rows() {
      await until(() => leases() === 0, 'no call is under way');
      await router.context.metering.flush();
      const range = { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };
      const rows = await router.context.stores.usage.page(range, undefined, 10_000);
      // In the order in which they were written, also where a test has set the clock back.
      return rows.toSorted((a, b) => a.id - b.id);
    },
    async [Symbol.asyncDispose]() {
      await router[Symbol.asyncDispose]();
      await upstream.stop();
    },
  };
}

/** The agent's answer to each chat: calls its upstream with the key in its own environment. */
export function callUpstream(runner: ScriptedRunner, headers: Headers): Promise<Response> {
  const spec = runner.specs.findLast(({ env }) => headers.get('authorization') === `Bearer ${env.OPENAI_API_KEY}`);
  return fetch(`${spec?.env.LLM_BASE_URL}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${spec?.env.LLM_API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: spec?.env.LLM_MODEL, messages: [] }),
  });
}

/** Has the agent answer each chat with the outcome of its own call. */
export function answerFromUpstream(runner: ScriptedRunner): void {
  runner.reply = async ({ headers }) => {
    const response = await callUpstream(runner, headers);
    return response.ok ? completion('Fine.') : new Response(response.body, response);
  };
}

/** Sets values of one scope through the API. @param backend '' for all. */
export async function setValues(who: Person, values: Readonly<Record<string, string>>, backend = ''): Promise<void> {
  const response = await who.request('/api/me/env-overrides', { method: 'PUT', body: { values, backend } });
  expect(response.status).toBe(200);
}
