/** A runner that is silent for too long: each time limit has its own error, and some kinds of silence do not count. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { leasesOf } from '../support/runners';
import { chunk, completion, DONE, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const LLM_OFF = { user_overridable_env: [] };
const runner = scriptedRunner('silence');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  const backend = (name: string, timeouts: object) => memoryBackend(name, { ...LLM_OFF, timeouts }, runner.program);
  router = await startRouter({
    backends: [
      backend('first', { first_byte_seconds: 0.2 }),
      backend('late', { first_byte_seconds: 2.2 }),
      backend('between', { between_chunks_seconds: 0.2 }),
      backend('total', { total_seconds: 1.5 }),
      backend('patient', {}),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
  for (const model of ['first', 'between', 'total', 'patient']) await (await ask(model, false)).text();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(async () => {
  runner.reply = () => completion('Hello.');
  await until(() => leasesOf(router) === 0 && router.context.streams.size === 0, 'nothing is held');
});

const ask = (model: string, stream: boolean) =>
  fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hello' }] }),
  });

async function expectEnding(text: string, code: string, setting: string) {
  const events = eventsOf(text);
  const { error } = JSON.parse(events.at(-2) ?? '') as { error: { code: string; message: string; type: string } };
  expect([error.code, error.type, events.at(-1)]).toEqual([code, 'server_error', '[DONE]']);
  expect(error.message).toContain(`timeouts.${setting} in backends.json`);
}

test('a runner that does not begin is given up, streamed or not, and its request is aborted', async () => {
  runner.reply = () => new Promise(() => undefined);
  const whole = await ask('first', false);
  const { error } = (await whole.json()) as { error: { code: string; message: string } };
  expect([whole.status, error.code]).toEqual([504, 'first_byte_timeout']);
  expect(error.message).toMatch(/did not begin to answer in time\. .*0\.2 s: timeouts\.first_byte_seconds/);
  const asked = runner.requests.at(-1);
  await until(() => asked?.aborted, 'the runner’s request is aborted');
  expect((await ask('first', true)).status).toBe(504);
});

test('a client whose stream has begun gets the error in the stream', async () => {
  runner.reply = () => new Promise(() => undefined);
  const response = await ask('late', true);
  expect(response.status).toBe(200);
  await expectEnding(await response.text(), 'first_byte_timeout', 'first_byte_seconds');
});

test('a runner that becomes silent is given up, and its text so far is kept', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const response = await ask('between', true);
  const reading = new Reading(response);
  await reading.until('One.');
  const text = await reading.end();
  expect(text).toStartWith(chunk('One.'));
  await expectEnding(text, 'chunk_timeout', 'between_chunks_seconds');
});

test('an answer that takes too long in all is ended, however lively it is', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  const talking = setInterval(() => source.write(chunk('More.')), 50);
  const text = await (await ask('total', true)).text();
  clearInterval(talking);
  expect(text).toStartWith(chunk('More.'));
  await expectEnding(text, 'total_timeout', 'total_seconds');
});

test('the official client is told in its own classes', async () => {
  const client = new OpenAI({ apiKey: key, baseURL: `${router.url}/v1`, maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  runner.reply = () => new Promise(() => undefined);
  const error = await client.chat.completions.create({ model: 'first', messages }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.InternalServerError);
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const stream = await client.chat.completions.create({ model: 'between', messages, stream: true });
  const read = async () => {
    for await (const _ of stream);
  };
  await expect(read()).rejects.toThrow(/stopped sending in the middle/);
});

test('the same holds for an answer in the UI, which then says so', async () => {
  const agent = (await router.context.agents.list(alice.id)).find(({ backend }) => backend === 'first');
  if (!agent) throw new Error('There is no such agent');
  runner.reply = () => new Promise(() => undefined);
  const conversation = await router.context.conversations.create(agent);
  await router.context.generations.start(conversation, 'Hello');
  const last = async () => (await router.context.conversations.page(conversation.id, { limit: 9 })).at(-1);
  await until(async () => (await last())?.status === 'failed', 'the answer has failed');
  expect((await last())?.failure?.code).toBe('first_byte_timeout');
});

test('a runner that takes its time within the limits is waited for, and signs of life are written meanwhile', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  const reading = new Reading(await ask('patient', true));
  await until(() => reading.text.includes(': '), 'a comment is written');
  source.write(chunk('Done.') + DONE);
  source.close();
  expect(eventsOf(await reading.end())).toEqual([...eventsOf(chunk('Done.')), '[DONE]']);
});
