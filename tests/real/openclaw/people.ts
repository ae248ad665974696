/** People with an OpenClaw of their own: the real one in real containers, through the whole router. */
import { rm } from 'node:fs/promises';
import type Docker from 'dockerode';
import OpenAI from 'openai';
import { docker, engineHost, removeInstallation } from '../../support/engine';
import { type RouterProcess, startRouterProcess } from '../../support/process';
import { PEOPLE, type Person, startRouter, type TestRouter, until } from '../../support/router';
import { shippedEntries } from '../../support/runtimes';
import { type ErrorScript, startUpstream, type Upstream } from '../../support/upstream';

/** The upstream's own key, which only the router may know. */
export const REAL_KEY = 'sk-real-key-of-the-owner-0123456789';

export interface Clawed extends AsyncDisposable {
  readonly router: TestRouter;
  readonly upstream: Upstream;
  readonly backends: readonly Record<string, unknown>[];
  readonly alice: Owner;
  readonly bob: Owner;
  /** The messages of the newest request to the upstream, as text. */
  told(): string;
  /** All containers of this router, also those that have ended. */
  containers(): Promise<readonly Docker.ContainerInspectInfo[]>;
}

/** Somebody with an OpenClaw and with credentials for it. */
export interface Owner {
  readonly person: Person;
  readonly openai: OpenAI;
  readonly apiKey: string;
  /** A new conversation; its id. */
  converse(): Promise<string>;
  /** What OpenClaw answers, in a conversation or in none. Throws what the SDK throws. */
  ask(content: string, conversation?: string): Promise<string>;
  /** The pieces of an answer as they arrive. */
  stream(content: string, signal?: AbortSignal): AsyncGenerator<string>;
  set(variable: string, value: string): Promise<void>;
  /** The one container of this person, as the engine sees it. */
  container(): Promise<Docker.ContainerInspectInfo>;
  isWarm(): boolean;
  /** After so long without work the container is stopped; 0 is never. */
  setIdleSeconds(seconds: number): Promise<void>;
  /** Their OpenClaw with 768 MiB: enough to become ready, too little for a turn. */
  readonly smallAgentId: string;
}

/** The entry `openclaw` as it ships but for its image. */
export function openclawBackend(image: string): Record<string, unknown> {
  return { ...shippedEntries.find(({ name }) => name === 'openclaw'), image };
}

/** A router with the entry `openclaw` as it ships but for its image, an upstream, and two people who have set it. */
export async function startOpenclaw(image: string): Promise<Clawed> {
  const upstream = startUpstream({ key: REAL_KEY });
  const openclaw = openclawBackend(image);
  const backends = [openclaw, { ...openclaw, name: 'openclaw-small', extra_models: [], limits: { memory: '768m' } }];
  const router = await startRouter({ backends, env: { REAPER_INTERVAL_SECONDS: '0.5' } });
  const containers = async (...labels: string[]) => {
    const label = [`agent-stack.installation=${router.context.installationId}`, ...labels];
    const found = await docker.listContainers({ all: true, filters: { label } });
    // One that goes between the two questions was not there.
    const inspected = await Promise.allSettled(found.map(({ Id }) => docker.getContainer(Id).inspect()));
    return inspected.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  };
  const owner = (who: Parameters<TestRouter['person']>[0]) => signIn(router, upstream, who, containers);
  return {
    ...{ router, upstream, backends, alice: await owner(PEOPLE.alice), bob: await owner(PEOPLE.bob) },
    told: () => JSON.stringify(upstream.requests.at(-1)?.body.messages),
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
export function startAgain({ router, backends }: Clawed): Promise<RouterProcess> {
  const { port } = new URL(router.internalUrl);
  const env = { ROUTER_PORT: port, DOCKER_HOST: engineHost };
  return startRouterProcess({ dataRoot: router.dataRoot, backends, env });
}

async function signIn(
  router: TestRouter,
  upstream: Upstream,
  who: Parameters<TestRouter['person']>[0],
  containers: (...labels: string[]) => Promise<Docker.ContainerInspectInfo[]>,
): Promise<Owner> {
  const person = await router.person(who);
  const set = async (variable: string, value: string) => {
    const answer = await person.request(`/api/me/env-overrides/${variable}`, { method: 'PUT', body: { value } });
    if (!answer.ok) throw new Error(await answer.text());
  };
  await set('LLM_BASE_URL', upstream.url);
  await set('LLM_API_KEY', upstream.key);
  await set('LLM_MODEL', 'a-model');
  const agentOf = (name: string) => {
    const backend = router.context.backends.find(name);
    if (!backend) throw new Error(`premise: ${name} is a backend`);
    return router.context.agents.defaultOf(person.id, backend);
  };
  const agent = await agentOf('openclaw');
  const apiKey = await person.createKey();
  const openai = new OpenAI({ baseURL: `${router.url}/v1`, apiKey, maxRetries: 0 });
  const say = (content: string) => ({ model: 'openclaw', messages: [{ role: 'user' as const, content }] });
  return {
    ...{ person, openai, apiKey, set, smallAgentId: (await agentOf('openclaw-small')).id },
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
        const found = await containers(`agent-stack.user=${person.id}`);
        return found.length === 1 && found[0];
      }, `${who.name} has one container`),
    isWarm: () => router.context.runners.isWarm(agent.id),
    async setIdleSeconds(seconds) {
      await router.context.idle.set(person.id, 'openclaw', seconds);
    },
  };
}

/** An upstream's answer that is nothing but a call of a tool, as a stream. */
export function toolCall(name: string, input: object): ErrorScript {
  const call = { index: 0, id: 'call_1', type: 'function', function: { name, arguments: JSON.stringify(input) } };
  const chunk = (delta: object, finish: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    const event = { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: 1_700_000_000, choices };
    return `data: ${JSON.stringify(event)}\n\n`;
  };
  const body = `${chunk({ role: 'assistant', tool_calls: [call] }, null)}${chunk({}, 'tool_calls')}data: [DONE]\n\n`;
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
}

/** What tools have given back, in the newest request to the upstream. */
export function toolOutput({ requests }: Upstream): string {
  const outputs = requests.at(-1)?.body.messages?.filter(({ role }) => role === 'tool') ?? [];
  return outputs.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content))).join('\n');
}
