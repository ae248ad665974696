/** Styles, scripts and icons: from `views/assets` and htmx's package, with a version in the URL and compressed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { staticPlugin } from '@elysiajs/static';
import { Elysia } from 'elysia';
import { HTMX, SCRIPT, STYLES, scripts, styles } from '../../../views/assets';
import { repositoryRoot } from '../../config/root';
import { sha256 } from '../../lib/ids';
import { PAGE_HEADERS } from './headers';

const YEAR_SECONDS = 31_536_000;
const VIEWS = join(repositoryRoot, 'views/assets');
const PACKAGE = join(repositoryRoot, 'node_modules/htmx.org/dist');
const FILES = readdirSync(VIEWS, { withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ name }) => name);

/** The assets that are joined from parts: their names and contents. */
export const joined: ReadonlyMap<string, { content: string; type: string }> = new Map([
  [STYLES, { content: asSheet(contentOf('styles', styles, 'css')), type: 'text/css; charset=utf-8' }],
  [SCRIPT, { content: asScript(contentOf('app', scripts, 'js')), type: 'text/javascript; charset=utf-8' }],
  [HTMX, { content: htmxWithStreams(), type: 'text/javascript; charset=utf-8' }],
]);

function contentOf(folder: string, parts: readonly string[], extension: string): string {
  return parts.map((part) => readFileSync(join(VIEWS, folder, `${part}.${extension}`), 'utf8')).join('');
}

/** A style sheet without comments and indents: 3 KB less for a first page. */
function asSheet(css: string): string {
  return css.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/\n\s+/g, '\n');
}

/**
 * Modules in the order of their imports as one script, without comments: 2 KB less for a first page than the modules are. The
 * names of all modules are in one scope, so that a name which two of them declare is a syntax error at start.
 */
function asScript(modules: string): string {
  const script = modules.replaceAll(/^import [^;]*;\n/gm, '').replaceAll(/^export /gm, '');
  return new Bun.Transpiler({ loader: 'js', target: 'browser', minifyWhitespace: true }).transformSync(script);
}

/** One file, because htmx ignores an extension that comes after it has started. */
function htmxWithStreams(): string {
  return ['htmx.min.js', 'ext/hx-sse.min.js'].map((name) => `${readFileSync(join(PACKAGE, name), 'utf8')}\n`).join('');
}

// A fragment selects an icon in the sprite, so the version is a query and not a part of the name.
const versioned = (path: string, content: string) => `${path}?v=${sha256(content).slice(0, 10)}`;

const urls = new Map([
  ...FILES.map((name): [string, string] => [
    name,
    versioned(`/assets/${name}`, readFileSync(join(VIEWS, name), 'utf8')),
  ]),
  ...[...joined].map(([name, { content }]): [string, string] => [name, versioned(`/assets/${name}`, content)]),
]);

/**
 * The URL of an asset. It changes with the content, so browsers may keep the asset for ever. Throws for an unknown
 * name.
 */
export function assetUrl(name: string): string {
  const url = urls.get(name);
  if (url === undefined) throw new Error(`There is no asset "${name}"`);
  return url;
}

const paths = new Set([...urls.values()].map((url) => url.split('?')[0]));

/** Whether an asset is served at this path, with any query. */
export function isAssetPath(pathname: string): boolean {
  return paths.has(pathname);
}

// A 304 has these headers too, because its Cache-Control replaces that of the browser's copy.
const HEADERS = { ...PAGE_HEADERS, 'Cache-Control': `immutable, max-age=${YEAR_SECONDS}` };

export async function assets() {
  const app = new Elysia({ name: 'assets' });
  for (const [name, { content, type }] of joined) {
    // Weak, because it is the same for the compressed content.
    const etag = `W/"${sha256(content).slice(0, 32)}"`;
    const headers = { ...HEADERS, 'content-type': type, etag };
    app.get(`/assets/${name}`, ({ request }) =>
      request.headers.get('if-none-match') === etag
        ? new Response(null, { status: 304, headers })
        : new Response(content, { headers }),
    );
  }
  return app.use(
    await staticPlugin({
      assets: VIEWS,
      prefix: '/assets',
      alwaysStatic: true,
      indexHTML: false,
      headers: HEADERS,
      ignorePatterns: [new RegExp(`/(?!(${FILES.map((name) => name.replaceAll('.', '\\.')).join('|')})$)[^/]*$`)],
      silent: true,
    }),
  );
}
