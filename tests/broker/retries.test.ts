/** The broker's retries, and its answer to a runner whose key the upstream refuses. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { UpstreamBody } from '../../router/broker/request';
import { upstreamsService } from '../../router/broker/upstreams';
import { upstreamAddresses } from '../../router/net/address-policy';
import { type BrokerBench, startBroker } from '../support/broker';
import { memoryBackend, startRouter } from '../support/router';
import { eventsOf, Reading } from '../support/scripted-runner';
import { hang, startUpstream } from '../support/upstream';

let bench: BrokerBench;
beforeAll(async () => {
  bench = await startBroker('broker-retries');
});
afterAll(() => bench[Symbol.asyncDispose]());

/** Number of requests to the upstream per call of the broker. */
async function triesOf(call: () => Promise<Response>): Promise<{ tries: number; response: Response }> {
  const before = bench.upstream.requests.length;
  const response = await call();
  return { tries: bench.upstream.requests.length - before, response };
}

test('an upstream that is busy or not there is tried two more times, and its last word is passed on', async () => {
  for (const status of [429, 502, 503]) {
    bench.upstream.script({ status }, { status, headers: { 'retry-after': '0' } });
    const { tries, response } = await triesOf(() => bench.complete());
    expect([status, tries, response.status]).toEqual([status, 3, 200]);
    await response.text();
  }
  bench.upstream.script({ status: 503 }, { status: 502 }, { status: 429, message: 'Slow down.', code: 'rate' });
  const { tries, response } = await triesOf(() => bench.complete({ stream: true }));
  expect([tries, response.status, await response.json()]).toEqual([3, 429, expect.objectContaining({})]);
});

test('a call that may have been executed, or that only the runner can fix, is not retried', async () => {
  for (const status of [400, 404, 409, 500, 504]) {
    bench.upstream.script({ status });
    const { tries, response } = await triesOf(() => bench.complete());
    expect([status, tries, response.status]).toEqual([status, 1, status]);
    await response.text();
  }
});

test('a quota that is used up is not tried again, whichever way the upstream says so', async () => {
  for (const script of [
    { status: 429, code: 'insufficient_quota' },
    { status: 503, code: 'insufficient_balance' },
    { status: 429, headers: { 'x-should-retry': 'false' } },
  ]) {
    bench.upstream.script({ ...script, message: 'You have no credit.' });
    const { tries, response } = await triesOf(() => bench.complete());
    expect([tries, response.status]).toEqual([1, script.status]);
    expect(await response.json()).toMatchObject({ error: { message: 'You have no credit.' } });
  }
});

test('an upstream that wants a longer wait gets it: its answer is passed on at once with Retry-After', async () => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  for (const retryAfter of ['3', '3600', date]) {
    bench.upstream.script({ status: 429, headers: { 'retry-after': retryAfter } });
    const { tries, response } = await triesOf(() => bench.complete());
    expect([tries, response.status, response.headers.get('retry-after')]).toEqual([1, 429, retryAfter]);
    await response.text();
  }
});

test('an upstream that has refused all tries is called once per request until it answers, because clients retry too', async () => {
  bench.upstream.script(...Array(5).fill({ status: 429 }));
  const told: unknown[] = [];
  for (let ask = 0; ask < 3; ask += 1) {
    const { tries, response } = await triesOf(() => bench.complete());
    told.push([tries, response.status]);
    await response.text();
  }
  expect(told).toEqual([
    [3, 429],
    [1, 429],
    [1, 429],
  ]);
  expect((await bench.complete()).status).toBe(200);
  bench.upstream.script({ status: 503 });
  const { tries, response } = await triesOf(() => bench.complete());
  expect([tries, response.status]).toEqual([2, 200]);
});

test('an answer that has begun is never asked for again', async () => {
  const gate = Promise.withResolvers<void>();
  bench.upstream.script({ pieces: ['Half', gate.promise], end: 'cut' });
  const { tries } = await triesOf(async () => {
    const response = await bench.complete({ stream: true });
    const received = new Reading(response);
    await received.until('Half');
    gate.resolve();
    expect(eventsOf(await received.end()).at(-1)).toBe('[DONE]');
    return response;
  });
  expect(tries).toBe(1);
});

test('a runner that leaves ends the tries at once', async () => {
  bench.upstream.script({ status: 503, headers: { 'retry-after': '2' } });
  const before = bench.upstream.requests.length;
  const client = new AbortController();
  const response = bench.complete({}, { signal: client.signal });
  response.catch(() => undefined);
  await bench.upstream.request(before + 1);
  client.abort();
  // The lease is released at once, not after two seconds.
  expect((await bench.rows()).at(-1)).toMatchObject({ ending: 'stopped', status: 499 });
  expect(bench.upstream.requests).toHaveLength(before + 1);
});

test('law 16: each try is made with the credentials of its moment', async () => {
  await using other = startUpstream({ key: 'sk-the-other-one' });
  bench.upstream.script({ status: 503, headers: { 'retry-after': '2' } });
  const before = bench.upstream.requests.length;
  const response = bench.complete();
  await bench.upstream.request(before + 1);
  await bench.set({ LLM_BASE_URL: other.url, LLM_API_KEY: other.key });
  expect((await response).status).toBe(200);
  expect([bench.upstream.requests.length, other.requests.length]).toEqual([before + 1, 1]);
  await bench.set({ LLM_BASE_URL: bench.upstream.url, LLM_API_KEY: bench.upstream.key });
});

