/** TRUST_PROXY: from whose headers the address of a client is taken. */
import { describe, expect, test } from 'bun:test';
import { ADMIN, startRouter, type TestRouter } from '../support/router';

const proxied = (told?: string) => startRouter(told === undefined ? {} : { env: { TRUST_PROXY: told } });

/** The address that the router has of a client whose sign-in comes with these headers. */
async function seen(router: TestRouter, headers: Record<string, string>): Promise<string> {
  const { email, password } = ADMIN;
  const answer = await fetch(`${router.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ email, password }),
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  const list = await (await router.request('/api/me/sessions', { headers: { cookie } })).json();
  return list.sessions.find(({ current }: { current: boolean }) => current).address;
}
const via = (...hops: string[]) => ({ 'x-forwarded-for': hops.join(', ') });

describe('the address of a client', () => {
  test('is that of the connection, whatever headers say, as long as no proxy is trusted', async () => {
    await using router = await proxied();
    expect(await seen(router, via('203.0.113.7'))).toBe('127.0.0.1');
  });

  test('is not taken from the headers of a client that is no trusted proxy', async () => {
    await using router = await proxied('10.0.0.0/8');
    expect(await seen(router, via('203.0.113.7'))).toBe('127.0.0.1');
  });

  test('is the last one that no trusted proxy has: what a client writes before it counts for nothing', async () => {
    await using router = await proxied('loopback, 10.0.0.0/8');
    expect(await seen(router, via('203.0.113.7'))).toBe('203.0.113.7');
    expect(await seen(router, via('198.51.100.1', '203.0.113.7', '10.1.2.3'))).toBe('203.0.113.7');
    expect(await seen(router, via('2001:db8::7'))).toBe('2001:db8::7');
    expect(await seen(router, {})).toBe('127.0.0.1');
  });

  test('is never a text that is no address, nor what stands before one', async () => {
    await using router = await proxied('loopback,10.0.0.0/8');
    for (const junk of ['unknown', '<b>203.0.113.7</b>', '203.0.113.7:4711', '']) {
      expect([junk, await seen(router, via(junk))]).toEqual([junk, '127.0.0.1']);
      expect([junk, await seen(router, via('198.51.100.1', junk, '10.1.2.3'))]).toEqual([junk, '10.1.2.3']);
    }
  });
});

test('behind a trusted proxy each address has its own limit of wrong passwords', async () => {
  await using router = await proxied('loopback');
  const guess = async (address: string, n: number) =>
    (
      await fetch(`${router.url}/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...via(address) },
        body: JSON.stringify({ email: `nobody-${n}@example.org`, password: 'not-the-password' }),
      })
    ).status;
  const statuses = new Set<number>();
  for (let n = 0; n < 31; n += 1) statuses.add(await guess('203.0.113.7', n));
  expect([...statuses]).toEqual([401, 429]);
  expect(await guess('203.0.113.8', 99)).toBe(401);
});

test('a link has the scheme that a trusted proxy names, and no other', async () => {
  const linkOf = async (router: TestRouter, told: string) => {
    const { cookie } = await router.person(ADMIN);
    const headers = { cookie, 'content-type': 'application/json', 'x-forwarded-proto': told };
    const answer = await fetch(`${router.url}/api/admin/invitations`, { method: 'POST', headers, body: '{}' });
    return (await answer.json()).url as string;
  };
  await using trusting = await proxied('loopback');
  expect(await linkOf(trusting, 'https')).toStartWith('https://127.0.0.1:');
  expect(await linkOf(trusting, 'javascript')).toStartWith('http://127.0.0.1:');
  await using wary = await proxied();
  expect(await linkOf(wary, 'https')).toStartWith('http://127.0.0.1:');
});
