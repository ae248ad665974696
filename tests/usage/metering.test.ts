/** Metering: one row per upstream call, however it ends, with the values of the upstream that served it. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { sql } from 'drizzle-orm';
import { type BrokerBench, startBroker } from '../support/broker';
import { until } from '../support/router';
import { eventsOf, Reading } from '../support/scripted-runner';
import { hang, startUpstream, UPSTREAM_USAGE } from '../support/upstream';

let bench: BrokerBench;
let seen = 0;
beforeAll(async () => {
  bench = await startBroker('metering');
});
afterAll(() => bench[Symbol.asyncDispose]());
afterEach(async () => {
  seen = (await bench.rows()).length;
});

/** The rows of this test. */
const fresh = async () => (await bench.rows()).slice(seen);
const TOLD = { promptTokens: 11, completionTokens: 7, estimated: false };
const choiceless = (text: string) => eventsOf(text).filter((data) => data.includes('"choices":[]'));

test('a call is one row, with its owner, model, usage and duration', async () => {
  const usage = {
    ...UPSTREAM_USAGE,
    prompt_tokens_details: { cached_tokens: 3 },
    completion_tokens_details: { reasoning_tokens: 2 },
  };
  await bench.router.context.prices.put({ model: 'alices-model', prompt: 2, completion: 10, cached: 1 });
  bench.upstream.script({ pieces: ['Hello'], usage });
  await (await bench.complete()).json();
  const [row, ...others] = await fresh();
  expect(others).toEqual([]);
  expect(row).toMatchObject({
    ...{ userId: bench.alice.id, backend: 'agent', path: 'chat/completions', model: 'alices-model', source: 'global' },
    ...{ ...TOLD, cachedTokens: 3, reasoningTokens: 2, status: 200, ending: 'done', conversationId: null, keyId: null },
  });
  expect(row?.cost).toBeCloseTo((8 * 2 + 3 * 1 + 7 * 10) / 1_000_000, 12);
  expect(row?.agentId).toBe(bench.router.context.runners.running()[0]?.agent.id ?? '');
  expect(row?.totalMs).toBeGreaterThanOrEqual(row?.firstByteMs ?? Number.NaN);
  await bench.router.context.prices.remove('alices-model');
});

test('the broker asks a stream for its usage, and the runner does not notice', async () => {
  const text = await (await bench.complete({ stream: true })).text();
  expect([choiceless(text), eventsOf(text).at(-1)]).toEqual([[], '[DONE]']);
  expect(bench.upstream.requests.at(-1)?.body.stream_options).toEqual({ include_usage: true });
  const other = { stream: true, stream_options: { include_usage: false, x: 1 } };
  expect(choiceless(await (await bench.complete(other)).text())).toEqual([]);
  expect(bench.upstream.requests.at(-1)?.body.stream_options).toEqual({ include_usage: true, x: 1 } as object);
  const legacy = JSON.stringify({ prompt: 'Hi', stream: true });
  await (await bench.call('/completions', { method: 'POST', body: legacy })).text();
  expect(await fresh()).toMatchObject([TOLD, TOLD, TOLD]);
});

test('a runner that asks for the usage of its stream gets it', async () => {
  const text = await (await bench.complete({ stream: true, stream_options: { include_usage: true } })).text();
  expect(choiceless(text)).toHaveLength(1);
  expect(await fresh()).toMatchObject([TOLD]);
});

test('responses and embeddings are metered as they are', async () => {
  const body = JSON.stringify({ input: 'Hi', stream: true });
  await (await bench.call('/responses', { method: 'POST', body })).text();
  expect(bench.upstream.requests.at(-1)?.body.stream_options).toBeUndefined();
  const input = JSON.stringify({ model: 'embedder', input: 'Hi' });
  await (await bench.call('/embeddings', { method: 'POST', body: input })).text();
  await (await bench.call('/models')).text();
  expect(await fresh()).toMatchObject([
    { ...TOLD, path: 'responses', model: 'alices-model' },
    { ...TOLD, path: 'embeddings', model: 'embedder' },
    { path: 'models', model: '', promptTokens: 0, completionTokens: 0, estimated: false, status: 200 },
  ]);
});

test('an upstream that does not know stream_options gets one retry without it, and never gets it again', async () => {
  await using old = startUpstream();
  await bench.set({ LLM_BASE_URL: old.url, LLM_API_KEY: old.key });
  old.script({ status: 400, message: 'Unrecognized request argument supplied: stream_options' });
  expect((await bench.complete({ stream: true })).status).toBe(200);
  await (await bench.complete({ stream: true })).text();
  expect(old.requests.map(({ body }) => body.stream_options !== undefined)).toEqual([true, false, false]);
  expect(await fresh()).toMatchObject([
    { estimated: true, status: 200 },
    { estimated: true, status: 200 },
  ]);
  await bench.set({ LLM_BASE_URL: bench.upstream.url, LLM_API_KEY: bench.upstream.key });
});

