/** Turns Markdown into the plain text that titles and excerpts show: leaves out its marks, and keeps code as it is. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
/** Rules, underlines of headings, and the line below the head of a table. */
const RULE = /^[\s|:=*_+-]{3,}$/;
const BEFORE_BLOCK = /^[\s>]*(?:#{1,6}\s+|[-*+]\s+(?:\[[ xX]\]\s+)?|\[[^[\]\n]+\]:\s+)?/;
/** Links and pictures, as far as the page shows them as such (`allowedLink` of views/markdown.ts). */
const LINK = /!?\[([^[\]\n]*)\]\((?:https?:|mailto:|\/api\/attachments\/)(?:[^()\n]|\([^()\n]*\))*\)/gi;
const BARE_LINK = /<(https?:[^<>\s]+)>/gi;
const FOOTNOTE = /\[\^[^[\]\s]+\]/g;
const BREAK = /<br\s?\/?>/gi;
const PIECE = /`+|\*+|~~|_+|\\[!-/:-@[-`{-~]|[^`*~_\\]+|[~\\]/g;
const WORD = /[\p{L}\p{N}]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;
/** Stars between these are products, such as `2*3*4`, and not emphasis. */
const OF_SUM = /\w/;
/** Without `__`, which people write in names such as `__init__`. */
const MARKS: ReadonlySet<string> = new Set(['*', '**', '***', '_', '~~']);

/**
 * A few lines of Markdown in plain text, a line each. In time linear to their length.
 * @param isInCode whether the text begins inside a fenced block of code.
 */
export function textOfMarkdown(markdown: string, isInCode = false): string {
  let fence = isInCode ? markdown.match(/^ {0,3}([`~])\1\1/m)?.[1] : undefined;
  let isCode = isInCode;
  const lines: string[] = [];
  for (const line of markdown.split('\n')) {
    const mark = FENCE.exec(line)?.[1]?.[0];
    if (mark !== undefined && (!isCode || mark === fence)) {
      isCode = !isCode;
      fence = mark;
    } else if (isCode) lines.push(line);
    else if (!RULE.test(line)) lines.push(lineText(line.replace(BEFORE_BLOCK, '')));
  }
  return lines.join('\n');
}

/** Whether a text ends inside a fenced block of code. */
export function endsInCode(markdown: string): boolean {
  return (markdown.match(/^ {0,3}(?:```|~~~)/gm)?.length ?? 0) % 2 === 1;
}

function lineText(line: string): string {
  const cells = line.startsWith('|') ? line.split('|').map((cell) => cell.trim()) : [line];
  const text = cells.filter((cell) => cell !== '').join(' · ');
  // A link may be around a picture.
  const linked = text.replace(LINK, '$1').replace(LINK, '$1').replace(BARE_LINK, '$1');
  return withoutMarks(linked.replace(FOOTNOTE, '').replace(BREAK, ' ').match(PIECE) ?? []);
}

/** Joins pieces without those that mark code or emphasis, each of which has a second one, and without backslashes before punctuation. */
function withoutMarks(pieces: string[]): string {
  /** The last piece of each kind that may begin something. */
  const open = new Map<string, number>();
  const lastOf = new Map(pieces.map((piece, index) => [piece, index]));
  for (let index = 0; index < pieces.length; index += 1) {
    const piece = pieces[index] ?? '';
    if (piece.startsWith('`')) {
      // Backticks that nothing closes stay as they are.
      if ((lastOf.get(piece) ?? 0) <= index) continue;
      const end = pieces.indexOf(piece, index + 1);
      pieces[index] = pieces[end] = '';
      index = end;
    } else if (piece.startsWith('\\')) pieces[index] = piece.slice(piece.length > 1 ? 1 : 0);
    else if (MARKS.has(piece)) pair(pieces, index, open);
  }
  return pieces.join('');
}

function pair(pieces: string[], index: number, open: Map<string, number>): void {
  const mark = pieces[index] ?? '';
  // Beside a mark that was taken away there is text.
  const before = index === 0 ? ' ' : (pieces[index - 1]?.at(-1) ?? '.');
  const after = pieces[index + 1]?.at(0) ?? ' ';
  const begun = open.get(mark);
  const within = mark === '_' ? WORD : OF_SUM;
  if (mark !== '~~' && within.test(before) && within.test(after)) return;
  const goesOn = WORD.test(after) && (mark === '_' || (mark === '*' && PUNCTUATION.test(before)));
  if (begun !== undefined && before.trim() !== '' && !goesOn) {
    pieces[begun] = pieces[index] = '';
    open.delete(mark);
  } else if (after.trim() !== '' && !(mark === '_' && WORD.test(before))) open.set(mark, index);
}
