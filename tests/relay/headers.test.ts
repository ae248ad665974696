/** Law 12: the headers that pass between client and runner, and the paths that may be requested. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('relay-headers');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('scripted', { paths: ['chat/completions', 'files', 'files/*'] }, runner.program)],
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());

const chat = { model: 'scripted', messages: [{ role: 'user', content: 'Hi' }] };

function ask(headers: Record<string, string> = {}, path = '/v1/chat/completions'): Promise<Response> {
  return fetch(router.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(chat),
  });
}

/** Sends bytes that no HTTP client would send, and returns the answer. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(router.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (data) => {
      answer += data;
    });
    socket.on('error', reject);
    socket.on('end', () => resolve(answer));
  });
}

test('law 12: a runner gets the headers of the allow-list and nothing else of the client', async () => {
  runner.reply = () => completion('Hello.');
  const allowed = { accept: 'application/json', 'content-type': 'application/json', 'openai-beta': 'assistants=v2' };
  const refused = {
    cookie: alice.cookie,
    origin: router.url,
    referer: `${router.url}/`,
    'sec-fetch-site': 'same-origin',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'evil.example',
    'x-real-ip': '10.0.0.1',
    forwarded: 'for=10.0.0.1',
    'x-openclaw-scopes': 'admin',
    'x-hermes-session-id': 'somebody',
    'x-api-key': 'mine',
    'x-conversation-id-x': 'c',
    'user-agent': 'a client',
    te: 'trailers',
    'proxy-authorization': 'Basic eA==',
  };
  const response = await ask({ ...allowed, ...refused });
  expect(response.status).toBe(200);
  const seen = runner.requests.at(-1)?.headers ?? new Headers();
  for (const [name, value] of Object.entries(allowed)) expect(seen.get(name)).toBe(value);
  for (const [name, value] of Object.entries(refused)) expect(seen.get(name)).not.toBe(value);
  expect([...seen.keys()].sort()).toEqual([
    'accept',
    'accept-encoding',
    'authorization',
    'content-length',
    'content-type',
    'host',
    'openai-beta',
  ]);
  expect(seen.get('accept-encoding')).toBe('identity');
  expect(seen.get('host')).toStartWith('127.0.0.1:');
  expect(seen.get('host')).not.toBe(new URL(router.url).host);
  expect(seen.get('authorization')).toMatch(/^Bearer ak-/);
});

test('law 12: a client gets the headers of the allow-list and nothing else of the runner', async () => {
  runner.reply = () =>
    new Response('{}', {
      headers: {
        'content-type': 'application/json',
        'retry-after': '3',
        'openai-processing-ms': '12',
        'set-cookie': 'agent_stack_session=stolen',
        'content-encoding': 'identity',
        'access-control-allow-origin': '*',
        'content-security-policy': 'script-src *',
        'x-frame-options': 'ALLOWALL',
        'x-request-id': 'the-runners',
        'clear-site-data': '"cookies"',
        refresh: '0; url=https://evil.example',
        location: 'https://evil.example',
        link: '<https://evil.example>; rel=preload',
        server: 'a runner',
      },
    });
  const { headers } = await ask();
  expect([headers.get('retry-after'), headers.get('openai-processing-ms')]).toEqual(['3', '12']);
  expect(headers.get('content-security-policy')).toStartWith("sandbox; default-src 'none'");
  expect([headers.get('x-frame-options'), headers.get('x-content-type-options')]).toEqual(['DENY', 'nosniff']);
  expect(headers.get('x-request-id')).toMatch(/^req-[0-9a-f]{24}$/);
  for (const name of ['set-cookie', 'content-encoding', 'access-control-allow-origin', 'clear-site-data', 'refresh']) {
    expect([name, headers.get(name)]).toEqual([name, null]);
  }
  expect([headers.get('location'), headers.get('link'), headers.get('server')]).toEqual([null, null, null]);
});

test('law 12: a body that a runner compresses without being asked arrives decompressed, without that header', async () => {
  const body = JSON.stringify({ text: 'plain '.repeat(100) });
  runner.reply = () =>
    new Response(Bun.gzipSync(body), { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } });
  const response = await ask();
  expect(response.headers.get('content-encoding')).toBeNull();
  expect(await response.text()).toBe(body);
});

/** Content type of the runner → content type for the client. */
const BYTES = 'application/octet-stream';
const MEDIA_TYPES: readonly (readonly [string, string])[] = [
  ['application/json', 'application/json'],
  ['APPLICATION/Json;charset="UTF-8"', 'application/json; charset=utf-8'],
  ['text/plain; charset=utf-8; format=flowed; boundary=x', 'text/plain; charset=utf-8'],
  ['text/plain;charset=utf-7', 'text/plain'],
  ['text/plain; charset=utf-8; charset=utf-8', 'text/plain; charset=utf-8'],
  ['audio/L16; rate=24000; channels=1', 'audio/l16; rate=24000; channels=1'],
  ['audio/mpeg', 'audio/mpeg'],
  ['image/png', 'image/png'],
  // Of several types a browser uses the last.
  ...[
    'text/plain, text/html',
    'text/plain,text/html',
    'text/plain; x=",", text/html',
    'application/json, text/html;x',
  ].map(asBytes),
  ...[
    'text/plain, text/plain',
    'text/event-stream, text/html',
    ',text/html',
    'text/html',
    'TEXT/HTML; charset=utf-8',
  ].map(asBytes),
  // Types that a browser runs or shows as a document, and invalid types.
  ...['image/svg+xml', 'text/javascript', 'application/xml', 'application/xhtml+xml', 'text/xml', 'text/css'].map(
    asBytes,
  ),
  ...[
    'application/pdf',
    'multipart/x-mixed-replace; boundary=a',
    'message/rfc822',
    'text/plainhtml',
    'text/plain text/html',
  ].map(asBytes),
  ...[
    'text/event-streams',
    'application/jsonp',
    'application/json-seq',
    '*/*',
    'text',
    ';',
    `text/plain;${'x'.repeat(300)}`,
  ].map(asBytes),
  ...['audio/mpeg+<html>', 'image/png text/html', 'text /html', 'application/wasm', 'font/woff2', 'video/mp4'].map(
    asBytes,
  ),
];
function asBytes(said: string): [string, string] {
  return [said, BYTES];
}

