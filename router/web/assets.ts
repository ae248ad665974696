/** Styles, scripts and icons: from `views/assets` and htmx's package, with a version in the URL and compressed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { staticPlugin } from '@elysiajs/static';
import { Elysia } from 'elysia';
import { sha256 } from '../lib/ids';
import { PAGE_HEADERS } from './headers';

const YEAR_SECONDS = 31_536_000;
const VIEWS = join(import.meta.dir, '../../views/assets');
const HTMX = join(import.meta.dir, '../../node_modules/htmx.org/dist');
/** Where each asset is served and read. Nothing else of htmx's package is. */
const FOLDERS = [
  { prefix: '/assets', folder: VIEWS, names: readdirSync(VIEWS) },
  { prefix: '/assets/htmx', folder: HTMX, names: ['htmx.min.js'] },
  { prefix: '/assets/htmx/ext', folder: join(HTMX, 'ext'), names: ['hx-sse.min.js'] },
] as const;

const urls = new Map(
  FOLDERS.flatMap(({ prefix, folder, names }) =>
    names.map((name): [string, string] => {
      // A fragment reaches into the sprite, so the version is a query, not a part of the name.
      const version = sha256(readFileSync(join(folder, name), 'utf8')).slice(0, 10);
      return [name, `${prefix}/${name}?v=${version}`];
    }),
  ),
);

/** The URL of an asset, which changes with its content and so may be kept for ever. Throws for an unknown name. */
export function assetUrl(name: string): string {
  const url = urls.get(name);
  if (url === undefined) throw new Error(`There is no asset "${name}"`);
  return url;
}

const paths = new Set([...urls.values()].map((url) => url.split('?')[0]));

/** Whether an asset is served at this path, whatever query comes with it. */
export function isAssetPath(pathname: string): boolean {
  return paths.has(pathname);
}

export async function assets() {
  const app = new Elysia({ name: 'assets' });
  for (const { prefix, folder, names } of FOLDERS) {
    app.use(
      await staticPlugin({
        assets: folder,
        prefix,
        alwaysStatic: true,
        indexHTML: false,
        // Also of a 304, which would else take the browser's copy for one that is not to be kept.
        headers: { ...PAGE_HEADERS, 'Cache-Control': `immutable, max-age=${YEAR_SECONDS}` },
        ignorePatterns: [new RegExp(`/(?!(${names.map((name) => name.replaceAll('.', '\\.')).join('|')})$)[^/]*$`)],
        silent: true,
      }),
    );
  }
  return app;
}
