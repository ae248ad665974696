/** Law 22: what a library fetches goes through our client, to addresses that are checked, and within bounds. */
import { afterAll, expect, test } from 'bun:test';
import { upstreamAddresses } from '../../router/net/address-policy';
import { libraryFetch } from '../../router/net/library-fetch';

const seen: { method: string; body: string; accept: string | null }[] = [];
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  routes: {
    '/redirect': () => Response.redirect('/told'),
    '/long': () => new Response('x'.repeat(10_000)),
    '/empty': () => new Response(null, { status: 204 }),
    '/silent': () => new Promise<Response>(() => {}),
    '/told': async (request) => {
      seen.push({ method: request.method, body: await request.text(), accept: request.headers.get('accept') });
      return Response.json({ ok: true }, { headers: { 'set-cookie': 'a=b', 'www-authenticate': 'Basic' } });
    },
  },
});
afterAll(() => server.stop(true));

const HOSTS: Record<string, string[]> = {
  'login.example.org': ['127.0.0.1'],
  'public.example.org': ['93.184.215.14'],
  'metadata.example.org': ['169.254.169.254'],
};

const words = {
  unknown: (host: string) => `ISSUER: nobody knows ${host}`,
  refused: (problem: string) => `ISSUER: ${problem}.`,
  ...{ ours: 'That is the router itself', platform: 'That is the platform' },
};

function fetcher(home: string, { limitMs = 10_000 } = {}) {
  const policy = { allowPrivate: true, ownPorts: [1], words };
  const lookup = async (host: string) => HOSTS[host] ?? [];
  const addresses = upstreamAddresses({ policy, lookup, now: () => performance.now() });
  return libraryFetch({ addresses, home, bytesMax: 1_000, limitMs });
}

const get = { method: 'GET', headers: { accept: 'application/json' } };
const at = (path: string) => `http://login.example.org:${server.port}${path}`;

test('a form is sent, and the answer has only the headers that libraries read', async () => {
  const body = new URLSearchParams({ code: 'a b' });
  const answer = await fetcher(at('/'))(at('/told?p=1'), { method: 'POST', headers: new Headers(get.headers), body });
  expect([answer.status, await answer.json()]).toEqual([200, { ok: true }]);
  expect(Object.fromEntries(answer.headers)).toEqual({
    'content-type': expect.stringContaining('application/json'),
    'www-authenticate': 'Basic',
  });
  expect(seen).toEqual([{ method: 'POST', body: 'code=a+b', accept: 'application/json' }]);
});

test('a redirect is not followed, an answer without a body has none, and of a long one the beginning is read', async () => {
  const fetch = fetcher(at('/'));
  expect((await fetch(at('/redirect'), get)).status).toBe(302);
  expect((await fetch(at('/empty'), get)).body).toBeNull();
  expect((await (await fetch(at('/long'), get)).text()).length).toBe(1_000);
});

test('a server that does not answer is given up', async () => {
  const given = fetcher(at('/'), { limitMs: 50 })(at('/silent'), get);
  expect(given).rejects.toMatchObject({ name: 'TimeoutError' });
  await given.catch(() => undefined);
});

test.each([
  ['http://metadata.example.org/keys', 'ISSUER: Link-local, metadata and other special addresses are never called.'],
  ['http://127.0.0.1:1/', 'ISSUER: That is the router itself.'],
  ['http://nowhere.example.org/', undefined],
])('%s is not called', async (url, message) => {
  const refused = fetcher(at('/'))(url, get);
  await refused.then(
    () => expect.unreachable(),
    (error: Error) => expect(error.message).toBe(message ?? error.message),
  );
});

test('a public issuer leads to no private address', async () => {
  await fetcher('https://public.example.org/')(at('/told'), get).then(
    () => expect.unreachable(),
    (error: Error) =>
      expect(error.message).toBe(
        `public.example.org leads to the private address of login.example.org:${server.port}.`,
      ),
  );
});
