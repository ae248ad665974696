import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { hostname } from 'node:os';
import { PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({
    env: { ROUTER_PUBLIC_BASE_URL: 'https://agents.example.org', ALLOWED_HOSTS: 'agents.lan,box.lan' },
  });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

/** Status of an unsafe request with these headers of a browser. */
async function change(headers: Record<string, string>): Promise<number> {
  const body = new URLSearchParams({ backend: 'echo', seconds: '900' });
  return (await alice.request('/settings/idle', { method: 'POST', body, headers })).status;
}

describe('law 21: an unsafe request proves its origin', () => {
  test.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://localhost' },
    { origin: 'https://evil.example' },
    { origin: 'http://localhost:3000' },
    { origin: 'https://agents.example.org:8443' },
    { origin: 'https://agents.example.org.evil.example' },
    { origin: 'null' },
    { origin: '' },
  ])('%j is refused', async (headers) => {
    expect(await change(headers as Record<string, string>)).toBe(403);
  });

  test.each([
    {},
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: 'http://localhost' },
    { origin: 'https://agents.example.org' },
    { host: '127.0.0.1:18000', origin: 'http://127.0.0.1:18000' },
  ])('%j is accepted', async (headers) => {
    expect(await change(headers as Record<string, string>)).toBe(303);
  });

  test('every unsafe method is checked, a safe one is not', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' };
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect([method, (await alice.request('/v1/models', { method, headers })).status]).toEqual([method, 403]);
    }
    for (const method of ['GET', 'HEAD']) {
      expect([method, (await alice.request('/auth/me', { method, headers })).status]).toEqual([method, 200]);
    }
  });
});

describe('law 21: a Host that is not ours is refused', () => {
  const statusAt = async (host: string) => (await alice.request('/auth/me', { headers: { host } })).status;

  test.each([
    'rebound.example',
    'localhost.rebound.example',
    'agents.lan.rebound.example',
    '127.0.0.1.rebound.example',
    '0x7f.1',
    'l',
    'abc:1',
    'lan',
  ])('%s', async (host) => expect(await statusAt(host)).toBe(421));

  test.each([
    'localhost',
    'localhost:18000',
    'LOCALHOST',
    '127.0.0.1:18000',
    '192.168.7.9',
    '[::1]:18000',
    'agents.lan',
    'box.lan:18000',
    'agents.example.org',
    hostname(),
  ])('but %s is ours', async (host) => expect(await statusAt(host)).toBe(host.length > 3 ? 200 : 421));

  test('the assets and the health are refused as well', async () => {
    for (const path of ['/assets/app.js', '/healthz', '/v1/models', '/']) {
      const response = await router.request(path, { headers: { host: 'rebound.example' } });
      expect([path, response.status]).toEqual([path, 421]);
    }
  });
});

describe("law 21: the content security policy is 'self'", () => {
  test('is sent with every page', async () => {
    const home = (await alice.request('/')).headers.get('location') ?? '';
    for (const path of [home, '/settings', '/sign-in', '/assets/app.js', '/nowhere']) {
      const person = path.startsWith('/sign-') ? router : alice;
      const { headers } = await person.request(path, { headers: { accept: 'text/html' } });
      const policy = headers.get('content-security-policy') ?? '';
      expect([path, policy]).toEqual([
        path,
        expect.stringContaining("default-src 'self'; script-src 'self'; style-src"),
      ]);
      expect(policy).not.toMatch(/unsafe|\*|https?:/);
    }
  });

  test('forbids nothing that a page contains', async () => {
    const home = (await alice.request('/')).headers.get('location') ?? '';
    for (const path of [home, '/settings', '/sign-in', '/sign-up', '/nowhere']) {
      const person = path.startsWith('/sign-') ? router : alice;
      const page = await (await person.request(path, { headers: { accept: 'text/html' } })).text();
      const scripts = await all(page, 'script, link[rel=stylesheet]');
      expect(scripts.length).toBeGreaterThan(2);
      for (const { attributes, text } of scripts) {
        expect([attributes.src ?? attributes.href, text]).toEqual([expect.stringMatching(/^\/assets\/\S+$/), '']);
      }
      expect(
        await all(page, 'style, [style], [onclick], [onload], [onerror], [onsubmit], [hx-on], base, iframe'),
      ).toEqual([]);
      expect(page).not.toMatch(/\s(on[a-z]+|hx-on[^=\s]*)=|javascript:|="js:/);
    }
  });
});
