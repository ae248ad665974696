/**
 * Budgets: which calls they stop, when calls go on, and who sees which message. A call of the scripted upstream uses 18
 * tokens.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import OpenAI from 'openai';
import type { AppError } from '../../router/lib/errors';
import type { UpstreamUse } from '../../router/usage/metering';
import type { Budget } from '../../router/usage/store/budgets';
import { type BrokerBench, startBroker } from '../support/broker';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { completion } from '../support/scripted-runner';

const DAY_MS = 86_400_000;
/** In the middle of a day in the middle of a month. */
const START_MS = Date.UTC(2026, 10, 22, 12);
/** Long sessions and idle times, because the test's clock jumps. */
const env = { REAPER_INTERVAL_SECONDS: '3600', JWT_TTL_SECONDS: '34560000' };

let nowMs = START_MS;
let leaps = 0;
let bench: BrokerBench;
beforeAll(async () => {
  bench = await startBroker('budgets', { env, now: () => nowMs });
  // The agent calls its model once per request.
  bench.runner.reply = async () => {
    const response = await bench.complete();
    return response.ok ? completion('Fine.') : response;
  };
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(async () => {
  const { budgets } = bench.router.context;
  for (const { budget } of budgets.list()) await budgets.remove(budget.subjectId);
  leaps += 1;
  nowMs = START_MS + leaps * 40 * DAY_MS;
});

const budgetOf = (who: Person, more: Partial<Budget>): Budget => ({
  ...{
    subjectId: who.id,
    userId: who.id,
    keyId: null,
    unit: 'tokens',
    period: 'day',
    softLimit: null,
    hardLimit: null,
  },
  ...more,
});
const put = (more: Partial<Budget>) => bench.router.context.budgets.put(budgetOf(bench.alice, more));

async function errorOf(failing: Promise<unknown>): Promise<Partial<AppError>> {
  return failing.then(
    () => ({}),
    (error: AppError) => error,
  );
}

async function refusalOf(response: Response) {
  const { error } = (await response.json()) as { error: { message: string; code: string; type: string } };
  return { status: response.status, retryAfter: Number(response.headers.get('retry-after')), ...error };
}

test('a runaway loop is stopped by the hard limit, and the error says when calls may go on', async () => {
  await put({ hardLimit: 100 });
  const before = bench.upstream.requests.length;
  let response = await bench.complete();
  while (response.ok) {
    await response.text();
    response = await bench.complete();
  }
  // 108 tokens: calls that are open when the limit is reached are not stopped.
  expect(bench.upstream.requests.length - before).toBe(6);
  const refused = await refusalOf(response);
  expect(refused).toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' });
  expect(refused.message).toContain('100 tokens');
  const midnight = new Date(nowMs + DAY_MS / 2).toISOString().slice(0, 10);
  expect(refused.message).toContain(`${midnight} 00:00 UTC`);
  expect(refused.retryAfter).toBe(DAY_MS / 2 / 1000);
  expect((await bench.call('/embeddings', { method: 'POST', body: '{"input":"x"}' })).status).toBe(429);
  expect(bench.upstream.requests.length - before).toBe(6);
});

test('a day ends at midnight of UTC, a month with its last day', async () => {
  nowMs = Date.UTC(2028, 1, 28, 23, 59, 59);
  await put({ hardLimit: 1 });
  const free = async () => (await bench.complete()).ok;
  expect([await free(), await free()]).toEqual([true, false]);
  nowMs += 1_000;
  expect([await free(), await free()]).toEqual([true, false]);
  await put({ hardLimit: 1, period: 'month' });
  expect(await free()).toBe(false);
  // The 29th of February belongs to the same month.
  nowMs += DAY_MS - 1;
  expect(await free()).toBe(false);
  nowMs += 1;
  expect([await free(), await free()]).toEqual([true, false]);
});

test('a soft limit warns and stops nobody, and a limit that is raised or removed counts at once', async () => {
  const { budgets } = bench.router.context;
  const level = () => budgets.statesOf(bench.alice.id).map((state) => [state.level, state.used]);
  await put({ softLimit: 18, hardLimit: 36 });
  expect(level()).toEqual([['within', 0]]);
  await (await bench.complete()).text();
  expect(level()).toEqual([['soft', 18]]);
  await (await bench.complete()).text();
  expect(level()).toEqual([['hard', 36]]);
  expect((await bench.complete()).status).toBe(429);
  await put({ softLimit: 18, hardLimit: 37 });
  expect((await bench.complete()).status).toBe(200);
  expect((await bench.complete()).status).toBe(429);
  await budgets.remove(bench.alice.id);
  expect([(await bench.complete()).status, budgets.list()]).toEqual([200, []]);
  expect(await errorOf(budgets.remove(bench.alice.id))).toMatchObject({ code: 'not_found' });
});

test('money is counted by the prices, and a model without one costs none', async () => {
  const { prices } = bench.router.context;
  await put({ unit: 'money', hardLimit: 0.00005 });
  expect([(await bench.complete()).ok, (await bench.complete()).ok]).toEqual([true, true]);
  await prices.put({ model: 'alices-model', prompt: 1, completion: 2, cached: null });
  // 25 millionths each.
  expect([(await bench.complete()).ok, (await bench.complete()).ok, (await bench.complete()).ok]).toEqual([
    ...[true, true, false],
  ]);
  await prices.remove('alices-model');
});

test('a budget of one key stops that key alone, and calls are counted for the key they were made with', async () => {
  const { context } = bench.router;
  const secrets = [await bench.alice.createKey('one'), await bench.alice.createKey('two')];
  const keys = await context.keys.list(bench.alice.id);
  const [one, two] = ['one', 'two'].map((name) => keys.find((key) => key.name === name)?.id ?? '');
  if (one === undefined || two === undefined) throw new Error('There are no keys');
  await context.budgets.put(budgetOf(bench.alice, { subjectId: one, keyId: one, hardLimit: 18 }));
  const [first, second] = secrets.map(
    (apiKey) => new OpenAI({ apiKey, baseURL: `${bench.router.url}/v1`, maxRetries: 0 }),
  );
  const ask = (client: OpenAI | undefined) =>
    client?.chat.completions.create({ model: 'agent', messages: [{ role: 'user', content: 'Hi' }] });
  expect((await ask(first))?.choices[0]?.message.content).toBe('Fine.');
  const refused = await ask(first)?.catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
  expect(refused).toMatchObject({ code: 'insufficient_quota', message: expect.stringContaining('this API key') });
  expect((await ask(second))?.choices[0]?.message.content).toBe('Fine.');
  expect((await bench.rows()).slice(-2).map(({ keyId }) => keyId)).toEqual([one, two]);
});

test('the call of an answer is counted for its conversation, and for none where that is not certain', async () => {
  const agent = bench.router.context.runners.running()[0]?.agent;
  if (!agent) throw new Error('No runner');
  const { id } = await bench.router.context.conversations.create(agent);
  const ask = (headers: Record<string, string>) =>
    bench.alice.request('/v1/chat/completions', { method: 'POST', headers, body: { model: 'agent', messages: [] } });
  expect((await ask({ 'x-conversation-id': id })).status).toBe(200);
  expect((await bench.rows()).at(-1)).toMatchObject({ conversationId: id, keyId: null });
  // With two open requests, a call cannot be attributed to one.
  const arrived = Promise.withResolvers<void>();
  const { reply } = bench.runner;
  let count = 0;
  bench.runner.reply = async () => {
    count += 1;
    if (count === 2) arrived.resolve();
    await arrived.promise;
    const response = await bench.complete();
    return response.ok ? completion('Fine.') : response;
  };
  const before = (await bench.rows()).length;
  const other = (await bench.router.context.conversations.create(agent)).id;
  await Promise.all([ask({ 'x-conversation-id': id }), ask({ 'x-conversation-id': other })]);
  const rows = (await bench.rows()).slice(before);
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({ conversationId: null });
  bench.runner.reply = reply;
});

test('over the limit no runner is started, on /v1 or in the UI, where the answer says why', async () => {
  await put({ hardLimit: 0 });
  const { context } = bench.router;
  const agent = context.runners.running()[0]?.agent;
  if (!agent) throw new Error('No runner');
  await context.runners.stop(agent.id, 'test');
  const starts = bench.runner.specs.length;
  const body = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }] };
  const refused = await refusalOf(await bench.alice.request('/v1/chat/completions', { method: 'POST', body }));
  expect(refused).toMatchObject({ status: 429, code: 'insufficient_quota' });
  const { id } = await context.conversations.create(agent);
  const form = new URLSearchParams({ text: 'Hi' });
  await bench.alice.request(`/conversations/${id}/messages`, { method: 'POST', body: form });
  const failed = await until(async () => {
    const [last] = await context.stores.conversations.page(id, { limit: 1 });
    return last?.status === 'failed' && last;
  }, 'the answer fails');
  expect(failed.failure).toMatchObject({ code: 'insufficient_quota', message: expect.stringContaining('UTC') });
  expect(bench.runner.specs).toHaveLength(starts);
});