test.each(MEDIA_TYPES)(
  'law 12: an answer that calls itself %p is served as %p, and never as a document',
  async (said, served) => {
    runner.reply = () => new Response('<script>alert(1)</script>', { headers: { 'content-type': said } });
    const response = await ask();
    expect(response.headers.get('content-type')).toBe(served);
    expectData(response);
    expect(await response.text()).toBe('<script>alert(1)</script>');
  },
);

test('law 12: two headers for one type, and none, are bytes', async () => {
  runner.reply = () =>
    new Response('<b>', {
      headers: [
        ['content-type', 'text/plain'],
        ['content-type', 'text/html'],
      ],
    });
  expect((await ask()).headers.get('content-type')).toBe(BYTES);
  runner.reply = () => new Response(new Uint8Array([60, 98, 62]));
  expect((await ask()).headers.get('content-type')).toBe(BYTES);
});

/** No browser shows this as a document. */
function expectData({ headers }: Response): void {
  expect(headers.get('content-security-policy')).toStartWith("sandbox; default-src 'none'");
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('x-frame-options')).toBe('DENY');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
}

test('law 12: every answer is data: whole, streamed, refused, waited for, translated, kept or repeated', async () => {
  const html = { headers: { 'content-type': 'text/plain, text/html' } };
  const send = (path: string, body: object, headers = {}) =>
    fetch(router.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  runner.reply = () => new Response('x'.repeat(100_000), html);
  expectData(await ask());
  runner.reply = () => new Response('<b>No.</b>', { ...html, status: 418 });
  const refused = await ask();
  expect([refused.status, refused.headers.get('content-type')]).toEqual([418, BYTES]);
  expectData(refused);
  const stream = pipe();
  runner.reply = () => stream.response();
  const streamed = send('/v1/chat/completions', { ...chat, stream: true });
  await runner.request(runner.requests.length + 1);
  const waiting = await streamed;
  expect(waiting.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expectData(waiting);
  stream.write(DONE);
  stream.close();
  await waiting.text();
  runner.reply = () => completion('Hello.');
  const input = { model: 'scripted', input: 'Hi', store: true };
  const translated = await send('/v1/responses', input);
  expectData(translated);
  const { id } = (await translated.json()) as { id: string };
  expectData(await fetch(`${router.url}/v1/responses/${id}`, { headers: { authorization: `Bearer ${key}` } }));
  for (const isAgain of [false, true]) {
    const once = await send('/v1/chat/completions', chat, { 'idempotency-key': 'once' });
    expect(once.headers.has('idempotent-replayed')).toBe(isAgain);
    expectData(once);
  }
  expectData(await send('/v1/chat/completions', { ...chat, model: 'nobody' }));
});

test('law 12: a browser that is led to /v1 reaches no runner with its cookie', async () => {
  const count = runner.requests.length;
  const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: 'text/html,*/*;q=0.8' };
  const refused: Record<string, string>[] = [
    ...['none', 'same-origin', 'same-site', 'cross-site'].map((site) => ({ 'sec-fetch-site': site, ...navigation })),
    ...['document', 'iframe', 'image', 'script', 'object', 'embed', 'frame', 'style', 'video', 'worker'].map(
      (dest) => ({
        'sec-fetch-site': 'same-origin',
        'sec-fetch-dest': dest,
      }),
    ),
    ...['no-cors', 'navigate', 'websocket', 'nested-navigate'].map((mode) => ({
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': mode,
    })),
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    { 'sec-fetch-mode': 'navigate' },
    { 'sec-fetch-dest': 'document' },
    // Over plain HTTP, a browser sends only these headers.
    { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
    { 'upgrade-insecure-requests': '1' },
    { origin: 'http://localhost:9999' },
    { origin: 'null' },
  ];
  for (const headers of refused) {
    for (const path of [
      '/v1/files?model=scripted',
      '/v1/files/a?model=scripted',
      '/v1/models',
      '/v1/models/scripted',
    ]) {
      const { status } = await alice.request(path, { headers });
      expect([headers, path, status]).toEqual([headers, path, 401]);
    }
  }
  expect(runner.requests).toHaveLength(count);
  // The same request with a key, which no browser adds by itself.
  runner.reply = () => Response.json({ data: [] });
  const authorization = `Bearer ${key}`;
  expect((await router.request('/v1/files?model=scripted', { headers: { ...navigation, authorization } })).status).toBe(
    200,
  );
});

test('a script of our own page and a program may still come with the cookie', async () => {
  runner.reply = () => completion('Hello.');
  const own = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' };
  for (const headers of [own, {}, { origin: 'http://localhost' }] as Record<string, string>[]) {
    const posted = await alice.request('/v1/chat/completions', { method: 'POST', headers, body: chat });
    expect([headers, posted.status]).toEqual([headers, 200]);
    expect([headers, (await alice.request('/v1/models', { headers })).status]).toEqual([headers, 200]);
  }
});

test('a path that only has a POST refuses other methods, and unknown methods are refused everywhere', async () => {
  const count = runner.requests.length;
  const authorization = `Bearer ${key}`;
  for (const path of ['/v1/chat/completions', '/v1/chat/completions?model=scripted', '/v1/responses?model=scripted']) {
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const { status, headers } = await router.request(path, { method, headers: { authorization } });
      expect([method, path, status, headers.get('allow')]).toEqual([method, path, 405, 'POST']);
    }
  }
  for (const method of ['OPTIONS', 'PROPFIND']) {
    const { status, headers } = await router.request('/v1/files?model=scripted', {
      ...{ method, headers: { authorization } },
    });
    expect([method, status, headers.get('allow')]).toEqual([method, 405, 'GET, HEAD, POST, PUT, PATCH, DELETE']);
  }
  expect(runner.requests).toHaveLength(count);
  runner.reply = () => Response.json({ data: [] });
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    const { status } = await router.request('/v1/files?model=scripted', { method, headers: { authorization } });
    expect([method, status]).toEqual([method, 200]);
  }
});

