/** Regular expressions: the time to match grows at most linearly with the text. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { tokenizer } from 'acorn';
import { Glob } from 'bun';
import { analyse } from 'scslre';

const ROOT = join(import.meta.dir, '../..');
const FOLDERS = ['router', 'drivers', 'views', 'backends'];

interface Found {
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

/** Every regular expression in the sources. */
async function* patterns(): AsyncGenerator<Found> {
  for (const folder of FOLDERS) {
    for await (const name of new Glob('**/*.{ts,tsx,js}').scan(join(ROOT, folder))) {
      const file = join(folder, name);
      const loader = name.endsWith('.tsx') ? 'tsx' : name.endsWith('.js') ? 'js' : 'ts';
      const code = new Bun.Transpiler({ loader }).transformSync(await Bun.file(join(ROOT, file)).text());
      for (const token of tokenizer(code, { ecmaVersion: 'latest', sourceType: 'module' })) {
        if (token.type.label !== 'regexp') continue;
        const { pattern, flags } = (token as unknown as { value: { pattern: string; flags: string } }).value;
        yield { file, source: pattern, flags };
      }
    }
  }
}

/** The patterns of `backends.json`, which are strings. */
const schema = Bun.file(join(ROOT, 'router/backends/schema.ts')).text();

const isSlow = ({ source, flags }: Pick<Found, 'source' | 'flags'>) => analyse({ source, flags }).reports.length > 0;

test('no regular expression of ours takes longer than its text is long', async () => {
  const all = await Array.fromAsync(patterns());
  expect(all.length).toBeGreaterThan(100);
  expect(all.filter(isSlow)).toEqual([]);
});

test('nor does one that stands in a schema', async () => {
  const texts = [...(await schema).matchAll(/(['"])(\^(?:(?!\1|\\).|\\.)*\$)\1/g)];
  const found = texts.map(([, , text = '']) => ({ source: JSON.parse(`"${text.replaceAll('"', '\\"')}"`), flags: '' }));
  expect(found.length).toBeGreaterThan(10);
  expect(found.filter(isSlow)).toEqual([]);
});

test('a pattern whose time grows faster is found', () => {
  const slow = ['(a+)+$', '(?:[A-Za-z][\\w.]*-)*x', '^\\s*(.*?)\\s*$', '\\s+$', '(\\w|\\d)+!'];
  expect(slow.filter((source) => !isSlow({ source, flags: '' }))).toEqual([]);
});