test('a refusal of the request itself is passed on, and does not count as one of stream_options', async () => {
  await using other = startUpstream();
  await bench.set({ LLM_BASE_URL: other.url, LLM_API_KEY: other.key });
  const refusal = { status: 400, message: 'Too long.', code: 'context_length_exceeded' };
  other.script(refusal, refusal);
  const response = await bench.complete({ stream: true });
  expect([response.status, await response.json()]).toEqual([
    400,
    expect.objectContaining({ error: expect.anything() }),
  ]);
  await (await bench.complete({ stream: true })).text();
  // The upstream is known to accept them by now, so a refusal is passed on at once.
  other.script(refusal);
  await (await bench.complete({ stream: true })).text();
  expect(other.requests.map(({ body }) => body.stream_options !== undefined)).toEqual([true, false, true, true]);
  expect(await fresh()).toMatchObject([{ status: 400, promptTokens: 0 }, TOLD, { status: 400, promptTokens: 0 }]);
  await bench.set({ LLM_BASE_URL: bench.upstream.url, LLM_API_KEY: bench.upstream.key });
});

test('a call that was refused, that nobody answered or that was not allowed has used nothing', async () => {
  const refused = { promptTokens: 0, completionTokens: 0, estimated: false, ending: 'failed', firstByteMs: null };
  for (const status of [401, 404, 500]) {
    bench.upstream.script({ status });
    await (await bench.complete()).text();
  }
  const gone = startUpstream();
  await gone.stop();
  await bench.set({ LLM_BASE_URL: gone.url });
  await (await bench.complete()).text();
  await bench.set({ LLM_BASE_URL: bench.upstream.url });
  const statuses = [401, 404, 500, 502];
  expect(await fresh()).toMatchObject(statuses.map((status) => ({ ...refused, status })));
});

test('an answer that is broken off is a guess from what had come, and says so', async () => {
  bench.upstream.script({ pieces: ['x'.repeat(400), hang()] });
  const client = new AbortController();
  const messages = [{ role: 'user', content: 'y'.repeat(80) }];
  const received = new Reading(await bench.complete({ stream: true, messages }, { signal: client.signal }));
  await received.until('xxx');
  client.abort();
  const gate = Promise.withResolvers<void>();
  bench.upstream.script({ pieces: ['x'.repeat(200), gate.promise], end: 'cut' });
  const cut = new Reading(await bench.complete({ stream: true, messages }));
  await cut.until('xxx');
  gate.resolve();
  await cut.end();
  const silent = new AbortController();
  bench.upstream.script({ silent: true });
  const before = bench.upstream.requests.length;
  const waiting = bench.complete({ messages }, { signal: silent.signal });
  waiting.catch(() => undefined);
  await bench.upstream.request(before + 1);
  silent.abort();
  expect(await fresh()).toMatchObject([
    { promptTokens: 20, completionTokens: 100, estimated: true, ending: 'stopped', status: 200 },
    { promptTokens: 20, completionTokens: 50, estimated: true, ending: 'failed', status: 200 },
    { promptTokens: 20, completionTokens: 0, estimated: true, ending: 'stopped', status: 499, firstByteMs: null },
  ]);
});

test('the totals equal the usage that the upstream has reported, plus the estimates', async () => {
  const before = { ...bench.upstream.served };
  const calls = Array.from({ length: 40 }, (_, at) => {
    // An upstream that reports only zeros has not counted.
    const index = at + 1;
    const usage = { prompt_tokens: index, completion_tokens: 2 * index, total_tokens: 3 * index };
    bench.upstream.script({ pieces: ['Some', ' text'], usage });
    return bench.complete({ stream: index % 2 === 0 });
  });
  await Promise.all(calls.map(async (call) => (await call).text()));
  bench.upstream.script({ pieces: ['Half', hang()] });
  const client = new AbortController();
  await new Reading(await bench.complete({ stream: true }, { signal: client.signal })).until('Half');
  client.abort();
  const rows = await fresh();
  expect(rows).toHaveLength(41);
  const told = rows.filter(({ estimated }) => !estimated);
  const sum = (name: 'promptTokens' | 'completionTokens') => told.reduce((total, row) => total + row[name], 0);
  const { served } = bench.upstream;
  expect([told.length, sum('promptTokens'), sum('completionTokens')]).toEqual([
    40,
    served.prompt - before.prompt,
    served.completion - before.completion,
  ]);
});

test('rows are written by themselves, and what the database refuses is written later', async () => {
  const { usage } = bench.router.context.stores;
  const range = { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };
  await (await bench.complete()).text();
  await until(async () => (await usage.totals(range)).calls > seen, 'the row is written');
  const { db } = bench.router.context.database;
  db.run(sql`ALTER TABLE usage RENAME TO usage_elsewhere`);
  await (await bench.complete()).text();
  await bench.router.context.metering.flush();
  db.run(sql`ALTER TABLE usage_elsewhere RENAME TO usage`);
  expect((await usage.totals(range)).calls).toBe(seen + 1);
  expect(await fresh()).toMatchObject([TOLD, TOLD]);
});
