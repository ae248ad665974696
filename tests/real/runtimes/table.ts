/** The table of `docs/runtimes.md`: a row for each test of the suite, a column for each runtime. */
import { join } from 'node:path';

export const DOCS = join(import.meta.dir, '../../../docs/runtimes.md');
const BEGIN = '<!-- table: bun run test:runtimes -->';
const END = '<!-- end of table -->';
const COLUMNS = ['openclaw', 'hermes-agent', 'nanobot'];
const VERSION = 'Version';

/** What the tests of a runtime found, by ability, in order. */
export function cellsOf(xml: string): Map<string, string> {
  const cells = new Map<string, string>();
  const tests = xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  for (const [, attributes = '', body = ''] of tests) {
    const name = unescaped(/ ?name="([^"]*)"/.exec(attributes)?.[1] ?? '');
    const [, ability = '', note = 'yes'] = /^(?:law \d+: )?(.*?)(?: \((.+)\))?$/.exec(name) ?? [];
    cells.set(ability, /<(failure|error)/.test(body) ? '**fails**' : note);
  }
  return cells;
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

function unescaped(text: string): string {
  const names: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code !== undefined ? String.fromCharCode(Number(code)) : (names[name] ?? whole),
  );
}
