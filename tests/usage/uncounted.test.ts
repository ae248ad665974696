/** Calls that cannot be counted are refused under a hard limit; and the models of the shared key. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { Budget } from '../../router/usage/store/budgets';
import { type BrokerBench, LLM, setValues, startBroker } from '../support/broker';
import { budgetOf, type LimitsBench, refusalOf, startLimits, TWELVE } from '../support/limits';
import { ADMIN } from '../support/router';
import { completion } from '../support/scripted-runner';
import type { TextScript } from '../support/upstream';

let limits: LimitsBench;
let bench: BrokerBench;
beforeAll(async () => {
  limits = await startLimits('uncounted');
  ({ bench } = limits);
});
afterAll(() => limits[Symbol.asyncDispose]());
beforeEach(() => limits.nextDay());

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
  bench.upstream.script({ ...TWELVE, usage: 'none' });
  expect((await ask()).status).toBe(200);
  await limits.put({ softLimit: 1 });
  bench.upstream.script({ ...TWELVE, usage: 'none' });
  expect((await ask()).status).toBe(200);
  const before = bench.upstream.requests.length;
  await limits.put({ hardLimit: 1_000_000 });
  const closed = await refusalOf(await ask());
  expect([closed.status, closed.words]).toEqual([400, expect.stringContaining(path)]);
  await limits.put({ hardLimit: 1_000_000, unit: 'money' });
  const refused = await refusalOf(await ask());
  expect(refused).toMatchObject({ status: 400, param: 'model' });
  expect(refused.words).toContain('"paint"');
  expect(refused.words).toContain('administrator');
  expect(bench.upstream.requests.length).toBe(before);
  // A price for tokens is no price per call.
  await bench.router.context.prices.put({ model: 'paint', prompt: 1, completion: 1, cached: null });
  expect((await ask()).status).toBe(400);
});

test.each(MEDIA)('%s is charged by its price per call, each picture of it', async (path, ask) => {
  await limits.put({ hardLimit: 10, unit: 'money' });
  await bench.router.context.prices.put({ model: 'paint', prompt: 0, completion: 0, cached: null, perCall: 0.5 });
  const cost = path.startsWith('images/') ? 5 : 0.5;
  bench.upstream.script({ ...TWELVE, usage: 'none' });
  await (await ask()).text();
  expect([limits.used(), (await bench.rows()).at(-1)?.cost]).toEqual([[cost], cost]);
  // A refusal costs nothing.
  bench.upstream.script({ status: 400 });
  await (await ask()).text();
  expect([limits.used(), (await bench.rows()).at(-1)?.cost]).toEqual([[cost], 0]);
});

test('pictures and sounds are closed to a key whose tokens are limited', async () => {
  const { ask } = await limits.key('few', { tokensPerMinute: 1_000_000 });
  const statuses: number[] = [];
  bench.runner.reply = async () => {
    for (const [, media] of MEDIA) statuses.push((await media()).status);
    return completion('Fine.');
  };
  expect((await ask()).status).toBe(200);
  expect(statuses).toEqual(MEDIA.map(() => 400));
});

test('a form that names two models, or none that is understood, has no price', async () => {
  await limits.put({ hardLimit: 10, unit: 'money' });
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
    await limits.put({ hardLimit: 1_000_000, unit });
    const refused = await refusalOf(await ask());
    expect(refused).toMatchObject({ status: 400, param: 'background' });
  }
  expect((await call('responses', { input: 'Hi', background: false })).status).toBe(200);
});

test('embeddings without a usage are counted by their texts, or by the tokens that stand in them', async () => {
  await limits.put({ hardLimit: 1_000_000 });
  const count = async (input: unknown, usage: TextScript['usage'] = 'none') => {
    const [before = 0] = limits.used();
    bench.upstream.script({ ...TWELVE, usage });
    await (await call('embeddings', { model: 'e', input })).text();
    await bench.rows();
    return (limits.used()[0] ?? 0) - before;
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
  // Sent by some servers that do not count.
  expect(await count('x'.repeat(400), { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })).toBe(100);
});

/** A user whose agent uses the administrator's shared key. */
async function withSharedKey() {
  const shared = await startBroker(`shared-key-${crypto.randomUUID()}`);
  const admin = await shared.router.person(ADMIN);
  await setValues(admin, { LLM_BASE_URL: shared.upstream.url, LLM_API_KEY: shared.upstream.key, LLM_MODEL: 'priced' });
  await shared.router.context.credentials.share(LLM, true);
  await setValues(shared.alice, { LLM_BASE_URL: '', LLM_API_KEY: '', LLM_MODEL: '' });
  const { alice, router } = shared;
  const budget = (more: Partial<Budget>) => router.context.budgets.put(budgetOf(shared, { unit: 'money', ...more }));
  const model = (name: string) => setValues(alice, { LLM_MODEL: name });
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
    const refused = await refusalOf(await shared.complete());
    expect(refused).toMatchObject({ status: 400, param: 'model' });
    expect(refused.words).toContain(`"${alias}"`);
    expect(refused.words).toContain('ask the administrator');
  }
  // For every kind of request.
  const embeddings = { method: 'POST', body: JSON.stringify({ model: 'an-embedder', input: 'Hi' }) };
  expect((await shared.call('/embeddings', embeddings)).status).toBe(400);
  expect(shared.upstream.requests.length).toBe(before);
  // Users pay for their own keys; and a budget that counts tokens, or only warns, needs no price.
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
  const refused = await refusalOf(await shared.complete());
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
