/** `GET /api/conversations/{id}/stream`: whole messages in their order, from where the client was. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { conversationStream } from '../../router/chat/api/live';
import { newTimeId } from '../../router/lib/ids';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

interface Frame {
  readonly id: string;
  readonly kind: string;
  readonly payload?: { readonly role?: string; readonly content?: string; readonly running?: boolean };
}

const runner = scriptedRunner('conversation-stream');
let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const create = async () => {
  const response = await alice.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  return ((await response.json()) as { conversation: { id: string; agent_id: string } }).conversation;
};
const post = async (id: string, role: string, content: string) => {
  const path = `/api/conversations/${id}/messages`;
  expect((await alice.request(path, { method: 'POST', body: { role, content } })).status).toBe(200);
};

class Watcher extends Reading {
  readonly #leaving: AbortController;

  private constructor(response: Response, leaving: AbortController) {
    super(response);
    this.#leaving = leaving;
  }

  static async open(id: string, lastEventId?: string, cookie = alice.cookie): Promise<Watcher> {
    const leaving = new AbortController();
    const headers = { cookie, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    const { signal } = leaving;
    const response = await fetch(`${router.url}/api/conversations/${id}/stream`, { headers, signal });
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    const watcher = new Watcher(response, leaving);
    await watcher.until('"hello"');
    return watcher;
  }

  get frames(): Frame[] {
    const events = this.text
      .split('\n\n')
      .slice(0, -1)
      .filter((event) => event.includes('data: '));
    return events.map((event) => {
      const lines = event.split('\n');
      const of = (name: string) => lines.find((line) => line.startsWith(name))?.slice(name.length) ?? '';
      return { id: of('id: '), ...JSON.parse(of('data: ')) };
    });
  }

  get said(): string[] {
    return this.frames.filter(({ kind }) => kind === 'message').map(({ payload }) => `${payload?.content}`);
  }

  async sees(count: number): Promise<string[]> {
    await until(() => this.said.length >= count, `${count} messages have arrived`);
    return this.said;
  }

  leave(): void {
    this.#leaving.abort();
  }
}

test('a stream begins with hello and tells each message that is stored from then on, in order', async () => {
  const { id } = await create();
  await post(id, 'user', 'before');
  const watcher = await Watcher.open(id);
  for (let count = 0; count < 30; count += 1) await post(id, 'user', `${count}`);
  expect(await watcher.sees(30)).toEqual(Array.from({ length: 30 }, (_, count) => `${count}`));
  const [hello, first] = watcher.frames;
  expect(hello).toEqual({ id: '1', kind: 'hello' });
  expect(first).toEqual({
    ...{ id: '2', kind: 'message' },
    payload: {
      ...{ id: expect.any(String), conversation_id: id, role: 'user', content: '0', status: 'done' },
      created_at: expect.any(Number),
    },
  } as object as Frame);
  watcher.leave();
});

test('a client that was away gets what it has missed, once, and nothing of what it has', async () => {
  const { id } = await create();
  const watcher = await Watcher.open(id);
  for (const text of ['one', 'two', 'three']) await post(id, 'user', text);
  await watcher.sees(3);
  const last = watcher.frames.find(({ payload }) => payload?.content === 'two')?.id;
  watcher.leave();
  await post(id, 'user', 'four');
  const again = await Watcher.open(id, last);
  await post(id, 'user', 'five');
  expect(await again.sees(3)).toEqual(['three', 'four', 'five']);
  again.leave();
  const fromTheBeginning = await Watcher.open(id, '0');
  expect(await fromTheBeginning.sees(5)).toEqual(['one', 'two', 'three', 'four', 'five']);
  fromTheBeginning.leave();
  // An id that is not one of the stream counts as none.
  const unknown = await Watcher.open(id, 'abc');
  await post(id, 'user', 'six');
  expect(await unknown.sees(1)).toEqual(['six']);
  unknown.leave();
});

test('an answer is told when it is whole, also to a client that came while it was written', async () => {
  const { id } = await create();
  const [body] = [pipe()];
  runner.reply = () => body.response();
  const early = await Watcher.open(id);
  const request = { model: 'echo', stream: true, user: `agstack-${id}`, messages: [{ role: 'user', content: 'hi' }] };
  const asked = alice.request('/v1/chat/completions', { method: 'POST', body: request });
  await early.sees(1);
  body.write(chunk('Hello, '));
  const answering = new Reading(await asked);
  await answering.until('Hello');
  const late = await Watcher.open(id);
  expect(early.said).toEqual(['hi']);
  body.write(chunk('Alice.') + DONE);
  body.close();
  expect(await early.sees(2)).toEqual(['hi', 'Hello, Alice.']);
  expect(await late.sees(1)).toEqual(['Hello, Alice.']);
  early.leave();
  late.leave();
});

test('an event is told whenever it comes, also in the last step of telling the one before', async () => {
  const { id } = await create();
  const watcher = await Watcher.open(id);
  const { events } = router.context;
  for (let steps = 0; steps < 100; steps += 1) {
    events.publish(alice.id, { kind: 'conversation', conversationId: id });
    for (let step = 0; step < steps; step += 1) await undefined;
    const event = { kind: 'build.progress', payload: { steps } };
    events.publish(alice.id, { kind: 'callback', conversationId: id, event });
    await watcher.until(JSON.stringify(event));
  }
  watcher.leave();
});

test('a slow client is told of the variant that is shown meanwhile, and of no other', async () => {
  const { id, agent_id } = await create();
  const { agents, conversations, stores } = router.context;
  const end = { status: 'done', calls: [], nowMs: 1 } as const;
  const ask = (content: string, after?: number) => {
    const user = { id: newTimeId(), content };
    const turn = { conversationId: id, user, answerId: newTimeId(), title: '', nowMs: 1, after };
    return stores.conversations.insertTurn(turn, { ...end, text: { content: `${content}, answered` } });
  };
  const first = await ask('one');
  await ask('other', 0);
  const [agent, conversation] = [await agents.get(alice.id, agent_id), await conversations.get(alice.id, id)];
  const who = { user: { id: alice.id }, credentialId: 'slow' } as never;
  const incoming = { request: new Request('http://localhost/'), server: null };
  const deps = { ...router.context, now: Date.now };
  const { body } = conversationStream(deps, incoming, { who, agent, conversation, after: 0 });
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const next = async () => /"content":"([^"]*)"/.exec(new TextDecoder().decode((await reader.read()).value))?.[1];
  expect([await next(), await next()]).toEqual([undefined, 'other']);
  await alice.request(`/messages/${first?.user?.id}/show`, form({}));
  expect([await next(), await next()]).toEqual(['one', 'one, answered']);
  await reader.cancel();
});

test("the stream tells when the agent's runner starts and stops", async () => {
  const { id, agent_id } = await create();
  await alice.request(`/api/agents/${agent_id}/runner`, { method: 'DELETE' });
  const watcher = await Watcher.open(id);
  await alice.request(`/api/agents/${agent_id}/start`, { method: 'POST' });
  const states = () => watcher.frames.filter(({ kind }) => kind === 'runner_status');
  await until(() => states().length === 1, 'the start is told');
  expect(states()[0]?.payload).toEqual({
    ...{ agent_id, backend: 'echo', running: true, container_name: expect.any(String), ts: expect.any(Number) },
  } as object);
  await alice.request(`/api/agents/${agent_id}/runner`, { method: 'DELETE' });
  await until(() => states().length === 2, 'the stop is told');
  expect(states()[1]?.payload?.running).toBe(false);
  watcher.leave();
});

test('the stream ends with its conversation, and with its session', async () => {
  const bob = await router.person(PEOPLE.bob);
  const response = await bob.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  const { id } = ((await response.json()) as { conversation: { id: string } }).conversation;
  const watcher = await Watcher.open(id, undefined, bob.cookie);
  await bob.request(`/api/conversations/${id}`, { method: 'DELETE' });
  await watcher.end();
  const other = await bob.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  const { conversation } = (await other.json()) as { conversation: { id: string } };
  const second = await Watcher.open(conversation.id, undefined, bob.cookie);
  await bob.request('/auth/logout', { method: 'POST' });
  await second.end();
});
