/** Cells of a CSV file: no spreadsheet treats text of other people as a formula. */
import { expect, test } from 'bun:test';
import { csvLine } from '../../router/usage/reports/csv';

/** Parses a line like a spreadsheet: quotes count only at the edge of a cell. */
function cellsOf(line: string, separator: string): string[] {
  const cells: string[] = [];
  let at = 0;
  while (at <= line.length) {
    let cell = '';
    if (line[at] === '"') {
      at += 1;
      while (at < line.length && (line[at] !== '"' || line[at + 1] === '"')) {
        if (line[at] === '"') at += 1;
        cell += line[at];
        at += 1;
      }
      at += 1;
    }
    while (at < line.length && line[at] !== separator) {
      cell += line[at];
      at += 1;
    }
    cells.push(cell);
    at += 1;
  }
  return cells;
}

const FORMULAS = [
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '＝1',
  '＋1',
  '－1',
  '＠A',
  "=cmd|' /C calc'!A0",
  '\u200b=1',
  '\u0000=1',
  ' =1',
  '\u00a0=1',
];
const isFormula = (cell: string) => /^["\s\p{C}]*[=+\-@＝＋－＠]/u.test(cell);

test.each([',', ';', '\t', '|'])('a cell is no formula where cells are separated by %j', (separator) => {
  for (const formula of FORMULAS) {
    for (const before of [
      '',
      'x;',
      'x,',
      'x\t',
      'x|',
      'x\n',
      'x\r',
      ';',
      'x; ',
      'x;"',
      'x,"',
      'x;""',
      '"',
      "x;\t'",
      'x;;',
      'x, ;',
    ]) {
      const model = `${before}${formula};`;
      const rows = csvLine(['2026-11-27', model, 7, null, 'end']).split(/[\r\n]/);
      const cells = rows.flatMap((row) => cellsOf(row, separator));
      expect([model, cells.filter(isFormula)]).toEqual([model, []]);
    }
  }
});

test('a comma reads back what was written, but for the apostrophes', () => {
  const cells = ['plain', 'a "quoted" one', 'a, b', 'a; b', 'meta/llama-3', "it's", ' padded ', 'x;=1+1;'];
  const line = csvLine([...cells, 12, -3, null, true]).replace(/\r\n$/, '');
  expect(cellsOf(line, ',')).toEqual([...cells.slice(0, -1), "x;'=1+1;", '12', '-3', '', 'true']);
});

test('a line is written in a time that grows with its length only', () => {
  const cell = ';" \t'.repeat(100_000);
  expect(csvLine([cell, `${' '.repeat(400_000)}x`]).length).toBeGreaterThan(800_000);
});
