/** Limits under parallel calls: the most that a call may use is reserved until the call ends, however it ends. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { Budget } from '../../router/usage/store/budgets';
import type { BrokerBench } from '../support/broker';
import { type LimitsBench, refusalOf, startLimits, TWELVE } from '../support/limits';
import { until } from '../support/router';
import { Reading } from '../support/scripted-runner';
import { hang } from '../support/upstream';

let limits: LimitsBench;
let bench: BrokerBench;
beforeAll(async () => {
  limits = await startLimits('limits');
  ({ bench } = limits);
});
afterAll(() => limits[Symbol.asyncDispose]());
beforeEach(() => limits.nextDay());

test.each([
  ['a budget of tokens of the user', { hardLimit: 50 }, {}],
  ['a budget of money of the user', { hardLimit: 50, unit: 'money' }, {}],
  ['a budget of the key', { hardLimit: 50, isOfKey: true }, {}],
  ['the tokens per minute of the key', undefined, { tokensPerMinute: 50 }],
] as const)(
  'thirty calls at once pass %s by one call at most, and nothing of them stays held',
  async (_, budget, grant) => {
    const { id, ask } = await limits.key('many', grant);
    const { isOfKey = false, ...rest } = { ...budget } as Partial<Budget> & { isOfKey?: boolean };
    const bound = { ...rest, ...(isOfKey && { subjectId: id, keyId: id }) };
    if (budget) await limits.put(bound);
    // One unit of money per token.
    await bench.router.context.prices.put({ model: 'alices-model', prompt: 1e6, completion: 1e6, cached: null });
    const before = bench.upstream.requests.length;
    bench.upstream.script(...Array.from({ length: 5 }, () => TWELVE));
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask()));
    const statuses = answers.map(({ status }) => status);
    const passed = statuses.filter((status) => status === 200).length;
    // After four calls 48 tokens are used, and the fifth exceeds the limit.
    expect([passed, bench.upstream.requests.length - before]).toEqual([5, 5]);
    expect(statuses.filter((status) => status === 429)).toHaveLength(25);
    if (budget) expect(limits.used()).toEqual([60]);
    await limits.nextDay();
    if (budget) await limits.put(bound);
    expect((await ask()).status).toBe(200);
  },
);

test('an open call may use all that is left: others wait for it, and are then refused with Retry-After', async () => {
  await limits.put({ hardLimit: 100 });
  const gate = Promise.withResolvers<void>();
  const before = bench.upstream.requests.length;
  bench.upstream.script({ ...TWELVE, pieces: ['Hi', gate.promise] });
  const first = bench.complete();
  await bench.upstream.request(before + 1);
  const refused = await refusalOf(await bench.complete());
  expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
  expect(refused.words).toContain('Open calls');
  expect(bench.upstream.requests.length).toBe(before + 1);
  const waiting = bench.complete();
  gate.resolve();
  expect([(await first).status, (await waiting).status]).toEqual([200, 200]);
});

test('calls that say how much they may use go side by side as long as there is room for all of it', async () => {
  await limits.put({ hardLimit: 1_000 });
  const gate = Promise.withResolvers<void>();
  const before = bench.upstream.requests.length;
  bench.upstream.script(...Array.from({ length: 4 }, () => ({ ...TWELVE, pieces: ['Hi', gate.promise] })));
  const calls = [{ max_tokens: 300 }, { max_completion_tokens: 300 }, { max_tokens: 150, n: 2 }].map((more) =>
    bench.complete(more),
  );
  await bench.upstream.request(before + 3);
  const last = bench.complete({ max_tokens: 1 });
  // The fourth begins although less than its maximum is left; the fifth does not.
  calls.push(last);
  await bench.upstream.request(before + 4);
  gate.resolve();
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test('the reservation of a call is released however the call ends', async () => {
  await limits.put({ hardLimit: 1_000_000 });
  const most = { max_tokens: 2_000_000 };
  const free = async (how: string) => {
    bench.upstream.script(TWELVE);
    expect([how, (await bench.complete(most)).status]).toEqual([how, 200]);
  };
  bench.upstream.script({ status: 400 });
  await (await bench.complete(most)).text();
  await free('refused');
  bench.upstream.script({ pieces: ['Hi', hang()] });
  const left = new AbortController();
  await new Reading(await bench.complete({ ...most, stream: true }, { signal: left.signal })).until('Hi');
  left.abort();
  await free('left in the middle');
  bench.upstream.script({ silent: true });
  const before = bench.upstream.requests.length;
  const silent = new AbortController();
  const gone = bench.complete(most, { signal: silent.signal }).catch(() => undefined);
  await bench.upstream.request(before + 1);
  silent.abort();
  await gone;
  await free('left before the answer');
  const gate = Promise.withResolvers<void>();
  bench.upstream.script({ pieces: ['Hi', gate.promise], end: 'cut' });
  const cut = new Reading(await bench.complete({ ...most, stream: true }));
  await cut.until('Hi');
  gate.resolve();
  await cut.end();
  await free('cut by the upstream');
  await bench.set({ LLM_BASE_URL: 'http://127.0.0.1:1' });
  await (await bench.complete(most)).text();
  await bench.set({ LLM_BASE_URL: bench.upstream.url });
  await free('nobody there');
  // A call that waited for another one, and whose client disconnected.
  const open = Promise.withResolvers<void>();
  bench.upstream.script({ ...TWELVE, pieces: ['Hi', open.promise] });
  const count = bench.upstream.requests.length;
  const first = bench.complete(most);
  await bench.upstream.request(count + 1);
  const impatient = new AbortController();
  const second = bench.complete(most, { signal: impatient.signal }).catch(() => 'left');
  await until(() => bench.router.context.runners.running()[0]?.status.leases === 2, 'the second has come');
  impatient.abort();
  expect(await second).toBe('left');
  open.resolve();
  await (await first).text();
  await free('left while it waited');
});
