/** Answers as people get them, for the page's stream: what a growing one costs depends on what it is made of. */

/** Characters of one chunk: three or four tokens. */
const PIECE_LENGTH = 16;
/** Characters; a long answer, of some two pages. */
const TEXT_LENGTH = 4_096;

const PROSE = `The tide turns twice a day, and the harbour turns with it. Boats that lay on the mud at breakfast ride at their **moorings** by noon, and nobody remarks on it.

What the visitor sees as an hour of waiting is, to those who live here, the *shape* of the day: one mends nets at low water and sails at high. See \`tide tables\` for the rest.

`;
const CODE = `export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2; // of an even count: between two
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

`;
const FENCE = '```';
const FENCE_OPEN = `${FENCE}ts\n`;
const TABLE_HEAD = '| Harbour | High water | Depth in m | Remarks |\n| --- | ---: | ---: | --- |\n';
const TABLE_ROW = '| North quay | 06:42 | 4.1 | closed to *yachts* in winter |\n';
const LIST = `- Mend the nets while the water is low
  - the blue ones first
  - then \`the rest\`
- Look at the **moorings** before noon
`;

/** Of an agent's own tools, after the first words. */
const CALLS = 50;

/** What a page shows of one answer. */
const SHOWN_LENGTH = 65_536;
/** Several times that. */
export const MANY_LINES = 5_000;

const repeated = (head: string, text: string) => head + text.repeat(Math.ceil(TEXT_LENGTH / text.length));
const manyLines = Array.from(
  { length: MANY_LINES },
  (_, line) => `const tide${line} = median(heights.slice(${line}));`,
);

/** By kind. */
export const TEXTS = {
  prose: repeated('', PROSE),
  // One block, which the model has not closed until its end.
  code: `${repeated(FENCE_OPEN, CODE)}${FENCE}\n`,
  table: repeated(TABLE_HEAD, TABLE_ROW),
  list: repeated('', LIST),
  rows: TABLE_HEAD + TABLE_ROW.repeat(Math.ceil(SHOWN_LENGTH / TABLE_ROW.length)),
  lines: `${FENCE_OPEN}${manyLines.join('\n')}\n${FENCE}\n`,
  calls: 'I look it up.',
} as const;

export type TextKind = keyof typeof TEXTS;
export const TEXT_KINDS = Object.keys(TEXTS) as readonly TextKind[];

/** The text cut into what one chunk carries. */
export function piecesOf(kind: TextKind): readonly string[] {
  return TEXTS[kind].match(new RegExp(`[\\s\\S]{1,${PIECE_LENGTH}}`, 'g')) ?? [];
}

/** What the agent reports of its tools after the text. Nothing brings a page less for what it costs than a call with only a name. */
export function reportsOf(kind: TextKind): readonly object[] {
  if (kind !== 'calls') return [];
  return Array.from({ length: CALLS }, (_, n) =>
    ['running', 'completed'].map((status) => ({ tool: `tide_table_${n}`, toolCallId: `call_${n}`, status })),
  ).flat();
}
