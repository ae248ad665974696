/**
 * The attribution of a call: to the request that it names, or to every request that it may belong to; and when it has
 * ended.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { budgetsService } from '../../router/usage/budgets/budgets';
import type { BrokerBench } from '../support/broker';
import { callOnce, type LimitsBench, startLimits } from '../support/limits';
import { type Asked, chunk, completion, DONE, Reading } from '../support/scripted-runner';

let limits: LimitsBench;
let bench: BrokerBench;
beforeAll(async () => {
  limits = await startLimits('works');
  ({ bench } = limits);
});
afterAll(() => limits[Symbol.asyncDispose]());
beforeEach(() => limits.nextDay());

/** Two requests that both reach the runner before either makes its call. */
async function twoAtOnce(
  first: () => Promise<Response>,
  second: () => Promise<Response>,
  reply = (asked: Asked) => callOnce(bench, asked),
) {
  const both = Promise.withResolvers<void>();
  let count = 0;
  bench.runner.reply = async (asked) => {
    count += 1;
    if (count === 2) both.resolve();
    await both.promise;
    return reply(asked);
  };
  const answers = await Promise.all([first(), second()]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
}

test('a call counts for the request that it names, with its key and its conversation', async () => {
  const [one, two] = [await limits.key('one'), await limits.key('two')];
  for (const { id } of [one, two]) await limits.put({ subjectId: id, keyId: id, hardLimit: 1_000_000 });
  const agent = bench.router.context.runners.running()[0]?.agent;
  if (!agent) throw new Error('No runner');
  const { id: conversationId } = await bench.router.context.conversations.create(agent);
  const before = (await bench.rows()).length;
  await twoAtOnce(() => one.ask({ 'x-conversation-id': conversationId }), two.ask);
  const rows = (await bench.rows()).slice(before);
  expect(rows).toHaveLength(2);
  expect(rows).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ keyId: one.id, keyIds: null, conversationId }),
      expect.objectContaining({ keyId: two.id, keyIds: null, conversationId: null }),
    ]),
  );
  expect(limits.used()).toEqual([18, 18]);
  // The upstream does not get the header.
  expect(bench.upstream.requests.at(-1)?.headers.get('x-agent-work')).toBeNull();
});

test.each([
  ['names none', undefined],
  ['names one that is not open', 'f'.repeat(24)],
])('a call that %s counts for every key with a request under way, also after a restart', async (_, work) => {
  const [one, two, idle] = [await limits.key('one'), await limits.key('two'), await limits.key('idle')];
  for (const { id } of [one, two, idle]) await limits.put({ subjectId: id, keyId: id, hardLimit: 1_000_000 });
  const before = (await bench.rows()).length;
  await twoAtOnce(one.ask, two.ask, async () => {
    const response = await bench.complete({}, { headers: { ...(work !== undefined && { 'x-agent-work': work }) } });
    return response.ok ? completion('Fine.') : response;
  });
  const rows = (await bench.rows()).slice(before);
  expect(rows).toHaveLength(2);
  // Both requests were open at the first call; at the second one, the other request may have ended.
  const [first] = rows;
  expect(first).toMatchObject({ keyId: null, conversationId: null });
  expect([...(first?.keyIds ?? [])].sort()).toEqual([one.id, two.id].sort());
  const counted = bench.router.context.budgets.list().map(({ budget, used }) => [budget.subjectId, used]);
  const sums = Object.fromEntries(counted) as Record<string, number>;
  expect([sums[one.id], sums[two.id], sums[idle.id]].toSorted()).toEqual([0, expect.any(Number), 36]);
  expect(Math.min(sums[one.id] ?? 0, sums[two.id] ?? 0)).toBeGreaterThanOrEqual(18);
  const { stores } = bench.router.context;
  const again = budgetsService({ budgets: stores.budgets, usage: stores.usage, unwritten: () => [], now: limits.now });
  await again.load();
  expect(Object.fromEntries(again.list().map(({ budget, used }) => [budget.subjectId, used]))).toEqual(sums);
});

test('a call that names none counts for a key once, however many of its requests are under way', async () => {
  const { id, ask } = await limits.key('one');
  const before = (await bench.rows()).length;
  await twoAtOnce(ask, ask, async () => {
    const response = await bench.complete();
    return response.ok ? completion('Fine.') : response;
  });
  const [first] = (await bench.rows()).slice(before);
  expect(first).toMatchObject({ keyId: id, keyIds: null, conversationId: null });
});

test('ended is ended: a runner that leaves behind the last event has had its whole answer', async () => {
  for (const path of ['responses', 'chat/completions']) {
    using server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: () => new Response(endless(path), { headers: { 'content-type': 'text/event-stream' } }),
    });
    await bench.set({ LLM_BASE_URL: `http://127.0.0.1:${server.port}/v1` });
    const left = new AbortController();
    const body = JSON.stringify({ input: 'Hi', messages: [], stream: true, stream_options: { include_usage: true } });
    const reading = new Reading(await bench.call(`/${path}`, { method: 'POST', body, signal: left.signal }));
    await reading.until(path === 'responses' ? '"output_tokens":5' : '[DONE]');
    left.abort();
    const row = (await bench.rows()).at(-1);
    expect(row).toMatchObject({ path, ending: 'done', estimated: false, promptTokens: 7, completionTokens: 5 });
  }
  await bench.set({ LLM_BASE_URL: bench.upstream.url });
});

/** A stream that has sent its last event and does not end. */
function endless(path: string): ReadableStream {
  const usage = { prompt_tokens: 7, completion_tokens: 5 };
  const response = { output: [], usage: { input_tokens: 7, output_tokens: 5 } };
  const chat = `${chunk('Hi')}data: ${JSON.stringify({ choices: [], usage })}\n\n${DONE}`;
  const events = path === 'responses' ? `data: ${JSON.stringify({ type: 'response.completed', response })}\n\n` : chat;
  return new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(events)) });
}
