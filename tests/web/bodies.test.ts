/** The maximum length of request bodies on each route, with and without a declared length. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from 'bun:test';
import { type BrokerBench, startBroker } from '../support/broker';
import { ADMIN, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { chunk, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const MEBIBYTE = 1_048_576;
const utf8 = new TextEncoder();

/** A body in chunks without a length; `read` returns how many bytes of it were read. */
function chunked(bytes: number, begin = '', filler = 'a') {
  const piece = utf8.encode(filler.repeat(65_536));
  const sent = { bytes: 0 };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => begin !== '' && controller.enqueue(utf8.encode(begin)),
      pull(controller) {
        if (sent.bytes >= bytes) controller.close();
        else controller.enqueue(piece);
        sent.bytes += piece.length;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, sent };
}

/** Types that Elysia would parse itself, with the beginning of a field in each. */
const TYPES: readonly (readonly [type: string, begin: string])[] = [
  ['application/json', '{"email":"'],
  ['application/x-www-form-urlencoded', 'email='],
  ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="email"\r\n\r\n'],
  ['text/plain', ''],
  ['application/octet-stream', ''],
  ['APPLICATION/JSON;charset=utf-8', '{"email":"'],
  ['', ''],
];

describe('the public listener', () => {
  let bench: BrokerBench;
  beforeAll(async () => {
    bench = await startBroker('bodies', { env: { MAX_BODY_BYTES: String(3 * MEBIBYTE) } });
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  test.each(
    ['/auth/login', '/sign-in', '/sign-up', '/auth/signup', '/settings/keys', '/api/me/keys'].flatMap((path) =>
      TYPES.map(([type, begin]) => [path, type, begin] as const),
    ),
  )(
    'refuses a body of 60 MB in chunks to %s as %j, and takes no more of it than it may have',
    async (path, type, begin) => {
      const { body, sent } = chunked(60 * MEBIBYTE, begin);
      const headers = { ...(type !== '' && { 'content-type': type }), cookie: bench.alice.cookie };
      const response = await fetch(`${bench.router.url}${path}`, { method: 'POST', headers, body }).catch(
        () => undefined,
      );
      // After a refusal the server closes the connection, which a client that is still sending may notice first.
      if (response) expect([path, response.status]).toEqual([path, 413]);
      expect(sent.bytes).toBeLessThan(30 * MEBIBYTE);
    },
  );

  test('refuses a form that says it is over a mebibyte before it has come, and takes one that is not', async () => {
    const login = (padding: number) =>
      bench.router.request('/auth/login', { method: 'POST', body: { ...ADMIN, padding: 'x'.repeat(padding) } });
    expect((await login(MEBIBYTE)).status).toBe(413);
    expect((await login(MEBIBYTE - 1_000)).status).toBe(200);
  });

  test('serves /v1 what is longer than a form, in chunks too, up to its own limit', async () => {
    const { url } = bench.router;
    const chat = async (bytes: number) => {
      const begin = '{"model":"agent","messages":[],"x":"';
      const whole = utf8.encode(`${begin}${'a'.repeat(bytes)}"}`);
      const body = new Blob([whole]).stream();
      const headers = { cookie: bench.alice.cookie, 'content-type': 'application/json' };
      return (await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })).status;
    };
    expect([await chat(2 * MEBIBYTE), await chat(3 * MEBIBYTE)]).toEqual([200, 413]);
  });

  test('reads forms in each of their encodings, with lists where a name comes twice', async () => {
    const encodings = {
      form: new URLSearchParams({ email: ADMIN.email, password: ADMIN.password }),
      multipart: Object.entries({ email: ADMIN.email, password: ADMIN.password }).reduce((form, [name, value]) => {
        form.set(name, value);
        return form;
      }, new FormData()),
    };
    for (const body of Object.values(encodings)) {
      expect((await bench.router.request('/sign-in', { method: 'POST', body })).status).toBe(303);
    }
    const twice = new URLSearchParams([
      ['email', ADMIN.email],
      ['email', 'b'],
      ['password', ADMIN.password],
    ]);
    expect((await bench.router.request('/auth/login', { method: 'POST', body: twice })).status).toBe(422);
  });

  test.each(['{"email":', '[1,2', 'nope', '"x'])('says that %j is no JSON', async (text) => {
    const headers = { 'content-type': 'application/json' };
    expect((await bench.router.request('/auth/login', { method: 'POST', headers, body: text })).status).toBe(400);
  });

  test('a route that needs no body is not disturbed by one, nor by none', async () => {
    for (const body of [undefined, new URLSearchParams({ a: 'b' })]) {
      const response = await bench.router.request('/auth/logout', { method: 'POST', ...(body && { body }) });
      expect(response.status).toBe(200);
    }
  });

  test('the internal listener limits bodies as well', async () => {
    const { body, sent } = chunked(60 * MEBIBYTE, '{"model":"');
    const response = await bench.call('/chat/completions', { method: 'POST', body }).catch(() => undefined);
    if (response) expect(response.status).toBe(413);
    expect(sent.bytes).toBeLessThan(30 * MEBIBYTE);
    expect((await bench.complete({ padding: 'x'.repeat(2 * MEBIBYTE) })).status).toBe(200);
    expect((await bench.complete({ padding: 'x'.repeat(3 * MEBIBYTE) })).status).toBe(413);
  });
});

