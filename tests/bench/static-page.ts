/** A page of the router as static files, served by themselves: what a browser takes for the same bytes. */
import type { RouterUnderTest } from './router';

interface StaticFile {
  readonly text: string;
  readonly type: string;
  /** A browser takes longer for a page that wants a process of its own. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const HTML = 'text/html; charset=utf-8';
/** What the static page has its own of. */
const OWN_HEADERS = /^(content-|transfer-|set-cookie|date)/;

/**
 * The address of the first page, and its files by their paths. Its scripts are loaded, so that both pages have the same size,
 * and do not run.
 */
export async function firstPageOf({ server, cookie }: RouterUnderTest) {
  const read = (path: string) => fetch(server.url + path, { headers: { cookie } });
  const page = await read('/');
  const inert = (await page.text()).replaceAll(
    /<script\b[^>]*\bsrc="([^"]+)"[^>]*><\/script>/g,
    '<link rel="preload" href="$1" as="script">',
  );
  const headers = Object.fromEntries([...page.headers].filter(([name]) => !OWN_HEADERS.test(name)));
  const files = new Map<string, StaticFile>([['/first', { text: inert, type: HTML, headers }]]);
  const urls = [...inert.matchAll(/\bhref="(\/assets\/[^"#]+\.(?:css|js|svg)\b[^"#]*)/g)].map(([, url = '']) => url);
  for (const path of new Set(urls)) {
    const file = await read(path);
    const type = file.headers.get('content-type') ?? '';
    const kept = { 'cache-control': file.headers.get('cache-control') ?? '' };
    files.set(path.replace(/\?.*/, ''), { text: await file.text(), type, headers: kept });
  }
  return { url: page.url, files: Object.fromEntries(files) };
}

export function serveStatic(files: Readonly<Record<string, StaticFile>>) {
  const bodies = new Map(Object.entries(files).map(([path, { text }]) => [path, Bun.gzipSync(text)]));
  return Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: ({ url }) => {
      const { pathname } = new URL(url);
      const { type = HTML, headers } = files[pathname] ?? {};
      const all = { ...headers, 'content-type': type, 'content-encoding': 'gzip' };
      return new Response(bodies.get(pathname) ?? null, { status: bodies.has(pathname) ? 200 : 404, headers: all });
    },
  });
}
