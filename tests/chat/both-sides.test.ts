/** Clients of the predecessor store both sides of a conversation themselves: one turn each time, not two. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { PEOPLE, type Person, plainAndKeeper, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, scriptedRunner } from '../support/scripted-runner';

interface Message {
  readonly id: string;
  readonly role: string;
  readonly content: string;
}

const runner = scriptedRunner('both-sides');
const EVENTS = { headers: { 'content-type': 'text/event-stream' } };
let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({ backends: plainAndKeeper(runner.program) });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());
let answers = 0;
beforeEach(() => {
  answers = 0;
  runner.reply = () => {
    answers += 1;
    return new Response(chunk(`\n\nanswer ${answers}`) + DONE, EVENTS);
  };
});

const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '').messages as { role: string; content: string }[];

/** The predecessor's page, with what it does for a message: stores it, asks with the whole history, stores the answer. */
class Page {
  history: { role: string; content: string }[] = [];

  constructor(
    readonly backend: string,
    readonly id: string,
  ) {}

  static async open(backend: string): Promise<Page> {
    const response = await alice.request('/api/conversations', { method: 'POST', body: { backend } });
    return new Page(backend, ((await response.json()) as { conversation: { id: string } }).conversation.id);
  }

  async store(role: string, content: string): Promise<Message> {
    const path = `/api/conversations/${this.id}/messages`;
    const response = await alice.request(path, { method: 'POST', body: { role, content } });
    expect([role, response.status]).toEqual([role, 200]);
    return ((await response.json()) as { message: Message }).message;
  }

  async ask(): Promise<{ ok: boolean; text: string }> {
    const body = { model: this.backend, messages: this.history, stream: true, user: `agstack-${this.id}` };
    const response = await alice.request('/v1/chat/completions', { method: 'POST', body });
    const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
    const deltas = events.map((event) => JSON.parse(event.slice('data: '.length)).choices?.[0]?.delta?.content ?? '');
    return { ok: response.ok, text: deltas.join('') };
  }

  async say(content: string): Promise<Message> {
    await this.store('user', content);
    this.history.push({ role: 'user', content });
    return this.answer();
  }

  async answer(): Promise<Message> {
    const { ok, text } = await this.ask();
    if (!ok) return this.store('error', 'Request failed: 502 Bad Gateway');
    const content = text.trimStart();
    this.history.push({ role: 'assistant', content });
    return this.store('assistant', content);
  }

  /** Drops what came after the newest user message, and asks again. */
  async resend(): Promise<Message> {
    const last = (await this.messages()).findLast(({ role }) => role === 'user');
    const path = `/api/conversations/${this.id}/messages/after/${last?.id}`;
    expect((await alice.request(path, { method: 'DELETE' })).status).toBe(204);
    this.history = this.history.slice(0, this.history.findLastIndex(({ role }) => role === 'user') + 1);
    return this.answer();
  }

  async messages(): Promise<Message[]> {
    return ((await (await alice.request(`/api/conversations/${this.id}`)).json()) as { messages: Message[] }).messages;
  }

  async said(): Promise<string[]> {
    return (await this.messages()).map(({ role, content }) => `${role}: ${content.trim()}`);
  }
}

for (const backend of ['plain', 'keeper']) {
  test(`${backend}: two messages make four rows, and one session`, async () => {
    const page = await Page.open(backend);
    const first = await page.say('hello');
    const begun = runner.session;
    await page.say('help');
    expect(await page.said()).toEqual(['user: hello', 'assistant: answer 1', 'user: help', 'assistant: answer 2']);
    expect([begun, runner.session]).toEqual([page.id, page.id]);
    // The row that the router had stored.
    expect(first).toMatchObject({ id: (await page.messages())[1]?.id ?? '' });
    expect(told().at(-1)).toEqual({ role: 'user', content: 'help' });
    expect(told()).toHaveLength(backend === 'keeper' ? 1 : 3);
  });
}