test('a redirect by a runner is not followed, and does not say where to', async () => {
  runner.reply = () => Response.redirect('http://169.254.169.254/latest/meta-data', 307);
  const response = await fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    redirect: 'manual',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(chat),
  });
  expect([response.status, response.headers.get('location')]).toEqual([307, null]);
});

test('law 12: a path is passed on as it is, with its query, when the backend allows it', async () => {
  runner.reply = () => Response.json({ ok: true });
  const asked = ['/v1/files/a%20b/c?limit=2&q=%2F..', '/v1/files?purpose=x'];
  for (const path of asked) expect((await ask({}, path)).status).toBe(200);
  expect(runner.requests.slice(-2).map(({ path }) => path)).toEqual(asked);
  for (const path of ['/v1/embeddings', '/v1/filesystem', '/v1/chat', '/v1/chat/completions/x', '/v1/']) {
    expect([path, (await ask({}, path)).status]).toEqual([path, 404]);
  }
});

test('law 12: dot segments and hidden separators never reach a runner', async () => {
  const { host } = new URL(router.url);
  const count = runner.requests.length;
  const paths = [
    '/v1/files/../admin',
    '/v1/files/../../admin',
    '/v1/files/./x/../../admin',
    '/v1/files/%2e%2e/admin',
    '/v1/files/.%2E/admin',
    '/v1/files/..%2fadmin',
    '/v1/files/%2e%2e%2fadmin',
    '/v1/files/..%5Cadmin',
    '/v1/files\\..\\admin',
    '/v1/files//admin',
    '/v1/files/x%00',
    '/v1/files/..;/admin%2F',
    '//v1/files/x',
  ];
  const body = JSON.stringify(chat);
  for (const path of paths) {
    const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n`;
    const answer = await raw(`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    // Of /admin, which nobody may post to.
    const status = path === '/v1/files/../../admin' ? '405' : '404';
    expect([path, /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]]).toEqual([path, status]);
  }
  expect(runner.requests).toHaveLength(count);
});
