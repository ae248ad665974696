/** People with a runtime of their own: the real one in real containers, through the whole router. */
import { rm } from 'node:fs/promises';
import type Docker from 'dockerode';
import OpenAI from 'openai';
import { docker, engineHost, removeInstallation } from '../../support/engine';
import { type RouterProcess, startRouterProcess } from '../../support/process';
import { PEOPLE, type Person, startRouter, type TestRouter, until } from '../../support/router';
import { shippedEntries } from '../../support/runtimes';
import { startUpstream, type Upstream, type UpstreamRequest } from '../../support/upstream';
import type { RealRuntime } from './runtimes';

/** The upstream's own key, which only the router may know. */
export const REAL_KEY = 'sk-real-key-of-the-owner-0123456789';

/** OpenClaw takes 10 s alone, and two minutes at a load of 15. */
const READY_SECONDS = 280;

export interface Hosted extends AsyncDisposable {
  readonly router: TestRouter;
  readonly upstream: Upstream;
  readonly backends: readonly Record<string, unknown>[];
  readonly alice: Owner;
  readonly bob: Owner;
  /** The requests to the upstream for a turn, oldest first: without its questions for a list of models. */
  turns(): readonly UpstreamRequest[];
  /** The messages of the newest request to the upstream, as text. */
  told(): string;
  /** All containers of this router, also those that have ended. */
  containers(): Promise<readonly Docker.ContainerInspectInfo[]>;
}

/** Somebody with a runtime and with credentials for it. */
export interface Owner {
  readonly person: Person;
  readonly openai: OpenAI;
  readonly apiKey: string;
  readonly agentId: string;
  /** A new conversation; its id. */
  converse(): Promise<string>;
  /** What the runtime answers, in a conversation or in none. Throws what the SDK throws. */
  ask(content: string, conversation?: string): Promise<string>;
  /** The pieces of an answer as they arrive. */
  stream(content: string, signal?: AbortSignal): AsyncGenerator<string>;
  set(variable: string, value: string): Promise<void>;
  /** The one container of this person, as the engine sees it. */
  container(): Promise<Docker.ContainerInspectInfo>;
  isWarm(): boolean;
  /** After so long without work the container is stopped; 0 is never. */
  setIdleSeconds(seconds: number): Promise<void>;
  /** Their agent with too little memory for a turn. */
  readonly smallAgentId: string;
}

/** The entry of a runtime as it ships, but for its image and for the time that a start may take on a busy machine. */
export function realBackend({ name }: RealRuntime, image: string): Record<string, unknown> {
  const entry = shippedEntries.find((one) => one.name === name);
  return { ...entry, image, timeouts: { ...(entry?.timeouts as object), ready_seconds: READY_SECONDS } };
}

/** The second entry of a runtime, with less memory than it needs. */
export function smallName({ name }: RealRuntime): string {
  return `${name}-small`;
}

/** A router with the entry of a runtime as it ships but for its image, an upstream, and two people who have set it. */
export async function startHosted(runtime: RealRuntime, image: string): Promise<Hosted> {
  const upstream = startUpstream({ key: REAL_KEY });
  const entry = realBackend(runtime, image);
  const small = { name: smallName(runtime), extra_models: [], limits: { memory: runtime.smallMemory } };
  const backends = [entry, { ...entry, ...small }];
  const router = await startRouter({ backends, env: { REAPER_INTERVAL_SECONDS: '0.5' } });
  const containers = async (...labels: string[]) => {
    const label = [`agent-stack.installation=${router.context.installationId}`, ...labels];
    const found = await docker.listContainers({ all: true, filters: { label } });
    // One that goes between the two questions was not there.
    const inspected = await Promise.allSettled(found.map(({ Id }) => docker.getContainer(Id).inspect()));
    return inspected.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  };
  const owner = (who: Who) => signIn({ runtime, router, upstream, containers }, who);
  const turns = () => upstream.requests.filter(({ body }) => body.messages !== undefined);
  return {
    ...{ router, upstream, backends, alice: await owner(PEOPLE.alice), bob: await owner(PEOPLE.bob) },
    turns,
    told: () => JSON.stringify(turns().at(-1)?.body.messages),
    containers: () => containers(),
    async [Symbol.asyncDispose]() {
      await router.stop();
      await removeInstallation(router.context.installationId);
      await rm(router.dataRoot, { recursive: true, force: true });
      await upstream.stop();
    },
  };
}

/** The router, once it was stopped, as a process of its own on the same data; runners know where it listens. */
export function startAgain({ router, backends }: Hosted): Promise<RouterProcess> {
  const { port } = new URL(router.internalUrl);
  const env = { ROUTER_PORT: port, DOCKER_HOST: engineHost };
  return startRouterProcess({ dataRoot: router.dataRoot, backends, env });
}

type Who = Parameters<TestRouter['person']>[0];

interface Place {
  readonly runtime: RealRuntime;
  readonly router: TestRouter;
  readonly upstream: Upstream;
  containers(...labels: string[]): Promise<Docker.ContainerInspectInfo[]>;
}

async function signIn({ runtime, router, upstream, containers }: Place, who: Who): Promise<Owner> {
  const { name } = runtime;
  const person = await router.person(who);
  const set = async (variable: string, value: string) => {
    const answer = await person.request(`/api/me/env-overrides/${variable}`, { method: 'PUT', body: { value } });
    if (!answer.ok) throw new Error(await answer.text());
  };
  await set('LLM_BASE_URL', upstream.url);
  await set('LLM_API_KEY', upstream.key);
  await set('LLM_MODEL', 'a-model');
  const agentOf = (backendName: string) => {
    const backend = router.context.backends.find(backendName);
    if (!backend) throw new Error(`premise: ${backendName} is a backend`);
    return router.context.agents.defaultOf(person.id, backend);
  };
  const agent = await agentOf(name);
  const apiKey = await person.createKey();
  const openai = new OpenAI({ baseURL: `${router.url}/v1`, apiKey, maxRetries: 0 });
  const say = (content: string) => ({ model: name, messages: [{ role: 'user' as const, content }] });
  return {
    ...{ person, openai, apiKey, set, agentId: agent.id, smallAgentId: (await agentOf(smallName(runtime))).id },
    converse: async () => (await router.context.conversations.create(agent)).id,
    async ask(content, conversation) {
      const headers = conversation === undefined ? {} : { 'x-conversation-id': conversation };
      const answer = await openai.chat.completions.create(say(content), { headers });
      return answer.choices[0]?.message.content ?? '';
    },
    async *stream(content, signal) {
      const body = { ...say(content), stream: true as const };
      const chunks = await openai.chat.completions.create(body, signal && { signal });
      for await (const { choices } of chunks) {
        const piece = choices[0]?.delta.content;
        if (piece) yield piece;
      }
    },
    container: () =>
      until(async () => {
        const found = await containers(`agent-stack.agent=${agent.id}`);
        return found.length === 1 && found[0];
      }, `${who.name} has one container`),
    isWarm: () => router.context.runners.isWarm(agent.id),
    async setIdleSeconds(seconds) {
      await router.context.idle.set(person.id, name, seconds);
    },
  };
}
