/** The limits of a key per minute and at once, and the headers of `/v1` about limits and agent. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import OpenAI from 'openai';
import type { KeyGrant } from '../../router/accounts/keys/keys';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { completion, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('rate-limits');
let router: TestRouter;
let alice: Person;
let nowMs = Date.now();

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('scripted', {}, runner.program), memoryBackend('echo')],
    now: () => nowMs,
  });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(() => {
  runner.reply = () => completion('Hello.');
});

const make = async (grant: KeyGrant) => (await router.context.keys.create(alice.id, 'test', grant)).secret;
const ask = (secret: string, more: object = {}, path = 'chat/completions') =>
  fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'Hello' }], ...more }),
  });
const limitsIn = ({ headers }: Response, unit: string) =>
  ['limit', 'remaining', 'reset'].map((what) => headers.get(`x-ratelimit-${what}-${unit}`));

async function expectLimited(response: Response, words: RegExp, retryAfter: string) {
  const { error } = (await response.json()) as { error: { message: string } };
  expect([response.status, response.headers.get('retry-after'), error]).toMatchObject([
    429,
    retryAfter,
    { code: 'rate_limit_exceeded', type: 'rate_limit_error' },
  ]);
  expect(error.message).toMatch(words);
}

test('a key without limits has none, and says nothing of any', async () => {
  const secret = await make({});
  for (let count = 0; count < 20; count += 1) {
    const response = await ask(secret);
    expect([response.status, limitsIn(response, 'requests'), limitsIn(response, 'tokens')]).toEqual([
      200,
      [null, null, null],
      [null, null, null],
    ]);
    await response.arrayBuffer();
  }
});

test('requests of a minute may come at once, and then at the rate of the limit', async () => {
  const secret = await make({ requestsPerMinute: 3 });
  const others = await make({ requestsPerMinute: 3 });
  const left = [];
  for (let count = 0; count < 3; count += 1) {
    const response = await ask(secret);
    expect(response.status).toBe(200);
    left.push(limitsIn(response, 'requests'));
  }
  expect(left).toEqual([
    ['3', '2', '20s'],
    ['3', '1', '40s'],
    ['3', '0', '1m0s'],
  ]);
  const refused = await ask(secret);
  expect(limitsIn(refused, 'requests')).toEqual(['3', '0', '1m0s']);
  await expectLimited(refused, /3 requests a minute and has used them\. Try again in 20 s\./, '20');
  expect((await ask(others)).status).toBe(200);
  nowMs += 20_000;
  expect([(await ask(secret)).status, (await ask(secret)).status]).toEqual([200, 429]);
  nowMs += 3_600_000;
  expect(limitsIn(await ask(secret), 'requests')).toEqual(['3', '2', '20s']);
});

test('a list of models counts for nothing, and a refused request neither', async () => {
  const secret = await make({ requestsPerMinute: 1 });
  const models = () => router.request('/v1/models', { headers: { authorization: `Bearer ${secret}` } });
  for (let count = 0; count < 5; count += 1) expect((await models()).status).toBe(200);
  expect((await ask(secret)).status).toBe(200);
  for (let count = 0; count < 5; count += 1) {
    await expectLimited(await ask(secret), /one request a minute and has used it\. Try again in 60 s\./, '60');
  }
  nowMs += 60_000;
  expect((await ask(secret)).status).toBe(200);
});

test('tokens count when a call has ended, and the next request waits until there are some again', async () => {
  const { key, secret } = await router.context.keys.create(alice.id, 'tokens', { tokensPerMinute: 600 });
  expect(limitsIn(await ask(secret), 'tokens')).toEqual(['600', '600', '0ms']);
  router.context.metering.record({
    ...{ userId: alice.id, agentId: 'a', backend: 'scripted', path: 'chat/completions', model: 'm', source: 'global' },
    ...{ keyIds: [key.id], status: 200, ending: 'done', totalMs: 1, estimated: false },
    tokens: { prompt: 700, completion: 100, cached: 0, reasoning: 0 },
  });
  const refused = await ask(secret);
  expect(limitsIn(refused, 'tokens')).toEqual(['600', '0', '1m20s']);
  await expectLimited(refused, /600 tokens a minute/, '21');
  nowMs += 21_000;
  expect((await ask(secret)).status).toBe(200);
});

test('a key has a number of open requests, which each end of a request gives back', async () => {
  const secret = await make({ concurrentMax: 1 });
  const source = pipe();
  runner.reply = () => source.response();
  const first = await ask(secret, { stream: true });
  await expectLimited(await ask(secret), /one request at once/, '1');
  source.write(DONE);
  source.close();
  await new Reading(first).end();
  runner.reply = () => completion('Hello.');
  await until(async () => (await ask(secret)).status === 200, 'the first has ended');

  const next = pipe();
  runner.reply = () => next.response();
  const asked = runner.requests.length;
  const open = ask(secret, { stream: true });
  await runner.request(asked + 1);
  next.write(': begun\n\n');
  expect((await ask(secret)).status).toBe(429);
  await (await open).body?.cancel();
  runner.reply = () => completion('Hello.');
  await until(async () => (await ask(secret)).status === 200, 'the client that left does not count');
  // A request that fails before it reaches a runner.
  expect([(await ask(secret, { model: 'nope' })).status, (await ask(secret, { model: 'nope' })).status]).toEqual([
    404, 404,
  ]);
});

test('the official client waits for Retry-After and then gets its answer', async () => {
  const secret = await make({ requestsPerMinute: 1 });
  expect((await ask(secret)).status).toBe(200);
  const client = new OpenAI({ apiKey: secret, baseURL: `${router.url}/v1`, maxRetries: 0 });
  const chat = { model: 'scripted', messages: [{ role: 'user' as const, content: 'Hi' }] };
  const error = await client.chat.completions.create(chat).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  nowMs += 60_000;
  expect((await client.chat.completions.create(chat)).choices[0]?.message.content).toBe('Hello.');
});

test('an answer says how long it took, whose it is and whether a runner was started for it', async () => {
  const bob = await router.person(PEOPLE.bob);
  const secret = await bob.createKey();
  const told = ({ headers }: Response) =>
    ['agent', 'runner', 'cold-start'].map((what) => headers.get(`x-agent-stack-${what}`));
  const cold = await ask(secret);
  const agent = (await router.context.agents.list(bob.id)).find(({ backend }) => backend === 'scripted')?.id;
  const runnerId = router.context.runners.running().find((one) => one.agent.id === agent)?.runner.id;
  expect(told(cold)).toEqual([agent ?? '', runnerId ?? '', 'true']);
  expect(cold.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  expect(cold.headers.get('x-request-id')).toMatch(/^req-/);
  const warm = await ask(secret, { stream: true });
  expect(told(warm)).toEqual([agent ?? '', runnerId ?? '', 'false']);
  runner.reply = () => Response.json({ error: { message: 'No.' } }, { status: 422 });
  expect(told(await ask(secret))).toEqual([agent ?? '', runnerId ?? '', 'false']);
  const refused = await ask(secret, { model: 'nope' });
  expect([told(refused), refused.headers.get('openai-processing-ms')]).toEqual([
    [null, null, null],
    expect.stringMatching(/^\d+$/),
  ]);
});
