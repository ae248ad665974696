/** Turns in which a client's own tools are called: several requests, and one user message in the conversation. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import { answersSaved } from '../support/chat';
import { PEOPLE, type Person, plainAndKeeper, startRouter, type TestRouter } from '../support/router';
import { completion, scriptedRunner, user } from '../support/scripted-runner';

type Message = OpenAI.ChatCompletionMessageParam;

const runner = scriptedRunner('tool-turns');
let router: TestRouter;
let alice: Person;
let client: OpenAI;

beforeAll(async () => {
  router = await startRouter({ backends: plainAndKeeper(runner.program) });
  alice = await router.person(PEOPLE.alice);
  client = await alice.openai();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('It is 42.');
});

const assistant = (content: string): Message => ({ role: 'assistant', content });
const CALL = { id: 'call_1', type: 'function' as const, function: { name: 'add', arguments: '{}' } };
const found = (content: string): Message => ({ role: 'tool', tool_call_id: CALL.id, content });
const calling = (content: string | null): Message => ({ role: 'assistant', content, tool_calls: [CALL] });
/** The runner's answer calls a tool. */
const calls = (content: string | null) => () =>
  Response.json({
    ...{ id: 'c', object: 'chat.completion', created: 0, model: 'm' },
    choices: [{ index: 0, message: calling(content), finish_reason: 'tool_calls' }],
  });

async function chat(model: string, messages: Message[], id?: string): Promise<string> {
  const headers = id === undefined ? {} : { 'x-conversation-id': id };
  const { response } = await client.chat.completions
    .create({ model, messages, store: id === undefined }, { headers })
    .withResponse();
  const named = response.headers.get('x-conversation-id') ?? '';
  await saved(named);
  return named;
}

const saved = (id: string) => answersSaved(router, id);
const stored = (id: string) => router.context.conversations.page(id, { limit: 99 });
const said = async (id: string) => (await stored(id)).map(({ role, content }) => `${role}: ${content}`);
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '').messages as Message[];

test.each([
  ['plain', null],
  ['plain', 'One moment.'],
  ['keeper', null],
  ['keeper', 'One moment.'],
])('what the client’s tools found goes on with the turn, of %s that said %p', async (model, words) => {
  const first = [user('One?'), assistant('It is 42.')];
  const id = await chat(model, [user('One?')]);
  runner.reply = calls(words);
  await chat(model, [...first, user('Two?')], id);
  await chat(model, [...first, user('Two?'), calling(words), found('41')], id);
  runner.reply = () => completion('It is 42.');
  const second = [user('Two?'), calling(words), found('41'), calling(null), found('42')];
  await chat(model, [...first, ...second], id);
  const answers = [`assistant: ${words ?? ''}`, `assistant: ${words ?? ''}`, 'assistant: It is 42.'];
  const turns = ['user: One?', 'assistant: It is 42.', 'user: Two?', ...answers];
  expect(await said(id)).toEqual(turns);
  if (model === 'keeper') expect([runner.session, told()]).toEqual([id, second]);
});

test('the turn after it goes on in the same session', async () => {
  for (const words of [null, 'One moment.']) {
    const id = await chat('keeper', [user('One?')]);
    runner.reply = calls(words);
    await chat('keeper', [user('One?'), assistant('It is 42.'), user('Two?')], id);
    runner.reply = () => completion('It is 42.');
    const turns = [user('One?'), assistant('It is 42.'), user('Two?'), calling(words), found('41')];
    await chat('keeper', turns, id);
    await chat('keeper', [...turns, assistant('It is 42.'), user('Three?')], id);
    expect([runner.session, told()]).toEqual([id, [user('Three?')]]);
    expect((await said(id)).slice(-2)).toEqual(['user: Three?', 'assistant: It is 42.']);
  }
});

test('a turn that is not stored is begun by whichever request of it comes first', async () => {
  const turn = [user('Two?'), calling(null), found('41')];
  const id = await chat('plain', turn);
  expect(await said(id)).toEqual(['user: Two?', 'assistant: It is 42.']);
  await chat('plain', [user('Another?'), calling(null), found('41')], id);
  expect((await said(id)).slice(2)).toEqual(['user: Another?', 'assistant: It is 42.']);
});

test('a runtime that is sent everything each time keeps its session, whatever its client leaves out', async () => {
  const id = await chat('plain', [user('One?')]);
  runner.reply = calls(null);
  const left = [user('One?'), assistant('In short, 42.')];
  await chat('plain', [...left, user('Two?')], id);
  const turn = [...left, user('Two?'), calling(null), found('41')];
  await chat('plain', turn, id);
  expect([runner.session, told()]).toEqual([id, turn]);
  // A runtime that keeps a session gets a new one, in which the turn continues.
  runner.reply = () => completion('It is 42.');
  const kept = await chat('keeper', [user('One?')]);
  runner.reply = calls(null);
  await chat('keeper', [...left, user('Two?')], kept);
  const other = runner.session;
  await chat('keeper', turn, kept);
  expect([other?.startsWith(`${kept}-`), runner.session]).toEqual([true, other]);
});

test('the same question asked again is another turn', async () => {
  const id = await chat('plain', [user('One?')]);
  await chat('plain', [user('One?'), assistant('It is 42.'), user('One?')], id);
  expect(await said(id)).toEqual(['user: One?', 'assistant: It is 42.', 'user: One?', 'assistant: It is 42.']);
});

test('a response goes on with the turn whose function was called', async () => {
  runner.reply = calls(null);
  const first = await client.responses.create({ model: 'plain', input: 'Two?', store: true });
  const id = first.conversation?.id ?? '';
  await saved(id);
  runner.reply = () => completion('It is 42.');
  const item = { type: 'function_call' as const, call_id: CALL.id, name: 'add', arguments: '{}' };
  const output = { type: 'function_call_output' as const, call_id: CALL.id, output: '41' };
  const input = [item, output];
  const second = await client.responses.create({ model: 'plain', input, previous_response_id: first.id });
  expect([second.output_text, second.conversation?.id]).toEqual(['It is 42.', id]);
  expect(told()).toEqual([user('Two?'), calling(null), found('41')]);
  await saved(id);
  expect(await said(id)).toEqual(['user: Two?', 'assistant: ', 'assistant: It is 42.']);
});