test('a connection that is refused is tried again, so that an upstream may restart', async () => {
  const first = startUpstream();
  await first.stop();
  const { port } = new URL(first.url);
  await bench.set({ LLM_BASE_URL: `http://restarting.test:${port}/v1` });
  const { credentials, backends } = bench.router.context;
  const backend = backends.find('agent');
  if (!backend) throw new Error('The agent is not configured');
  let again: Bun.Server<undefined> | undefined;
  let lookups = 0;
  // After a failed connection the name is resolved again; by then the upstream is back.
  const lookup = async () => {
    lookups += 1;
    const fetch = () => Response.json({ choices: [] });
    if (lookups === 2) again = Bun.serve({ hostname: '127.0.0.1', port, fetch });
    return ['127.0.0.1'];
  };
  const policy = { allowPrivate: true, ownPorts: [] };
  const upstreams = upstreamsService({ credentials, addresses: upstreamAddresses({ policy, lookup, now: Date.now }) });
  const { response } = await upstreams.call({
    ...{ agent: { userId: bench.alice.id, model: '' }, backend, path: 'models', method: 'GET', headers: {}, hops: 0 },
    body: new UpstreamBody('models', new Uint8Array(), ''),
    signal: new AbortController().signal,
    allow: async () => undefined,
  });
  expect([response.status, lookups]).toEqual([200, 2]);
  await again?.stop(true);
  await bench.set({ LLM_BASE_URL: bench.upstream.url });
});

test('law 16: a key that is refused is a 400 that says so, since a runtime would rest after a 401', async () => {
  for (const status of [401, 403]) {
    const message = `Incorrect API key provided: ${bench.upstream.key}.`;
    bench.upstream.script({ status, message });
    const { tries, response } = await triesOf(() => bench.complete());
    expect([tries, response.status]).toEqual([1, 400]);
    const { error } = (await response.json()) as { error: { message: string; code: string; type: string } };
    expect([error.code, error.type]).toEqual(['upstream_credentials_refused', 'invalid_request_error']);
    expect(error.message).toContain('Settings');
    // Nor in the upstream's words, because OpenClaw recognises these too.
    expect(error.message).not.toContain('API key');
  }
  expect((await bench.complete()).status).toBe(200);
});

test('forms of audio and images pass untouched, and their answers too', async () => {
  for (const path of ['/audio/transcriptions', '/audio/translations', '/images/edits', '/images/variations']) {
    const form = new FormData();
    form.set('model', 'whisper-of-alice');
    form.set('file', new Blob([Uint8Array.of(0, 255, 13, 10, 0)]), 'a.wav');
    const sent = new Request('http://localhost', { method: 'POST', body: form });
    const type = sent.headers.get('content-type') ?? '';
    const body = await sent.bytes();
    const response = await bench.call(path, { method: 'POST', body, headers: { 'content-type': type } });
    expect([path, response.status]).toEqual([path, 200]);
    await response.text();
    const asked = bench.upstream.requests.at(-1);
    expect([asked?.path, asked?.headers.get('content-type')]).toEqual([path, type]);
    expect(asked?.text).toBe(new TextDecoder().decode(body));
  }
  const json = JSON.stringify({ model: 'tts', input: 'Say it.' });
  expect((await bench.call('/audio/speech', { method: 'POST', body: json })).status).toBe(200);
  expect(bench.upstream.requests.at(-1)?.text).toBe(json);
  const models = (await bench.rows()).slice(-5).map(({ model }) => model);
  expect(models).toEqual([...Array(4).fill('whisper-of-alice'), 'tts']);
});

test('when the router ends, a runner in the middle of an answer gets an error, and its call is recorded', async () => {
  const first = await startBroker('broker-retries-end');
  first.upstream.script({ pieces: ['Half', hang()] });
  const received = new Reading(await first.complete({ stream: true }));
  await received.until('Half');
  await first.router.stop();
  expect(eventsOf(await received.end()).at(-1)).toBe('[DONE]');
  await first.upstream.stop();
  const { dataRoot } = first.router;
  await using second = await startRouter({ dataRoot, backends: [memoryBackend('agent', {}, first.runner.program)] });
  const rows = await second.context.stores.usage.page({ fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER }, undefined, 10);
  expect(rows).toMatchObject([{ userId: first.alice.id, ending: 'failed', estimated: true, completionTokens: 1 }]);
});

test('the models of an upstream are listed, or a sentence says what is wrong with the settings', async () => {
  const { upstreams } = bench.router.context;
  const { url: baseUrl, key: apiKey } = bench.upstream;
  const list = (baseUrl: string, apiKey: string) =>
    upstreams.listModels({ baseUrl, apiKey }, new AbortController().signal);
  expect(await list(`${baseUrl}/`, apiKey)).toEqual(['test-model']);
  const html = ({ url }: Request) => new Response('<h1>Hello</h1>', { status: url.includes('nowhere') ? 404 : 200 });
  await using page = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: html });
  const elsewhere = () => Response.redirect('https://elsewhere.example/v1/models');
  await using redirect = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: elsewhere });
  const gone = startUpstream();
  await gone.stop();
  const said = async (...to: [string, string]) =>
    list(...to).catch((error: Error & { code: string }) => `${error.code}: ${error.message}`);
  expect(await said(baseUrl, 'wrong-key')).toMatch(/^upstream_credentials_refused: .*Incorrect API key/);
  expect(await said(`${page.url.href}nowhere`, apiKey)).toMatch(/^upstream_unreachable: .*try http.*nowhere\/v1/);
  expect(await said(page.url.href, apiKey)).toMatch(/^upstream_unreachable: .*no OpenAI-compatible API/);
  expect(await said(redirect.url.href, apiKey)).toMatch(/^upstream_unreachable: .*redirect/);
  expect(await said(gone.url, apiKey)).toMatch(/^upstream_unreachable: .*LLM_BASE_URL/);
  expect(await said('http://169.254.169.254/v1', apiKey)).toMatch(/^invalid_request: .*never called/);
});
