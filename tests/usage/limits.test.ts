/** Limits and calls side by side: what is held, whom a call counts for, and what is closed because nobody could count it. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { Budget } from '../../router/usage/budgets-store';
import { type BrokerBench, LLM, setValues, startBroker } from '../support/broker';
import { ADMIN, type Person, until } from '../support/router';
import { type Asked, chunk, completion, DONE, Reading } from '../support/scripted-runner';
import { hang, type TextScript } from '../support/upstream';

const DAY_MS = 86_400_000;
const env = { REAPER_INTERVAL_SECONDS: '3600', JWT_TTL_SECONDS: '34560000' };
let nowMs = Date.UTC(2026, 10, 22, 12);
let bench: BrokerBench;

/** An agent that makes one call for each request, and sends back what the request is called where it was told. */
async function answer(asked: Asked): Promise<Response> {
  const work = asked.headers.get('x-agent-work');
  const response = await bench.complete({}, { headers: { ...(work !== null && { 'x-agent-work': work }) } });
  return response.ok ? completion('Fine.') : response;
}

beforeAll(async () => {
  bench = await startBroker('limits', {
    env,
    now: () => nowMs,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the variable of a backend's headers
    backend: { headers: { 'X-Agent-Work': '${work}' } },
  });
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(async () => {
  bench.runner.reply = answer;
  for (const { budget } of bench.router.context.budgets.list()) {
    await bench.router.context.budgets.remove(budget.subjectId);
  }
  for (const { model } of bench.router.context.prices.list()) await bench.router.context.prices.remove(model);
  nowMs += DAY_MS;
});

const put = (budget: Partial<Budget> = {}) =>
  bench.router.context.budgets.put({
    ...{ subjectId: bench.alice.id, userId: bench.alice.id, keyId: null, unit: 'tokens', period: 'day' },
    ...{ softLimit: null, hardLimit: null },
    ...budget,
  });
const used = () => bench.router.context.budgets.list().map((state) => state.used);
/** An answer that has used 12 tokens. */
const twelve: TextScript = { pieces: ['Hi'], usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 } };

async function key(name: string, grant: { tokensPerMinute?: number } = {}) {
  const made = await bench.router.context.keys.create(bench.alice.id, name, grant);
  return { id: made.key.id, ask: askWith(made.secret) };
}

function askWith(secret: string) {
  return (headers: Record<string, string> = {}) =>
    fetch(`${bench.router.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'agent', messages: [{ role: 'user', content: 'Hi' }] }),
    });
}

/** What a refusal says, its words apart from the rest. */
async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: { message: string; code: string; param: string | null } };
  return { status: response.status, code: error.code, param: error.param, words: error.message };
}

test.each([
  ['a budget of tokens of the user', { hardLimit: 50 }, {}],
  ['a budget of money of the user', { hardLimit: 50, unit: 'money' }, {}],
  ['a budget of the key', { hardLimit: 50, isOfKey: true }, {}],
  ['the tokens per minute of the key', undefined, { tokensPerMinute: 50 }],
] as const)(
  'thirty calls at once pass %s by one call at most, and nothing of them stays held',
  async (_, budget, grant) => {
    const { id, ask } = await key('many', grant);
    const { isOfKey = false, ...limits } = { ...budget } as Partial<Budget> & { isOfKey?: boolean };
    if (budget) await put({ ...limits, ...(isOfKey && { subjectId: id, keyId: id }) });
    // A unit of money for each token.
    await bench.router.context.prices.put({ model: 'alices-model', prompt: 1e6, completion: 1e6, cached: null });
    const before = bench.upstream.requests.length;
    bench.upstream.script(...Array.from({ length: 5 }, () => twelve));
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask()));
    const statuses = answers.map(({ status }) => status);
    const passed = statuses.filter((status) => status === 200).length;
    // After four of them 48 are used, and a fifth is the one that goes beyond.
    expect([passed, bench.upstream.requests.length - before]).toEqual([5, 5]);
    expect(statuses.filter((status) => status === 429)).toHaveLength(25);
    if (budget) expect(used()).toEqual([60]);
    nowMs += DAY_MS;
    expect((await ask()).status).toBe(200);
  },
);

test('a call that is open may use all that is left: others wait for it, and are told to come back', async () => {
  await put({ hardLimit: 100 });
  const gate = Promise.withResolvers<void>();
  const before = bench.upstream.requests.length;
  bench.upstream.script({ ...twelve, pieces: ['Hi', gate.promise] });
  const first = bench.complete();
  await bench.upstream.request(before + 1);
  const refused = await errorOf(await bench.complete());
  expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
  expect(refused.words).toContain('under way');
  expect(bench.upstream.requests.length).toBe(before + 1);
  const waiting = bench.complete();
  gate.resolve();
  expect([(await first).status, (await waiting).status]).toEqual([200, 200]);
});

test('calls that say how much they may use go side by side as long as there is room for all of it', async () => {
  await put({ hardLimit: 1_000 });
  const gate = Promise.withResolvers<void>();
  const before = bench.upstream.requests.length;
  bench.upstream.script(...Array.from({ length: 4 }, () => ({ ...twelve, pieces: ['Hi', gate.promise] })));
  const calls = [{ max_tokens: 300 }, { max_completion_tokens: 300 }, { max_tokens: 150, n: 2 }].map((more) =>
    bench.complete(more),
  );
  await bench.upstream.request(before + 3);
  const last = bench.complete({ max_tokens: 1 });
  // The fourth begins with less than all of it held; a fifth does not.
  calls.push(last);
  await bench.upstream.request(before + 4);
  gate.resolve();
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test('what a call holds is given back however it ends', async () => {
  await put({ hardLimit: 1_000_000 });
  const most = { max_tokens: 2_000_000 };
  const free = async (how: string) => {
    bench.upstream.script(twelve);
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
  // One that waited for another and left.
  const open = Promise.withResolvers<void>();
  bench.upstream.script({ ...twelve, pieces: ['Hi', open.promise] });
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

/** Two requests that are both with the runner before either makes its call. */
async function twoAtOnce(first: () => Promise<Response>, second: () => Promise<Response>, reply = answer) {
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
  const [one, two] = [await key('one'), await key('two')];
  for (const { id } of [one, two]) await put({ subjectId: id, keyId: id, hardLimit: 1_000_000 });
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
  expect(used()).toEqual([18, 18]);
  // The upstream is not told.
  expect(bench.upstream.requests.at(-1)?.headers.get('x-agent-work')).toBeNull();
});

test.each([
  ['names none', undefined],
  ['names one that is not open', 'f'.repeat(24)],
])('a call that %s counts for every key with a request under way, also after a restart', async (_, work) => {
  const [one, two, idle] = [await key('one'), await key('two'), await key('idle')];
  for (const { id } of [one, two, idle]) await put({ subjectId: id, keyId: id, hardLimit: 1_000_000 });
  const before = (await bench.rows()).length;
  await twoAtOnce(one.ask, two.ask, async () => {
    const response = await bench.complete({}, { headers: { ...(work !== undefined && { 'x-agent-work': work }) } });
    return response.ok ? completion('Fine.') : response;
  });
  const rows = (await bench.rows()).slice(before);
  expect(rows).toHaveLength(2);
  // The first call was made with both under way; the other one may have been alone by then.
  const [first] = rows;
  expect(first).toMatchObject({ keyId: null, conversationId: null });
  expect([...(first?.keyIds ?? [])].sort()).toEqual([one.id, two.id].sort());
  const counted = bench.router.context.budgets.list().map(({ budget, used }) => [budget.subjectId, used]);
  const sums = Object.fromEntries(counted) as Record<string, number>;
  expect([sums[one.id], sums[two.id], sums[idle.id]].toSorted()).toEqual([0, expect.any(Number), 36]);
  expect(Math.min(sums[one.id] ?? 0, sums[two.id] ?? 0)).toBeGreaterThanOrEqual(18);
  const { budgetsService } = await import('../../router/usage/budgets');
  const { stores } = bench.router.context;
  const again = budgetsService({ budgets: stores.budgets, usage: stores.usage, now: () => nowMs });
  await again.load();
  expect(Object.fromEntries(again.list().map(({ budget, used }) => [budget.subjectId, used]))).toEqual(sums);
});

const call = (path: string, body: object) => bench.call(`/${path}`, { method: 'POST', body: JSON.stringify(body) });

function formOf(fields: Record<string, string>): RequestInit {
  const body = Object.entries(fields)
    .map(([name, value]) => `--x\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
    .join('');
  return { method: 'POST', body: `${body}--x--\r\n`, headers: { 'content-type': 'multipart/form-data; boundary=x' } };
}

const MEDIA: readonly (readonly [string, () => Promise<Response>])[] = [
  ['images/generations', () => call('images/generations', { model: 'paint', prompt: 'A cat', n: 10 })],
  ['images/edits', () => bench.call('/images/edits', formOf({ model: 'paint', n: '10', prompt: 'A cat' }))],
  ['images/variations', () => bench.call('/images/variations', formOf({ model: 'paint', n: '10' }))],
  ['audio/speech', () => call('audio/speech', { model: 'paint', input: 'Hello' })],
  ['audio/transcriptions', () => bench.call('/audio/transcriptions', formOf({ model: 'paint' }))],
  ['audio/translations', () => bench.call('/audio/translations', formOf({ model: 'paint' }))],
];

test.each(MEDIA)('%s is closed under a hard limit that cannot count it, and open under none', async (path, ask) => {
  bench.upstream.script({ ...twelve, usage: 'none' });
  expect((await ask()).status).toBe(200);
  await put({ softLimit: 1 });
  bench.upstream.script({ ...twelve, usage: 'none' });
  expect((await ask()).status).toBe(200);
  const before = bench.upstream.requests.length;
  await put({ hardLimit: 1_000_000 });
  const closed = await errorOf(await ask());
  expect([closed.status, closed.words]).toEqual([400, expect.stringContaining(path)]);
  await put({ hardLimit: 1_000_000, unit: 'money' });
  const refused = await errorOf(await ask());
  expect(refused).toMatchObject({ status: 400, param: 'model' });
  expect(refused.words).toContain('"paint"');
  expect(refused.words).toContain('administrator');
  expect(bench.upstream.requests.length).toBe(before);
  // A price of its tokens alone is none of a call.
  await bench.router.context.prices.put({ model: 'paint', prompt: 1, completion: 1, cached: null });
  expect((await ask()).status).toBe(400);
});

test.each(MEDIA)('%s is charged by its price per call, each picture of it', async (path, ask) => {
  await put({ hardLimit: 10, unit: 'money' });
  await bench.router.context.prices.put({ model: 'paint', prompt: 0, completion: 0, cached: null, perCall: 0.5 });
  const cost = path.startsWith('images/') ? 5 : 0.5;
  bench.upstream.script({ ...twelve, usage: 'none' });
  await (await ask()).text();
  expect([used(), (await bench.rows()).at(-1)?.cost]).toEqual([[cost], cost]);
  // A refusal costs nothing.
  bench.upstream.script({ status: 400 });
  await (await ask()).text();
  expect([used(), (await bench.rows()).at(-1)?.cost]).toEqual([[cost], 0]);
});

test('pictures and sounds are closed to a key whose tokens are limited', async () => {
  const { ask } = await key('few', { tokensPerMinute: 1_000_000 });
  const statuses: number[] = [];
  bench.runner.reply = async () => {
    for (const [, media] of MEDIA) statuses.push((await media()).status);
    return completion('Fine.');
  };
  expect((await ask()).status).toBe(200);
  expect(statuses).toEqual(MEDIA.map(() => 400));
});

test('a form that names two models, or none that is understood, has no price', async () => {
  await put({ hardLimit: 10, unit: 'money' });
  await bench.router.context.prices.put({ model: 'cheap', prompt: 0, completion: 0, cached: null, perCall: 0 });
  const forms = [
    'name="model"\r\n\r\ncheap\r\n--x\r\ncontent-disposition: form-data; name=model\r\n\r\ndear',
    'name="model"\r\n\r\ncheap\r\n--x\r\ncontent-disposition: form-data; name="model"\r\n\r\ndear',
    "name*=utf-8''model\r\n\r\ncheap",
    'name="prompt"\r\n\r\nA cat',
  ];
  for (const fields of forms) {
    const body = `--x\r\ncontent-disposition: form-data; ${fields}\r\n--x--\r\n`;
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const refused = await bench.call('/images/edits', { method: 'POST', body, headers });
    expect([fields, refused.status]).toEqual([fields, 400]);
  }
});

test('an answer in the background is closed under a hard limit, and open under none', async () => {
  const ask = () => call('responses', { input: 'Hi', background: true });
  expect((await ask()).status).toBe(200);
  for (const unit of ['tokens', 'money'] as const) {
    await put({ hardLimit: 1_000_000, unit });
    const refused = await errorOf(await ask());
    expect(refused).toMatchObject({ status: 400, param: 'background' });
  }
  expect((await call('responses', { input: 'Hi', background: false })).status).toBe(200);
});

test('embeddings without a usage are counted by their texts, or by the tokens that stand in them', async () => {
  await put({ hardLimit: 1_000_000 });
  const count = async (input: unknown, usage: TextScript['usage'] = 'none') => {
    const [before = 0] = used();
    bench.upstream.script({ ...twelve, usage });
    await (await call('embeddings', { model: 'e', input })).text();
    await bench.rows();
    return (used()[0] ?? 0) - before;
  };
  expect(await count('x'.repeat(400))).toBe(100);
  expect(await count(['x'.repeat(40), 'y'.repeat(40)])).toBe(20);
  expect(await count([1, 2, 3])).toBe(3);
  expect(
    await count([
      [1, 2, 3],
      [4, 5],
    ]),
  ).toBe(5);
  // As some servers write that do not count.
  expect(await count('x'.repeat(400), { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })).toBe(100);
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

/** A stream that has said its last event and does not end. */
function endless(path: string): ReadableStream {
  const usage = { prompt_tokens: 7, completion_tokens: 5 };
  const response = { output: [], usage: { input_tokens: 7, output_tokens: 5 } };
  const chat = `${chunk('Hi')}data: ${JSON.stringify({ choices: [], usage })}\n\n${DONE}`;
  const events = path === 'responses' ? `data: ${JSON.stringify({ type: 'response.completed', response })}\n\n` : chat;
  return new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(events)) });
}

/** A user whose agent runs with the key that the administrator shares. */
async function withSharedKey() {
  const shared = await startBroker(`limits-shared-${crypto.randomUUID()}`);
  const admin = await shared.router.person(ADMIN);
  await setValues(admin, { LLM_BASE_URL: shared.upstream.url, LLM_API_KEY: shared.upstream.key, LLM_MODEL: 'priced' });
  await shared.router.context.credentials.share(LLM, true);
  await setValues(shared.alice, { LLM_BASE_URL: '', LLM_API_KEY: '', LLM_MODEL: '' });
  const { alice, router } = shared;
  const budget = (limits: Partial<Budget>) =>
    router.context.budgets.put({
      ...{ subjectId: alice.id, userId: alice.id, keyId: null, unit: 'money', period: 'day' },
      ...{ softLimit: null, hardLimit: null },
      ...limits,
    });
  const model = (name: string) => setValues(alice as Person, { LLM_MODEL: name });
  return { shared, admin, budget, model };
}

test('under a budget of money a model without a price is not served with the shared key', async () => {
  const { shared, budget, model } = await withSharedKey();
  await using _ = shared;
  await shared.router.context.prices.put({ model: 'priced', prompt: 1, completion: 1, cached: null });
  await budget({ hardLimit: 10 });
  expect((await shared.complete()).status).toBe(200);
  const before = shared.upstream.requests.length;
  for (const alias of ['an-alias', 'Priced', 'priced-2026']) {
    await model(alias);
    const refused = await errorOf(await shared.complete());
    expect(refused).toMatchObject({ status: 400, param: 'model' });
    expect(refused.words).toContain(`"${alias}"`);
    expect(refused.words).toContain('ask the administrator');
  }
  // Whatever it is asked for.
  const embeddings = { method: 'POST', body: JSON.stringify({ model: 'an-embedder', input: 'Hi' }) };
  expect((await shared.call('/embeddings', embeddings)).status).toBe(400);
  expect(shared.upstream.requests.length).toBe(before);
  // A key of one's own is one's own money; and a budget that counts tokens, or only warns, wants no price.
  await setValues(shared.alice, { LLM_BASE_URL: shared.upstream.url, LLM_API_KEY: shared.upstream.key });
  expect((await shared.complete()).status).toBe(200);
  await setValues(shared.alice, { LLM_BASE_URL: '', LLM_API_KEY: '' });
  expect((await shared.complete()).status).toBe(400);
  await budget({ hardLimit: 1_000_000, unit: 'tokens' });
  expect((await shared.complete()).status).toBe(200);
  await budget({ softLimit: 1 });
  expect((await shared.complete()).status).toBe(200);
});

test('the shared key serves the models that the administrator lists, and a key of one’s own serves any', async () => {
  const { shared, admin, model } = await withSharedKey();
  await using _ = shared;
  const list = (models: string[]) => admin.request('/api/admin/shared-models', { method: 'PUT', body: { models } });
  await model('another');
  expect((await shared.complete()).status).toBe(200);
  await list(['priced', 'an-embedder']);
  const refused = await errorOf(await shared.complete());
  expect(refused).toMatchObject({ status: 400, param: 'model' });
  expect(refused.words).toContain('"another"');
  expect(refused.words).toContain('an-embedder, priced');
  const embed = (name: string) =>
    shared.call('/embeddings', { method: 'POST', body: JSON.stringify({ model: name, input: 'Hi' }) });
  expect([(await embed('an-embedder')).status, (await embed('other')).status]).toEqual([200, 400]);
  await model('priced');
  expect((await shared.complete()).status).toBe(200);
  await model('another');
  await setValues(shared.alice, { LLM_BASE_URL: shared.upstream.url, LLM_API_KEY: shared.upstream.key });
  expect((await shared.complete()).status).toBe(200);
  await setValues(shared.alice, { LLM_BASE_URL: '', LLM_API_KEY: '' });
  await list([]);
  expect((await shared.complete()).status).toBe(200);
});
