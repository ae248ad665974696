/**
 * Law 21 on the wire: requests that no `Request` object can express, and what the server makes of them before it
 * chooses a route.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { createGuard } from '../../router/web/guard';
import { startRouter, type TestRouter } from '../support/router';

let router: TestRouter;

beforeAll(async () => {
  router = await startRouter({
    env: { ALLOWED_HOSTS: 'chat.example.org', ROUTER_PUBLIC_BASE_URL: 'https://public.example.org' },
  });
});
afterAll(() => router[Symbol.asyncDispose]());

/** Sends a request line and headers unchanged, and returns the answer. */
function raw(...lines: string[]): Promise<string> {
  const { hostname, port } = new URL(router.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
    socket.setEncoding('utf8');
    socket.on('data', (data) => {
      answer += data;
    });
    socket.on('error', reject);
    socket.on('end', () => resolve(answer));
  });
}

const get = (path: string, host: string) => raw(`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close');
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

test('law 21: a Host that is not ours, or is invalid, is refused', async () => {
  const hosts = ['rebound.example', 'localhost.', '127.1', 'x/healthz', 'localhost, localhost', 'u@localhost', '[::1'];
  for (const host of hosts) expect([host, statusOf(await get('/healthz', host))]).toEqual([host, 421]);
});

test('law 21: names that are listed and addresses are ours, with any port', async () => {
  const { port } = new URL(router.url);
  const hosts = [`localhost:${port}`, 'Chat.Example.org:8443', 'public.example.org', '192.168.1.20:18000', '[fd00::1]'];
  for (const host of hosts) expect([host, statusOf(await get('/healthz', host))]).toEqual([host, 200]);
});

test('law 21: a Host as short as `a` does not lead to another route', async () => {
  for (const host of ['a', 'a:1', 'abc']) {
    const answer = await get('/zzz/healthz', host);
    expect([host, statusOf(answer), answer.includes('"ok":true')]).toEqual([host, 421, false]);
  }
});

test('law 21: a short name is ours with its port, which is all that Elysia needs to find the path', () => {
  const guard = createGuard({ allowedHosts: ['nas'] });
  const asked = (host: string) => guard.check(new Request('http://localhost/x', { headers: { host } }));
  expect(() => asked('nas:18000')).not.toThrow();
  expect(() => asked('nas')).toThrow('does not accept requests for the host "nas"');
});

test('law 21: a request without a Host is refused', async () => {
  expect(statusOf(await raw('GET /healthz HTTP/1.1', 'Connection: close'))).toBe(400);
  expect(statusOf(await raw('GET /healthz HTTP/1.0'))).toBe(421);
});

test('law 21: the refusal names the setting, in the shape of the door', async () => {
  const answer = await get('/v1/models', 'rebound.example');
  expect(answer).toContain('"error":{"message":');
  expect(answer).toContain('ALLOWED_HOSTS');
  expect(answer.toLowerCase()).toContain('x-request-id: req-');
});

test('law 21: every route is guarded, for every caller', async () => {
  for (const path of ['/auth/login', '/api/runners/echo/idle', '/settings/keys', '/v1/chat/completions', '/', '/x']) {
    const evil = await raw(
      `POST ${path} HTTP/1.1`,
      'Host: localhost',
      'Origin: http://localhost:3',
      'Connection: close',
    );
    expect([path, statusOf(evil)]).toEqual([path, 403]);
  }
});
