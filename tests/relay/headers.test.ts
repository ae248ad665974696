/** Law 12: what crosses between client and runner, and which paths may be asked for. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

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

/** Sends bytes that no HTTP client would, and returns the answer. */
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
  expect(headers.get('content-security-policy')).toStartWith("default-src 'self'");
  expect([headers.get('x-frame-options'), headers.get('x-content-type-options')]).toEqual(['DENY', 'nosniff']);
  expect(headers.get('x-request-id')).toMatch(/^req-[0-9a-f]{24}$/);
  for (const name of ['set-cookie', 'content-encoding', 'access-control-allow-origin', 'clear-site-data', 'refresh']) {
    expect([name, headers.get(name)]).toEqual([name, null]);
  }
  expect([headers.get('location'), headers.get('link'), headers.get('server')]).toEqual([null, null, null]);
});

test('law 12: what a runner compresses against our wish arrives readable and is not called compressed', async () => {
  const body = JSON.stringify({ text: 'plain '.repeat(100) });
  runner.reply = () =>
    new Response(Bun.gzipSync(body), { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } });
  const response = await ask();
  expect(response.headers.get('content-encoding')).toBeNull();
  expect(await response.text()).toBe(body);
});

test('law 12: markup or script of a runner is never served as such', async () => {
  for (const type of ['text/html', 'TEXT/HTML; charset=utf-8', 'image/svg+xml', 'text/javascript', 'application/xml']) {
    runner.reply = () => new Response('<script>alert(1)</script>', { headers: { 'content-type': type } });
    const response = await ask();
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  }
  runner.reply = () => new Response(new Uint8Array([60, 98, 62]));
  expect((await ask()).headers.get('content-type')).toBe('application/octet-stream');
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
    expect([path, /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]]).toEqual([path, '404']);
  }
  expect(runner.requests).toHaveLength(count);
});
