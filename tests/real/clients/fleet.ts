/**
 * The router for all clients of the matrix, with every agent of the repository, on a real port. Demo and direct run as
 * processes; OpenClaw, Hermes and nanobot as their twins. All but the demo use one scripted upstream.
 */
import type { RunnerSpec } from '../../../drivers/driver';
import type { ProgramRuntime } from '../../../drivers/memory';
import { backendsWithDemoEnv } from '../../support/process';
import { memoryBackend, PEOPLE, type Person, program, startRouter, type TestRouter } from '../../support/router';
import { shippedEntries, withTwin } from '../../support/runtimes';
import { startUpstream, type Upstream } from '../../support/upstream';

export const AGENTS = ['demo', 'direct', 'openclaw', 'hermes-agent', 'nanobot'] as const;
export type AgentName = (typeof AGENTS)[number];

/** The answer of every agent to `SAY_IT`: the demo repeats it, the others get it from the upstream. */
export const ANSWER = 'Grüße aus 東京 👋🏽, dear client.';
export const SAY_IT = `echo ${ANSWER}`;

/** Longer than a streaming client waits for a status, so that it reads comments (law 11). */
const DEMO_START_MS = 2_200;

export interface Fleet extends AsyncDisposable {
  readonly router: TestRouter;
  readonly upstream: Upstream;
  /** The base URL for clients; it ends in `/v1`. */
  readonly url: string;
  /** Alice's key; she has set the agents' credentials. */
  readonly key: string;
  /** Valid keys that are refused for some reason. */
  readonly refused: {
    /** Bob's, who has set no credentials. */
    readonly withoutCredentials: string;
    /** Mallory's, whose budget is used up. */
    readonly withoutBudget: string;
    /** Alice's, with a limit of one request a minute, which has been used. */
    readonly spent: string;
    /** Alice's, for everything except `/v1`. */
    readonly forOthers: string;
  };
  /** The agent's next answer is `ANSWER`. */
  willAnswer(agent: AgentName): void;
  /** Ends alice's runner of the agent, if there is one, so that the next call is a cold start. */
  chill(agent: AgentName): Promise<void>;
  isWarm(agent: AgentName): Promise<boolean>;
  /** Number of requests that alice's runner of the agent is working on. */
  leases(agent: AgentName): Promise<number>;
}

export async function startFleet(): Promise<Fleet> {
  const own = await backendsWithDemoEnv({ DEMO_START_DELAY_MS: String(DEMO_START_MS) });
  const router = await startRouter({
    backends: [
      ...own.filter(({ driver }) => driver === 'process'),
      ...shippedEntries.map(withTwin),
      memoryBackend('broken', {}, program('clients-broken', exitAtOnce)),
    ],
  });
  const upstream = startUpstream();
  const [alice, bob, mallory] = [
    await router.person(PEOPLE.alice),
    await router.person(PEOPLE.bob),
    await router.person(PEOPLE.mallory),
  ];
  for (const person of [alice, mallory]) await setCredentials(person, upstream);
  const budget = { unit: 'tokens', period: 'day', softLimit: null, hardLimit: 0 } as const;
  await router.context.budgets.put({ subjectId: mallory.id, userId: mallory.id, keyId: null, ...budget });

  const spent = await createKey(alice, { requests_per_minute: 1 });
  const headers = { authorization: `Bearer ${spent}` };
  await router.request('/v1/chat/completions', { method: 'POST', body: { model: 'none' }, headers });

  const agentOf = async (name: AgentName) => {
    const backend = router.context.backends.find(name);
    if (!backend) throw new Error(`premise: ${name} is a backend`);
    return router.context.agents.defaultOf(alice.id, backend);
  };
  return {
    router,
    upstream,
    url: `${router.url}/v1`,
    key: await alice.createKey(),
    refused: {
      withoutCredentials: await bob.createKey(),
      withoutBudget: await mallory.createKey(),
      spent,
      forOthers: await createKey(alice, { scopes: ['manage'] }),
    },
    willAnswer(agent) {
      if (agent !== 'demo') upstream.script({ pieces: ['Grüße aus 東', '京 👋', '🏽, dear', ' client.'] });
    },
    async chill(agent) {
      const { id } = await agentOf(agent);
      if (router.context.runners.isWarm(id)) await router.context.runners.stop(id, 'test');
    },
    isWarm: async (agent) => router.context.runners.isWarm((await agentOf(agent)).id),
    async leases(agent) {
      const { id } = await agentOf(agent);
      const found = router.context.runners.running().find((one) => one.agent.id === id);
      return found?.status.leases ?? 0;
    },
    async [Symbol.asyncDispose]() {
      await router[Symbol.asyncDispose]();
      await upstream.stop();
    },
  };
}

async function setCredentials(person: Person, upstream: Upstream): Promise<void> {
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'first-model' };
  for (const [name, value] of Object.entries(values)) {
    const response = await person.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
    if (!response.ok) throw new Error(await response.text());
  }
}

async function createKey(person: Person, limits: object): Promise<string> {
  const response = await person.request('/api/me/keys', { method: 'POST', body: { name: 'limited', ...limits } });
  if (!response.ok) throw new Error(await response.text());
  return ((await response.json()) as { secret: string }).secret;
}

function exitAtOnce(_spec: RunnerSpec, runtime: ProgramRuntime) {
  runtime.say('no such model file');
  runtime.exit(3);
  return () => new Response(null, { status: 503 });
}