test('limits that make no sense are refused, and agents without an upstream know no budget', async () => {
  const { budgets } = bench.router.context;
  for (const [more, field] of [
    [{ hardLimit: -1 }, 'hard_limit'],
    [{ softLimit: Number.NaN, hardLimit: 1 }, 'soft_limit'],
    [{ softLimit: 2, hardLimit: 1 }, 'soft_limit'],
    [{}, 'hard_limit'],
  ] as const) {
    const { code, fields = {} } = await errorOf(put(more));
    expect([code, Object.keys(fields)]).toEqual(['invalid_fields', [field]]);
  }
  expect(budgets.list()).toEqual([]);
  await using router = await startRouter({ backends: [memoryBackend('echo')] });
  const bob = await router.person(PEOPLE.bob);
  await router.context.budgets.put(budgetOf(bob, { hardLimit: 0 }));
  const body = { model: 'echo', messages: [{ role: 'user', content: 'Hi' }] };
  expect((await bob.request('/v1/chat/completions', { method: 'POST', body })).status).toBe(200);
});

test('usage is known after a restart', async () => {
  const first = await startRouter({ now: () => nowMs });
  const bob = await first.person(PEOPLE.bob);
  const key = await bob.createKey('kept');
  expect(key).toStartWith('sk-');
  const keyId = (await first.context.keys.list(bob.id))[0]?.id ?? '';
  await first.context.budgets.put(budgetOf(bob, { hardLimit: 100 }));
  await first.context.budgets.put(budgetOf(bob, { subjectId: keyId, keyId, period: 'month', hardLimit: 30 }));
  const use: UpstreamUse = {
    ...{
      userId: bob.id,
      agentId: 'a',
      backend: 'echo',
      keyIds: [keyId],
      path: 'completions',
      model: 'm',
      source: 'global',
    },
    ...{ tokens: { prompt: 20, completion: 10, cached: 0, reasoning: 0 }, estimated: false },
    ...{ status: 200, ending: 'done', totalMs: 1 },
  };
  first.context.metering.record(use);
  nowMs += DAY_MS;
  first.context.metering.record({ ...use, keyIds: [] });
  const states = first.context.budgets.statesOf(bob.id);
  await first.stop();
  await using second = await startRouter({ dataRoot: first.dataRoot, now: () => nowMs });
  const { budgets } = second.context;
  expect(budgets.statesOf(bob.id)).toEqual(states);
  expect(states.map(({ used, level }) => [used, level])).toEqual([
    [30, 'within'],
    [30, 'hard'],
  ]);
  expect(() => budgets.refuseUsedUp({ userId: bob.id })).not.toThrow();
  expect(() => budgets.refuseUsedUp({ userId: bob.id, keyIds: [keyId] })).toThrow('this API key');
});
