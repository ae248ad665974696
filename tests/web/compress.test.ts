/** Compressed assets are cached once each, and requests cannot add more entries. */
import { heapStats } from 'bun:jsc';
import { expect, test } from 'bun:test';
import { PEOPLE, startRouter } from '../support/router';

const arrays = () => {
  Bun.gc(true);
  return heapStats().objectTypeCounts.Uint8Array ?? 0;
};

test.each([
  ['another version', (n: number) => `/assets/htmx.js?v=${n}${'x'.repeat(500)}`],
  ['another query', (n: number) => `/assets/app.css?${n}`],
  ['a path that is written in another way', (n: number) => `/assets/%61pp.css?v=${n}`],
  ['a page', (n: number) => `/sign-in?next=/${n}`],
])('%s adds nothing to what is kept', async (_, pathOf) => {
  await using router = await startRouter();
  const get = async (n: number) => {
    const response = await router.request(pathOf(n), { headers: { 'accept-encoding': 'gzip' } });
    await response.bytes();
    return response;
  };
  await get(0);
  const before = arrays();
  for (let n = 1; n <= 300; n += 1) await get(n);
  expect(arrays() - before).toBeLessThan(100);
});

test('an asset is served compressed under the URL in pages, with the same content as uncompressed', async () => {
  await using router = await startRouter();
  const page = await (await router.request('/sign-in')).text();
  const href = /href="(\/assets\/[^"]+\.css[^"]*)"/.exec(page)?.[1] ?? '';
  const [gzip, plain] = await Promise.all([
    router.request(href, { headers: { 'accept-encoding': 'gzip' } }),
    router.request(href),
  ]);
  expect([gzip.headers.get('content-encoding'), plain.headers.get('content-encoding')]).toEqual(['gzip', null]);
  expect(Buffer.from(Bun.gunzipSync(await gzip.bytes())).equals(Buffer.from(await plain.bytes()))).toBe(true);
});

test('a page that is compressed in a thread is what it is without', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const agent = (await alice.request('/')).headers.get('location') ?? '';
  const form = new URLSearchParams({ text: '< & '.repeat(40_000) });
  const said = await alice.request(`${agent}/conversations`, { method: 'POST', body: form });
  const path = said.headers.get('location') ?? '';
  const get = (encoding: string) =>
    alice.request(path, { headers: { accept: 'text/html', 'accept-encoding': encoding } });
  const [gzip, plain] = [await get('gzip'), await get('identity')];
  expect(gzip.headers.get('content-encoding')).toBe('gzip');
  const text = await plain.text();
  expect(text.length).toBeGreaterThan(100_000);
  const unpacked = Buffer.from(Bun.gunzipSync(await gzip.bytes())).toString();
  // The answer may have grown between the two.
  const message = /<article.*?<\/article>/s;
  expect(message.exec(unpacked)?.[0]).toBe(message.exec(text)?.[0] ?? '');
});
