/** The table of `docs/runtimes.md`: a row for each test of the suite, a column for each runtime. */
import { join } from 'node:path';
import { readJunit } from '../../support/junit';

export const DOCS = join(import.meta.dir, '../../../docs/runtimes.md');
const BEGIN = '<!-- table: bun run test:runtimes -->';
const END = '<!-- end of table -->';
const COLUMNS = ['openclaw', 'hermes-agent', 'nanobot'];
const VERSION = 'Version';

/** What the tests of a runtime found, by ability, in order. */
export function cellsOf(xml: string): Map<string, string> {
  return new Map(
    readJunit(xml).map(({ name, ended }) => {
      const [, ability = '', note = 'yes'] = /^(?:law \d+: )?(.*?)(?: \((.+)\))?$/.exec(name) ?? [];
      return [ability, ended === 'failed' ? '**fails**' : note];
    }),
  );
}

/** The page with the column of one runtime replaced. Throws for a page without a table. */
export function tableWith(page: string, runtime: string, version: string, xml: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/runtimes.md has no ${BEGIN} … ${END}`);
  const before = readTable(page.slice(from + BEGIN.length, to));
  const mine = new Map([[VERSION, version], ...cellsOf(xml)]);
  const lines = [['', ...COLUMNS], COLUMNS.concat('').map(() => '---')];
  for (const ability of mine.keys()) {
    const cells = COLUMNS.map((name) => (name === runtime ? mine.get(ability) : before.get(ability)?.get(name)) ?? '');
    lines.push([ability[0]?.toUpperCase() + ability.slice(1), ...cells]);
  }
  const table = lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return `${page.slice(0, from)}${BEGIN}\n\n${table}\n\n${page.slice(to)}`;
}

/** Ability → runtime → cell. */
function readTable(text: string): Map<string, Map<string, string>> {
  const [head = [], , ...rows] = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  return new Map(
    rows.map(([ability = '', ...cells]) => {
      const name = ability === VERSION ? ability : ability[0]?.toLowerCase() + ability.slice(1);
      return [name, new Map(cells.map((cell, place) => [head[place + 1] ?? '', cell]))];
    }),
  );
}