test('an answer is known by its text although its client stores the thought before it too', async () => {
  const page = await Page.open('keeper');
  runner.reply = () => new Response(chunk('<think>Hm.</think>\n\nTwo.') + DONE, EVENTS);
  await page.say('hello');
  await page.say('help');
  expect(await page.said()).toEqual(['user: hello', 'assistant: Two.', 'user: help', 'assistant: Two.']);
  expect([runner.session, told()]).toEqual([page.id, [{ role: 'user', content: 'help' }]]);
});

test('a message that is sent again is answered anew, in another session that is told everything', async () => {
  const page = await Page.open('keeper');
  await page.say('hello');
  await page.say('help');
  await page.resend();
  expect(await page.said()).toEqual(['user: hello', 'assistant: answer 1', 'user: help', 'assistant: answer 3']);
  expect(runner.session).not.toBe(page.id);
  expect(told().map(({ content }) => content.includes('hello') && content.includes('answer 1'))).toEqual([true]);
  const anew = runner.session;
  await page.say('more');
  expect([runner.session, told()]).toEqual([anew, [{ role: 'user', content: 'more' }]]);
  expect((await page.said()).slice(4)).toEqual(['user: more', 'assistant: answer 4']);
});

test("an answer that failed is stored once, and a client's retry replaces it", async () => {
  const page = await Page.open('plain');
  runner.reply = () => Response.json({ error: { message: 'no', type: 'server_error' } }, { status: 500 });
  const failed = await page.say('hello');
  expect(failed).toMatchObject({ role: 'error' });
  expect((await page.said()).length).toBe(2);
  runner.reply = () => completion('There.');
  const body = { model: 'plain', messages: page.history, user: `agstack-${page.id}` };
  expect((await alice.request('/v1/chat/completions', { method: 'POST', body })).status).toBe(200);
  await until(async () => (await page.said())[1] === 'assistant: There.', 'the answer is saved');
  expect(await page.said()).toEqual(['user: hello', 'assistant: There.']);
  // The errors are not told to the runtime.
  expect(told()).toEqual([{ role: 'user', content: 'hello' }]);
});

test('a request that was refused before an agent was asked leaves one message and one error', async () => {
  const page = await Page.open('plain');
  await page.store('user', 'hello');
  const error = await page.store('error', 'Request failed: 429 Too Many Requests');
  expect(error.content).toBe('Request failed: 429 Too Many Requests');
  expect((await page.store('error', error.content)).id).toBe(error.id);
  expect(await page.said()).toEqual(['user: hello', `error: ${error.content}`]);
});

test('another text is another message, and another answer is stored beside the one that the router has', async () => {
  const page = await Page.open('keeper');
  await page.store('user', 'what I have typed first');
  page.history = [{ role: 'user', content: 'hello' }];
  await page.answer();
  await page.store('assistant', 'an answer of my own');
  expect(await page.said()).toEqual([
    ...['user: what I have typed first', 'user: hello', 'assistant: answer 1', 'assistant: an answer of my own'],
  ]);
});

test('what a client has stored by itself is told to the runtime, which cannot know it', async () => {
  const page = await Page.open('keeper');
  await page.store('user', 'My name is Ada.');
  await page.store('assistant', 'Hello Ada.');
  await alice.request(`/conversations/${page.id}/messages`, {
    method: 'POST',
    body: new URLSearchParams({ text: 'Who am I?' }),
  });
  await until(async () => (await page.said()).at(-1) === 'assistant: answer 1', 'the answer is saved');
  expect(told()[0]?.content).toContain('My name is Ada.');
  expect(runner.session).not.toBe(page.id);
});

test('a message that is stored first is answered through /v1/responses too, and told once', async () => {
  const page = await Page.open('plain');
  await page.store('user', 'hello');
  const body = { model: 'plain', input: 'hello', conversation: page.id };
  runner.reply = () => completion('Hello.');
  expect((await alice.request('/v1/responses', { method: 'POST', body })).status).toBe(200);
  await until(async () => (await page.said())[1] === 'assistant: Hello.', 'the answer is saved');
  expect(await page.said()).toEqual(['user: hello', 'assistant: Hello.']);
  expect(told()).toEqual([{ role: 'user', content: 'hello' }]);
});
