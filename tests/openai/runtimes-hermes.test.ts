/** Behaviour that only Hermes has (`tests/support/runtimes/hermes.ts`), as the router sees it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Runtime, type Somebody, startRuntime, toldTo } from '../support/runtimes';
import { USES_TOOL } from '../support/runtimes/hermes';
import { user } from '../support/scripted-runner';

let runtime: Runtime;
let alice: Somebody;
beforeAll(async () => {
  runtime = await startRuntime('hermes-agent');
  alice = runtime.alice;
});
afterAll(() => runtime[Symbol.asyncDispose]());

const spec = () => [...runtime.router.platform.runners.values()][0]?.spec;

async function raw(body: object, headers: Record<string, string> = {}): Promise<string> {
  const init = { method: 'POST', body: { model: 'hermes-agent', ...body }, headers };
  return (await alice.person.request('/v1/chat/completions', init)).text();
}

test('a conversation is a session under its own id, and its history is the runtime’s', async () => {
  const id = await alice.converse();
  await alice.say(id, 'Hello.');
  const sessions = await Bun.file(`${spec()?.home.source}/sessions.json`).json();
  expect(Object.keys(sessions)).toContain(id);
});

test('events with a name go through as they are, and are no part of the text', async () => {
  const id = await alice.converse();
  const text = await raw({ messages: [user(`Please ${USES_TOOL}.`)], stream: true }, { 'x-conversation-id': id });
  expect(text).toContain('event: hermes.tool.progress\ndata: {"tool":"terminal","emoji":"💻"');
  expect(text).toEndWith('data: [DONE]\n\n');
  const { conversations } = runtime.router.context.stores;
  expect((await conversations.page(id, { limit: 1 }))[0]).toMatchObject({
    status: 'done',
    content: 'Hello from upstream.',
  });
  expect(await alice.say(id, `Again, ${USES_TOOL}.`)).toMatchObject({
    status: 'done',
    content: 'Hello from upstream.',
  });
  const said = (await Array.fromAsync(alice.stream(`Please ${USES_TOOL}.`))).join('');
  expect(said).toBe('Hello from upstream.');
});

const breaksOff = () =>
  runtime.upstream.script({ pieces: ['Half of it.'], end: 'error' }, { status: 500, message: 'Broken.' });

test('a failure in the finish chunk fails the answer, with its words and the text so far', async () => {
  const id = await alice.converse();
  breaksOff();
  expect(await alice.say(id, 'Tell me.')).toMatchObject({
    status: 'failed',
    content: 'Half of it.',
    failure: { code: 'runner_error', message: 'HTTP 500: Broken.' },
  });
});

test('an answer in one piece that fails is a failed one too', async () => {
  const id = await alice.converse();
  breaksOff();
  const answer = JSON.parse(await raw({ messages: [user('Tell me.')] }, { 'x-conversation-id': id }));
  expect(answer.choices[0]).toMatchObject({ message: { content: 'HTTP 500: Broken.' }, finish_reason: 'error' });
  const { conversations } = runtime.router.context.stores;
  expect((await conversations.page(id, { limit: 1 }))[0]).toMatchObject({ status: 'failed' });
});

test('an upstream that refuses is an answer that ends with an error, to a client that waits', async () => {
  runtime.upstream.script({ status: 404, message: 'No such model.' });
  const asked = { model: 'hermes-agent', messages: [user('Hi')] };
  const { choices } = await alice.openai.chat.completions.create(asked);
  expect(choices[0]).toMatchObject({ message: { content: 'HTTP 404: No such model.' }, finish_reason: 'error' });
});

test('the model of its configuration is called, whatever model a client names', async () => {
  await raw({ model: 'hermes-agent/main', provider: 'openrouter', messages: [user('Hi')] });
  expect(runtime.upstream.requests.at(-1)?.body.model).toBe('first-model');
  expect(toldTo(runtime.upstream, runtime.upstream.requests.length)).toContain('You are Hermes Agent.');
});

test('instructions of an OpenAI client without a conversation reach the agent', async () => {
  await raw({ messages: [{ role: 'system', content: 'Answer in rhymes.' }, user('Hi')] });
  expect(toldTo(runtime.upstream, runtime.upstream.requests.length)).toContain('Answer in rhymes.');
});
