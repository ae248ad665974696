/** `docs/runtimes.md` is about the versions that `backends.json` runs, and about every test of the real runtimes. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { versionsOf } from '../real/runtimes/pins';
import { DOCS, tableWith } from '../real/runtimes/table';

const NAMES = ['openclaw', 'hermes-agent', 'nanobot'];
const page = await Bun.file(DOCS).text();
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));

test('the table names the pinned versions', () => {
  expect(rows.find(([first]) => first === 'Version')).toEqual(['Version', ...NAMES.map(versionsOf)]);
});

test('every test of the suite has a row, with a cell for each runtime, and none fails', async () => {
  const files = ['suite.ts', 'callback.ts'].map((name) => join(import.meta.dir, '../real/runtimes', name));
  const suite = (await Promise.all(files.map((file) => Bun.file(file).text()))).join('\n');
  const names = [...suite.matchAll(/^ {2}test\(['`](?:law \d+: )?(.+?)(?: \(\$\{.*)?['`], async/gm)];
  expect(names.length).toBeGreaterThan(15);
  for (const [, name = ''] of names) {
    const row = rows.find(([first = '']) => first.toLowerCase() === name.toLowerCase());
    expect([name, row?.slice(1).filter((cell) => cell !== '' && !cell.includes('fails')).length]).toEqual([name, 3]);
  }
});

test('results replace the column of their runtime only, and what a name has in parentheses is the cell', () => {
  const xml =
    '<testcase name="law 9: it ends &quot;it&quot; (at once)" /><testcase name="it fails"><failure /></testcase>';
  const before = '<!-- table: bun run test:runtimes -->\n<!-- end of table -->';
  const first = tableWith(before, 'openclaw', '1.0', xml);
  expect(first).toContain('| It ends "it" | at once |  |  |');
  expect(first).toContain('| It fails | **fails** |  |  |');
  const second = tableWith(first, 'nanobot', '2.0', '<testcase name="it ends &quot;it&quot; (later)" />');
  expect(second).toContain('| Version | 1.0 |  | 2.0 |');
  expect(second).toContain('| It ends "it" | at once |  | later |');
});
