/** The report: one Markdown page of what was measured, on which machine, and what the targets say of it. */
import { basename } from 'node:path';
import type { Options } from './options';
import { median, type Results } from './results';
import type { Table } from './scenario';
import { verdicts } from './targets';

const INTRODUCTION = `Written by \`bun run bench\`, which runs on any Linux or macOS machine with Bun; see \`bun run bench --help\`.
Absolute numbers belong to the machine; what carries over are ratios within one run. A cell is the median of all rounds
with the least and the greatest in brackets; what is _added_ is against the same load without a proxy.

- **direct**: no proxy, only the scripted runner
- **floor**: a dozen lines of \`Bun.serve\` and \`fetch\` that pass everything through and know nothing
- **router**: what \`bin/start\` runs, with everything on: key, lease, log, metrics, policies for headers and bodies
- **router, recording**: the same, with each answer recorded into a conversation, which the runner's are not
- **Portkey**: the open-source gateway as its npm package is, on Bun and on Node
- **LiteLLM**: the proxy as its PyPI package is, one worker, where the run was asked for it`;

const NOTES = `For each target, [performance-notes.md](performance-notes.md) has what stands in the way by profile, what was tried, and the two
best ideas left.`;

/** The whole page. Tables of which nothing was measured are left out. */
export function report(about: {
  results: Results;
  tables: readonly Table[];
  machine: readonly string[];
  options: Options;
  date: Date;
  /** The chart of the same results, which lies beside the page. */
  chartPath?: string | undefined;
}): string {
  const { results, tables, machine, options, date, chartPath } = about;
  const kind = options.isQuick ? 'a quick run (for a look, not for quoting)' : 'a run';
  const rounds = `${kind} of ${options.rounds === 1 ? 'one round' : `up to ${options.rounds} rounds`} on ${date.toISOString().slice(0, 10)}`;
  return [
    '# Performance',
    INTRODUCTION,
    `This is ${rounds}:\n\n${machine.map((fact) => `- ${fact}`).join('\n')}`,
    targetsOf(results),
    chartPath === undefined ? '' : `![How the router and its peers compare with the floor](${basename(chartPath)})`,
    ...tables.filter(({ name }) => results.places(name).length > 0).map((table) => section(results, table)),
  ]
    .filter((block) => block !== '')
    .join('\n\n')
    .concat('\n');
}

function targetsOf(results: Results): string {
  const all = verdicts(results);
  if (all.length === 0) return '';
  const rows = all.map(({ text, goal, value, isMet }) => [text, goal, value, isMet ? 'yes' : '**no**']);
  const table = markdownTable(['The router', 'target', 'measured', 'met'], rows);
  return `## Targets\n\n${table}${all.every(({ isMet }) => isMet) ? '' : `\n\n${NOTES}`}`;
}

function section(results: Results, { name, title, load, note, columns }: Table): string {
  const head = [...(load === undefined ? [] : [load]), 'what', ...columns.map((column) => column.title)];
  const rows = results
    .places(name)
    .map((place) => [
      ...(load === undefined ? [] : [place.load]),
      place.subject,
      ...columns.map(({ values, digits }) => cell(values(results, place), digits)),
    ]);
  return `## ${title}\n\n${note}\n\n${markdownTable(head, rows)}`;
}

/** `median (least–greatest)`, a single value as it is, and a dash for what was not measured. */
export function cell(values: readonly number[], digits: number): string {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return '–';
  const show = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const [middle, least, greatest] = [median(known), Math.min(...known), Math.max(...known)].map(show);
  return least === greatest ? `${middle}` : `${middle} (${least}–${greatest})`;
}

/** Every column but words to the right. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
