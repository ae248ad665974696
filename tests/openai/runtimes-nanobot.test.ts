/** Behaviour that only nanobot has (`tests/support/runtimes/nanobot.ts`), as the router sees it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Runtime, type Somebody, startRuntime } from '../support/runtimes';
import { BREAKS } from '../support/runtimes/nanobot';
import { user } from '../support/scripted-runner';

let runtime: Runtime;
let alice: Somebody;
beforeAll(async () => {
  runtime = await startRuntime('nanobot');
  alice = runtime.alice;
});
afterAll(() => runtime[Symbol.asyncDispose]());

const ask = async (messages: object[], more: object = {}) =>
  alice.openai.chat.completions.create({ model: 'nanobot', messages, ...more } as never);
const home = () => [...runtime.router.platform.runners.values()][0]?.spec.home.source;
const sessions = async () => Object.keys(await Bun.file(`${home()}/workspace/sessions.json`).json());
const lastUser = () => runtime.upstream.requests.at(-1)?.body.messages?.at(-1);

test('a conversation is a session under its own id', async () => {
  const id = await alice.converse();
  await alice.say(id, 'Hello.');
  expect(await sessions()).toContain(`api:${id}`);
});

test('a request without a conversation is a session of its own, never the shared one', async () => {
  const before = await sessions();
  await ask([user('The word is mauve.')]);
  await ask([user('What is the word?')], { session_id: 'default' });
  const added = (await sessions()).filter((key) => !before.includes(key));
  expect(added).toHaveLength(2);
  for (const key of added) expect(key).toMatch(/^api:[0-9a-f]{24}$/);
});

test('several messages arrive as one message that separates them', async () => {
  await ask([
    { role: 'system', content: 'Be brief.' },
    user('One?'),
    { role: 'assistant', content: 'One.' },
    { role: 'user', content: [{ type: 'text', text: 'Two?' }] },
  ]);
  expect(lastUser()).toEqual(user('system:\nBe brief.\n\nuser:\nOne?\n\nassistant:\nOne.\n\nuser:\nTwo?'));
  await ask([user('Just this.')]);
  expect(lastUser()).toEqual(user('Just this.'));
});

test('a request with no user message at all is refused in OpenAI’s shape', async () => {
  await expect(ask([])).rejects.toMatchObject({ status: 400 });
  await expect(ask([{ role: 'system', content: 'Be brief.' }])).rejects.toMatchObject({
    status: 400,
    message: '400 Only a single user message is supported',
  });
});

test('the model is left out, so that no name of a client’s is refused', async () => {
  for (const model of ['nanobot', 'nanobot/main']) {
    expect(await ask([user('Hi')], { model })).toMatchObject({ model: 'first-model' });
  }
});

test('its streams, which name no role, can be read by the helper of OpenAI’s client, and responses are as ever', async () => {
  const asked = { model: 'nanobot', messages: [user('Hi')] };
  const stream = alice.openai.chat.completions.stream(asked);
  expect(await stream.finalMessage()).toMatchObject({ role: 'assistant', content: 'Hello from upstream.' });
  const events = await alice.openai.responses.create({ model: 'nanobot', input: 'Hi', stream: true });
  const ended = (await Array.fromAsync(events)).at(-1);
  expect(ended).toMatchObject({ type: 'response.completed', response: { output: [{ role: 'assistant' }] } });
});

test('a stream that just ends is an error at both doors', async () => {
  const id = await alice.converse();
  expect(await alice.say(id, `Please ${BREAKS}.`)).toMatchObject({
    status: 'failed',
    failure: { code: 'runner_lost' },
  });
  await expect(Array.fromAsync(alice.stream(`Please ${BREAKS}.`))).rejects.toThrow('The agent');
  await expect(ask([user(`Please ${BREAKS}.`)])).rejects.toMatchObject({ status: 500 });
  expect(await alice.say(id, 'And now?')).toMatchObject({ status: 'done', content: 'Hello from upstream.' });
});

test('an upstream’s refusal is an answer in the runtime’s own words', async () => {
  const id = await alice.converse();
  runtime.upstream.script({ status: 400, message: 'No such model.' });
  expect(await alice.say(id, 'Hello?')).toMatchObject({
    status: 'done',
    content: expect.stringContaining('No such model.'),
  });
});
