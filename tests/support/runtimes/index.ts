/** The runtimes as shipped, with a twin in place of the container. Only the driver of each entry is changed. */
import OpenAI from 'openai';
import shipped from '../../../backends.json';
import type { Program } from '../../../drivers/memory';
import type { MessageStatus } from '../../../router/chat/store/conversations';
import { PEOPLE, type Person, program, startRouter, type TestRouter, until } from '../router';
import { startUpstream, type Upstream } from '../upstream';
import { hermes } from './hermes';
import { nanobot } from './nanobot';
import { openclaw } from './openclaw';

const TWINS: Readonly<Record<string, Program>> = { openclaw, 'hermes-agent': hermes, nanobot };
const KEY = 'sk-upstream-real-key';

/** The entries of `backends.json` whose runners are containers. */
export const shippedEntries: readonly Record<string, unknown>[] = shipped.filter(({ driver }) => driver === 'docker');

/** Hosted by the memory driver, without `chown_uid`, because only root can change the owner of a home. */
export function withTwin(entry: Record<string, unknown>): Record<string, unknown> {
  const name = String(entry.name);
  const twin = TWINS[name];
  if (!twin) throw new Error(`${name} has no twin`);
  const hosted = { driver: 'memory', trusted: true, driver_options: { program: program(`twin-${name}`, twin) } };
  return { ...entry, ...hosted, ...(process.getuid?.() !== 0 && { chown_uid: process.getuid?.() }) };
}

export interface Runtime extends AsyncDisposable {
  readonly router: TestRouter;
  readonly upstream: Upstream;
  readonly alice: Somebody;
  readonly bob: Somebody;
}

/** A person with credentials, who uses both the page and the API. */
export interface Somebody {
  readonly person: Person;
  readonly openai: OpenAI;
  readonly agentId: string;
  /** Requests through the SDK with `stream`; returns the pieces of text. Throws the SDK's errors. */
  stream(text: string, options?: OpenAI.RequestOptions): AsyncGenerator<string>;
  setModel(model: string): Promise<void>;
  /** Starts a new conversation; returns its id. */
  converse(): Promise<string>;
  /** Sends a message as the browser does and waits for the end of the answer. */
  say(conversation: string, text: string): Promise<Said>;
}

export interface Said {
  readonly status: MessageStatus;
  readonly content: string;
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** A router with one of the three runtimes, an upstream, and two people with credentials. */
export async function startRuntime(name: string): Promise<Runtime> {
  const upstream = startUpstream({ key: KEY });
  const router = await startRouter({ backends: shippedEntries.filter((entry) => entry.name === name).map(withTwin) });
  const tenant = (who: { email: string; name: string; password: string }) => signIn(router, upstream, name, who);
  return {
    router,
    upstream,
    alice: await tenant(PEOPLE.alice),
    bob: await tenant(PEOPLE.bob),
    async [Symbol.asyncDispose]() {
      await router[Symbol.asyncDispose]();
      await upstream.stop();
    },
  };
}

async function signIn(
  router: TestRouter,
  upstream: Upstream,
  name: string,
  who: { email: string; name: string; password: string },
): Promise<Somebody> {
  const person = await router.person(who);
  const set = async (variable: string, value: string) => {
    const response = await person.request(`/api/me/env-overrides/${variable}`, { method: 'PUT', body: { value } });
    if (!response.ok) throw new Error(await response.text());
  };
  await set('LLM_BASE_URL', upstream.url);
  await set('LLM_API_KEY', upstream.key);
  await set('LLM_MODEL', 'first-model');
  const backend = router.context.backends.find(name);
  if (!backend) throw new Error(`premise: ${name} is a backend`);
  const agent = await router.context.agents.defaultOf(person.id, backend);
  const { conversations } = router.context.stores;
  const openai = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: await person.createKey(), maxRetries: 0 });
  return {
    person,
    openai,
    agentId: agent.id,
    async *stream(content, options) {
      const messages = [{ role: 'user' as const, content }];
      const chunks = await openai.chat.completions.create({ model: name, messages, stream: true }, options);
      for await (const { choices } of chunks) {
        const piece = choices?.[0]?.delta?.content;
        if (piece) yield piece;
      }
    },
    setModel: (model) => set('LLM_MODEL', model),
    converse: async () => (await router.context.conversations.create(agent)).id,
    async say(conversation, text) {
      const form = { method: 'POST', body: new URLSearchParams({ text }) };
      const response = await person.request(`/conversations/${conversation}/messages`, form);
      if (response.status !== 303) throw new Error(`${response.status}: ${await response.text()}`);
      return until(async () => {
        const [last] = await conversations.page(conversation, { limit: 1 });
        return last?.role === 'assistant' && last.status !== 'streaming' && last;
      }, 'the answer ends');
    },
  };
}

/** The request to the upstream, as text, to count occurrences in it. */
export function toldTo(upstream: Upstream, count: number): string {
  return JSON.stringify(upstream.requests[count - 1]?.body.messages);
}

/** Number of occurrences of `part` in `text`. */
export function times(text: string, part: string): number {
  return text.split(part).length - 1;
}
