/** Style sheets and scripts are joined from parts, each whole and in its order, and are served for ever under one URL. */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { assetUrl, joined } from '../../router/web/answers/assets';
import { SCRIPT, STYLES, scripts, styles } from '../../views/assets';
import { startRouter } from '../support/router';

const folder = join(import.meta.dir, '../../views/assets');
const namesIn = (below: string) => readdirSync(join(folder, below)).map((file) => basename(file).replace(/\.\w+$/, ''));
const source = (name: string) => readFileSync(join(folder, 'app', `${name}.js`), 'utf8');

test('every style sheet and every script is a part of what is served', () => {
  expect([...styles].sort()).toEqual(namesIn('styles').sort());
  expect([...scripts].sort()).toEqual(namesIn('app').sort());
});

test('a script imports only from those before it, and only names that they export', () => {
  for (const [index, name] of scripts.entries()) {
    for (const [, names = '', from = ''] of source(name).matchAll(/^import \{([^}]+)\} from '\.\/([\w-]+)\.js';$/gm)) {
      expect(scripts.slice(0, index)).toContain(from);
      const exported = new Bun.Transpiler({ loader: 'js' }).scan(source(from)).exports;
      expect(exported).toEqual(expect.arrayContaining(names.split(',').map((one) => one.trim())));
    }
  }
});

test('the joined script is one without imports, and has all statements of its parts', () => {
  const script = joined.get(SCRIPT)?.content ?? '';
  const scan = new Bun.Transpiler({ loader: 'js' }).scan(script);
  expect(scan.exports).toEqual([]);
  // notify.js is loaded where it is wanted, by a URL of the page.
  expect(scan.imports.filter(({ kind }) => kind !== 'dynamic-import')).toEqual([]);
  const listeners = (text: string) => text.match(/addEventListener\(/g)?.length ?? 0;
  expect(listeners(script)).toBe(scripts.reduce((sum, name) => sum + listeners(source(name)), 0));
});

test('the joined style sheet has all rules of its parts, and no comments', () => {
  const css = joined.get(STYLES)?.content ?? '';
  const parts = styles.map((name) => readFileSync(join(folder, 'styles', `${name}.css`), 'utf8')).join('');
  const count = (text: string, mark: string) => text.split(mark).length;
  const withoutComments = parts
    .split('/*')
    .map((part, index) => (index === 0 ? part : part.slice(part.indexOf('*/') + 2)));
  for (const mark of '{};') expect(count(css, mark)).toBe(count(withoutComments.join(''), mark));
  expect(css).not.toContain('/*');
});

test.each([STYLES, SCRIPT])('%s is kept for ever under its URL, and asked for again it is unchanged', async (name) => {
  await using router = await startRouter();
  const response = await router.request(assetUrl(name));
  expect(response.headers.get('cache-control')).toBe('immutable, max-age=31536000');
  expect(await response.text()).toBe(joined.get(name)?.content ?? '');
  const etag = response.headers.get('etag') ?? '';
  for (const encoding of ['identity', 'gzip']) {
    const headers = { 'if-none-match': etag, 'accept-encoding': encoding };
    const unchanged = await router.request(assetUrl(name), { headers });
    expect([unchanged.status, await unchanged.text()]).toEqual([304, '']);
  }
});