test('the bytes that all requests hold, and those of one user, are bounded and released', async () => {
  const runner = scriptedRunner('held-bodies');
  await using router = await startRouter({
    backends: [memoryBackend('agent', {}, runner.program)],
    env: { MAX_HELD_BYTES_PER_USER: '500000', MAX_HELD_BYTES: '900000' },
  });
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const held = Promise.withResolvers<void>();
  runner.reply = async () => {
    await held.promise;
    return Response.json({ choices: [] });
  };
  const body = (length: number) => ({ model: 'agent', messages: [], x: 'a'.repeat(length) });
  const chat = (who: typeof bob, length: number) =>
    who.request('/v1/chat/completions', { method: 'POST', body: body(length) });
  const before = runner.requests.length;
  const first = chat(alice, 400_000);
  await runner.request(before + 1);
  const refused = await chat(alice, 200_000);
  expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toMatchObject([
    ...[429, '1', { error: { code: 'too_much_at_once' } }],
  ]);
  const second = chat(bob, 450_000);
  await runner.request(before + 2);
  const full = await chat(await router.person(PEOPLE.mallory), 100_000);
  expect([full.status, await full.json()]).toMatchObject([503, { error: { code: 'overloaded' } }]);
  // Short bodies are served, whatever other requests do.
  const short = chat(alice, 100);
  await runner.request(before + 3);
  held.resolve();
  expect((await Promise.all([first, second, short])).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(router.context.held.total).toBe(0);
});

test('what a stream was asked with is held until its end, also with an Idempotency-Key', async () => {
  const runner = scriptedRunner('held-streams');
  await using router = await startRouter({ backends: [memoryBackend('agent', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const body = { model: 'agent', messages: [], stream: true, x: 'a'.repeat(200_000) };
  for (const headers of [{}, { 'idempotency-key': 'once' }]) {
    const answering = pipe();
    runner.reply = () => answering.response();
    answering.write(chunk('Begun'));
    const response = await alice.request('/v1/chat/completions', { method: 'POST', headers, body });
    expect(router.context.held.total).toBeGreaterThan(200_000);
    answering.write(DONE);
    answering.close();
    await response.text();
    await until(() => router.context.held.total === 0, 'the memory is given back');
  }
});

test('the bytes of a file for a message are held until it is stored', async () => {
  const backends = [memoryBackend('agent', { attachments: true })];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  const made = await alice.request('/api/conversations', { method: 'POST', body: { backend: 'agent' } });
  const { conversation } = (await made.json()) as { conversation: { id: string } };
  const { attachments, held } = router.context;
  const { upload } = attachments;
  const heldBytes: number[] = [];
  using _ = spyOn(attachments, 'upload').mockImplementation((...file) => {
    heldBytes.push(held.total);
    return upload.apply(attachments, file);
  });
  const path = `/api/conversations/${conversation.id}/attachments?name=long.txt`;
  const response = await alice.request(path, { method: 'POST', body: 'a'.repeat(200_000) });
  expect([response.status, heldBytes, held.total]).toEqual([200, [200_000], 0]);
});
