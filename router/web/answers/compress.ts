/**
 * Gzip for pages, parts and assets: htmx alone is half of the page budget. Streams of the router's own events compress
 * themselves (streams/gzip.ts); `/v1` is never compressed.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Elysia } from 'elysia';
import { acceptsGzip } from '../streams/gzip';
import { isAssetPath } from './assets';

const COMPRESSIBLE = /^(text\/(html|css|javascript)|application\/javascript|image\/svg\+xml)/;
/** Bytes. For shorter bodies, the overhead of gzip outweighs its gain. */
const BYTES_MIN = 1_024;
/** Bytes that are compressed on the event loop, in 2 ms. Longer bodies go to a thread, which costs more than that. */
const AT_ONCE_BYTES_MAX = 100_000;
const gzipInThread = promisify(gzip);

/** Compressed assets by path. Without the query, because a client can request an asset with any query. */
const kept = new Map<string, Uint8Array<ArrayBuffer>>();

export const compression = new Elysia({ name: 'compression' }).mapResponse(
  { as: 'scoped' },
  async ({ responseValue: response, request, set }) => {
    if (!(response instanceof Response) || response.status !== 200) return;
    if (!COMPRESSIBLE.test(response.headers.get('content-type') ?? '')) return;
    if (!acceptsGzip(request.headers)) return;
    const { pathname } = new URL(request.url);
    const isAsset = isAssetPath(pathname);
    const cached = isAsset ? kept.get(pathname) : undefined;
    const bytes = cached ?? (await compressed(response));
    if (!bytes) return;
    if (isAsset) kept.set(pathname, bytes);
    const headers = new Headers(response.headers);
    for (const [name, value] of Object.entries(set.headers)) {
      if (typeof value === 'string' && !headers.has(name)) headers.set(name, value);
    }
    headers.set('content-encoding', 'gzip');
    headers.set('vary', 'accept-encoding');
    headers.delete('content-length');
    return new Response(bytes, { headers });
  },
);

/** `undefined` for a body that is too short. */
async function compressed(response: Response): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const plain = new Uint8Array(await response.clone().arrayBuffer());
  if (plain.length < BYTES_MIN) return undefined;
  return plain.length > AT_ONCE_BYTES_MAX ? gzipInThread(plain) : Bun.gzipSync(plain);
}
