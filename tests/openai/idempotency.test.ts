/** `Idempotency-Key`: a request that is sent again is answered once. */
import { afterAll, afterEach, beforeAll, expect, spyOn, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('idempotency');
let router: TestRouter;
let alice: Person;
let secret: string;
let nowMs = Date.now();
let answers = 0;
const REQUESTS_MAX = 20;

beforeAll(async () => {
  const backends = [memoryBackend('scripted', { paths: ['chat/completions', 'embeddings'] }, runner.program)];
  router = await startRouter({
    backends,
    now: () => nowMs,
    env: {
      ...{ MAX_BODY_BYTES: '20000', MAX_HELD_BYTES_PER_USER: '200000' },
      MAX_REQUESTS_PER_USER: String(REQUESTS_MAX),
    },
  });
  alice = await router.person(PEOPLE.alice);
  secret = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(() => {
  runner.reply = numbered;
});

/** Each answer is different. */
function numbered(): Response {
  answers += 1;
  return completion(`Answer ${answers}`);
}
runner.reply = numbered;

interface Ask {
  readonly key: string;
  readonly more?: object;
  readonly path?: string;
  readonly signal?: AbortSignal;
  readonly secret?: string;
  readonly headers?: Record<string, string>;
}

const ask = ({ key, more = {}, path = 'chat/completions', signal, secret: own = secret, headers = {} }: Ask) =>
  fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${own}`,
      'content-type': 'application/json',
      'idempotency-key': key,
      ...headers,
    },
    body: JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'Hello' }], ...more }),
    ...(signal && { signal }),
  });
const replayed = ({ headers }: Response) => headers.get('idempotent-replayed');

test('the same request with the same key has the same answer, and asks the runner once', async () => {
  const before = runner.requests.length;
  const first = await ask({ key: 'same' });
  const again = await ask({ key: 'same' });
  expect([first.status, again.status, replayed(first), replayed(again)]).toEqual([200, 200, null, 'true']);
  expect(await again.text()).toBe(await first.text());
  expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
  expect(again.headers.get('x-agent-stack-runner')).toBe(first.headers.get('x-agent-stack-runner'));
  expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
  expect(runner.requests.length - before).toBe(1);
});

test('the same request has the same answer also while the first one is running', async () => {
  const release = Promise.withResolvers<void>();
  runner.reply = async () => {
    await release.promise;
    return numbered();
  };
  const before = runner.requests.length;
  const all = [ask({ key: 'running' }), ask({ key: 'running' }), ask({ key: 'running' })];
  await until(() => router.context.streams.size >= 4, 'all have arrived');
  release.resolve();
  const texts = await Promise.all((await Promise.all(all)).map((response) => response.text()));
  expect([new Set(texts).size, runner.requests.length - before]).toEqual([1, 1]);
});

test('a key is not good for another request', async () => {
  await ask({ key: 'other' });
  const wrong: Partial<Ask>[] = [
    { more: { temperature: 1 } },
    { path: 'embeddings' },
    { path: 'chat/completions?x=1' },
  ];
  for (const one of wrong) {
    const response = await ask({ key: 'other', ...one });
    expect([response.status, await response.json()]).toMatchObject([
      422,
      { error: { code: 'idempotency_key_reused', type: 'invalid_request_error' } },
    ]);
  }
  for (const key of ['', 'x'.repeat(256)]) expect((await ask({ key })).status).toBe(400);
});

test('a key names nothing for another credential', async () => {
  const bob = await router.person(PEOPLE.bob);
  const texts = await Promise.all(
    [secret, await alice.createKey(), await bob.createKey()].map(async (own) =>
      (await ask({ key: 'own', secret: own })).text(),
    ),
  );
  expect(new Set(texts).size).toBe(3);
});

test('a failed request is executed again', async () => {
  runner.reply = () => Response.json({ error: { message: 'Not now.' } }, { status: 503 });
  expect((await ask({ key: 'failed' })).status).toBe(503);
  runner.reply = numbered;
  expect([(await ask({ key: 'failed' })).status, replayed(await ask({ key: 'failed' }))]).toEqual([200, 'true']);
  expect((await ask({ key: 'refused', more: { model: 'nope' } })).status).toBe(404);
  expect((await ask({ key: 'refused' })).status).toBe(200);
});

test('a request that waits for a first one whose client leaves is made again', async () => {
  runner.reply = () => new Promise(() => undefined);
  const client = new AbortController();
  const before = runner.requests.length;
  const first = ask({ key: 'left', signal: client.signal }).catch(() => undefined);
  const asked = await runner.request(before + 1);
  const second = ask({ key: 'left' });
  await until(() => router.context.streams.size === 3, 'the second has arrived');
  runner.reply = numbered;
  client.abort();
  await first;
  const response = await second;
  expect([response.status, replayed(response), runner.requests.length - before]).toEqual([200, null, 2]);
  await until(() => asked.aborted, 'the first is aborted');
});

test('law 20: a revoked key ends a request that waits for another one', async () => {
  const { keys } = router.context;
  const { key, secret: own } = await keys.create(alice.id, 'revoked');
  runner.reply = () => new Promise(() => undefined);
  const all = [ask({ key: 'revoked', secret: own }), ask({ key: 'revoked', secret: own })];
  await until(() => router.context.streams.size === 3, 'both have arrived');
  await keys.revoke(alice.id, key.id);
  expect((await Promise.all(all)).map(({ status }) => status)).toEqual([401, 401]);
  await until(() => router.context.streams.size === 0, 'nothing is held');
});

test('a stream is not kept, and a body that is too large is refused as ever', async () => {
  runner.reply = () => {
    const source = pipe();
    source.write(DONE);
    source.close();
    return source.response();
  };
  const before = runner.requests.length;
  for (let count = 0; count < 2; count += 1) {
    const response = await ask({ key: 'stream', more: { stream: true } });
    expect([response.status, replayed(response), await response.text()]).toEqual([200, null, DONE]);
  }
  expect(runner.requests.length - before).toBe(2);
  expect((await ask({ key: 'large', more: { padding: 'x'.repeat(30_000) } })).status).toBe(413);
});

test('the connection of a stream that is refused when its body was read is not kept for ever', async () => {
  const { streams } = router.context;
  await until(() => streams.size === 0, 'nothing is under way');
  // The request has the last place, and its answer would be one too many.
  const others = Array.from({ length: REQUESTS_MAX - 1 }, () =>
    streams.add({ userId: alice.id, credentialId: 'another' }, { close: () => undefined }),
  );
  using timeout = spyOn(router.listener, 'timeout');
  expect((await ask({ key: 'one too many', more: { stream: true } })).status).toBe(429);
  for (const one of others) one.end();
  const seconds = timeout.mock.calls.map(([, one]) => one);
  expect([seconds[0], (seconds.at(-1) ?? 0) > 0]).toEqual([0, true]);
});

test('an answer that is longer than what may be held arrives whole and is not kept; a shorter one is', async () => {
  for (const [length, isKept] of [
    [150_000, true],
    [300_000, false],
  ] as const) {
    let count = 0;
    runner.reply = () => completion(`${count++} `.repeat(length / 2));
    const key = `length ${length}`;
    const first = await (await ask({ key })).text();
    expect(first.length).toBeGreaterThan(length);
    expect((await (await ask({ key })).text()) === first).toBe(isKept);
    await until(() => router.context.held.total === 0, 'nothing is held');
  }
});

test('an answer is forgotten after an hour, and when there are too many', async () => {
  const first = await (await ask({ key: 'old' })).text();
  nowMs += 3_599_000;
  expect(await (await ask({ key: 'old' })).text()).toBe(first);
  nowMs += 2_000;
  expect(await (await ask({ key: 'old' })).text()).not.toBe(first);
  const before = router.context.idempotency;
  const incoming = { request: new Request(router.url), server: null };
  const once = (holder: number, key: number, text: string) =>
    before.once(
      { userId: 'a user', holder: `${holder}`, key: `${key}`, fingerprint: 'x', incoming },
      async () => new Response(text),
    );
  for (let count = 0; count < 1_001; count += 1) await once(count % 10, count, 'x');
  expect(replayed(await once(0, 1_000, 'y'))).toBe('true');
  expect(replayed(await once(0, 0, 'y'))).toBe(null);
});
