/**
 * The retries of OpenAI's client with its defaults: it retries temporary errors, and no request for which that is
 * useless.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('clients-retry');
const ORIGIN = 'https://chat.example.org';
let router: TestRouter;
let alice: Person;
let client: OpenAI;
/** Number of requests of the client. */
let asked = 0;

beforeAll(async () => {
  router = await startRouter({
    env: { CORS_ORIGINS: ORIGIN },
    backends: [
      memoryBackend('plain', {}, runner.program),
      memoryBackend('silent', { timeouts: { first_byte_seconds: 0.2 } }, runner.program),
      memoryBackend('paid', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }, runner.program),
      memoryBackend('off', { disabled: true }, runner.program),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  client = new OpenAI({
    baseURL: `${router.url}/v1`,
    apiKey: await alice.createKey(),
    fetch: (input, init) => {
      asked += 1;
      return fetch(input, init);
    },
  });
});
afterAll(() => router[Symbol.asyncDispose]());

/** The error of a request, and how often it was sent. */
async function failing(model: string, headers: Record<string, string> = {}) {
  asked = 0;
  const body = { model, messages: [{ role: 'user' as const, content: 'Hello' }] };
  const error: unknown = await client.chat.completions.create(body, { headers }).catch((thrown: unknown) => thrown);
  if (!(error instanceof OpenAI.APIError)) throw new Error('It did not fail');
  return { code: error.code, status: error.status, asked, retry: error.headers?.get('x-should-retry') };
}

test('an agent that was silent for its whole limit is not requested again', async () => {
  runner.reply = () => new Promise(() => undefined);
  const count = runner.requests.length;
  expect(await failing('silent')).toEqual({ code: 'first_byte_timeout', status: 504, asked: 1, retry: 'false' });
  expect(runner.requests.length - count).toBe(1);
});

test('an agent that is switched off is not requested again', async () => {
  expect(await failing('off')).toEqual({ code: 'backend_disabled', status: 503, asked: 1, retry: 'false' });
});

test('an answer that its user stops in the UI is not asked for again', async () => {
  const backend = router.context.backends.find('plain');
  if (!backend) throw new Error('premise: plain is a backend');
  const { id } = await router.context.conversations.create(await router.context.agents.defaultOf(alice.id, backend));
  runner.reply = () => new Promise(() => undefined);
  const count = runner.requests.length;
  const failed = failing('plain', { 'x-conversation-id': id });
  await runner.request(count + 1);
  await router.context.generations.stopIn(id);
  expect(await failed).toEqual({ code: 'conflict', status: 409, asked: 1, retry: 'false' });
});

test('a budget that is used up is not tried again, and a page of another origin may read so', async () => {
  const subject = { subjectId: alice.id, userId: alice.id, keyId: null };
  await router.context.budgets.put({ ...subject, unit: 'tokens', period: 'day', softLimit: null, hardLimit: 0 });
  expect(await failing('paid')).toEqual({ code: 'insufficient_quota', status: 429, asked: 1, retry: 'false' });
  const headers = { origin: ORIGIN, 'sec-fetch-site': 'cross-site', authorization: `Bearer ${client.apiKey}` };
  const response = await router.request('/v1/models', { headers });
  expect(response.headers.get('access-control-expose-headers')).toContain('x-should-retry');
});

test('a temporary refusal is retried, and the runner does not notice it', async () => {
  runner.reply = () => Response.json({ error: { message: 'Busy.' } }, { status: 503 });
  expect(await failing('plain')).toMatchObject({ status: 503, asked: 3, retry: null });
});
