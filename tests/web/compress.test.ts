/** Compressed assets are cached once each, and requests cannot add more entries. */
import { heapStats } from 'bun:jsc';
import { expect, test } from 'bun:test';
import { startRouter } from '../support/router';

const arrays = () => {
  Bun.gc(true);
  return heapStats().objectTypeCounts.Uint8Array ?? 0;
};

test.each([
  ['another version', (n: number) => `/assets/htmx/htmx.min.js?v=${n}${'x'.repeat(500)}`],
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
