/** Gzip for pages, parts and assets: half of the page budget is htmx alone. Streams and `/v1` are never touched. */
import { Elysia } from 'elysia';

const COMPRESSIBLE = /^(text\/(html|css|javascript)|application\/javascript|image\/svg\+xml)/;
/** Below this, gzip's own bytes and time are not worth it. */
const BYTES_MIN = 1_024;

/** Compressed assets by URL, which changes with their content. */
const kept = new Map<string, Uint8Array<ArrayBuffer>>();

export const compression = new Elysia({ name: 'compression' }).mapResponse(
  { as: 'scoped' },
  async ({ responseValue: response, request, set }) => {
    if (!(response instanceof Response) || response.status !== 200) return;
    if (!COMPRESSIBLE.test(response.headers.get('content-type') ?? '')) return;
    if (!/\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')) return;
    const { pathname, search } = new URL(request.url);
    const isAsset = pathname.startsWith('/assets/') && search !== '';
    const cached = isAsset ? kept.get(pathname + search) : undefined;
    const bytes = cached ?? (await gzip(response));
    if (!bytes) return;
    if (isAsset) kept.set(pathname + search, bytes);
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

async function gzip(response: Response): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const plain = new Uint8Array(await response.clone().arrayBuffer());
  return plain.length < BYTES_MIN ? undefined : Bun.gzipSync(plain);
}
