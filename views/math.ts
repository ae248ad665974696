/**
 * Math in Markdown: finds TeX between `$…$`, `$$…$$`, `\(…\)` and `\[…\]`, and renders it to MathML. A formula can neither
 * load nor style anything. What TeX refuses is shown as it is written.
 */
import type { MarkdownIt, StateBlock, StateInline } from 'markdown-it';

/** In UTF-16 units. A formula of this length takes up to 20 ms; a longer one is shown as its source. */
const FORMULA_LENGTH_MAX = 2_000;
/** Expansions of macros in one formula: TeX's own abbreviations take a few each. */
const EXPANSIONS_MAX = 500;
/** The largest spaces and rules: in em, and as a percentage of the surrounding element. */
const SIZE_MAX: [number, number] = [20, 50];
/** Definitions would multiply a formula's length. */
const DEFINES = /\\(?:[gex]?def|g?let|futurelet|(?:re)?newcommand|providecommand|edef)\b/;
/** What acts on the page, or its CSP refuses. The classes beside them are in assets/styles/prose.css. */
const ACTIVE = / (?:style|id|href)=(?:"[^"]*"|'[^']*')/g;

/** Rendered formulas: a growing text has most of them again with each growth. */
const rendered = new Map<string, string>();
const RENDERED_MAX = 500;

// Loaded by the first formula. By `require`, because rendering is synchronous.
const temml = (): typeof import('temml').default => require('temml');

/** Adds the rules of blocks. They decide where a text can be cut, so every parser needs them. */
export function addMathBlocks(md: MarkdownIt): void {
  md.block.ruler.before('fence', 'math_block', mathBlock, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });
}

/** Adds the rules of lines, and what formulas are rendered to. */
export function addMath(md: MarkdownIt): void {
  addMathBlocks(md);
  md.inline.ruler.before('escape', 'math', mathInline);
  const { escapeHtml } = md.utils;
  md.renderer.rules.math_block = (tokens, index) => {
    const { content = '', markup = '', info = '' } = tokens[index] ?? {};
    const html = info === OPEN ? undefined : mathml(content, true);
    return html === undefined
      ? `<p dir="auto" class="plain">${escapeHtml(markup)}</p>\n`
      : `<div class="math" tabindex="0">${html}</div>\n`;
  };
  md.renderer.rules.math_inline = (tokens, index) => {
    const { content = '', markup = '', info } = tokens[index] ?? {};
    return mathml(content, info === 'display') ?? escapeHtml(markup);
  };
}

function mathml(tex: string, displayMode: boolean): string | undefined {
  if (tex.length > FORMULA_LENGTH_MAX || DEFINES.test(tex)) return undefined;
  const key = `${displayMode ? '$$' : '$'}${tex}`;
  const known = rendered.get(key);
  if (known !== undefined) return known || undefined;
  if (rendered.size >= RENDERED_MAX) rendered.clear();
  const made = render(tex, displayMode);
  rendered.set(key, made);
  return made || undefined;
}

/** Returns '' for a text that is no TeX, or that nests deeper than the stack allows. */
function render(tex: string, displayMode: boolean): string {
  try {
    return temml()
      .renderToString(tex, {
        displayMode,
        throwOnError: true,
        trust: false,
        maxExpand: EXPANSIONS_MAX,
        maxSize: SIZE_MAX,
      })
      .replace(ACTIVE, '');
  } catch {
    return '';
  }
}

/** A block whose end is missing. */
const OPEN = 'open';

/**
 * A block from a line that begins with `$$` or `\[` to one that ends with `$$` or `\]`. An empty line ends it as well, and
 * then it is no formula. So what a text shows up to an empty line stays, whatever comes after that.
 */
function mathBlock(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
  const first = lineOf(state, startLine);
  const close = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\]' : undefined;
  if (close === undefined || first.startsWith('$$$')) return false;
  const inFirst = first.indexOf(close, 2);
  // Text follows on the line: a formula in a paragraph.
  if (inFirst >= 0 && inFirst + 2 < first.length) return false;
  if (silent) return true;
  let line = startLine;
  let isClosed = inFirst >= 0;
  while (!isClosed && line + 1 < endLine) {
    if (state.isEmpty(line + 1) || (state.sCount[line + 1] ?? 0) < state.blkIndent) break;
    line += 1;
    isClosed = lineOf(state, line).endsWith(close);
  }
  state.line = line + 1;
  const markup = Array.from({ length: line - startLine + 1 }, (_, n) => lineOf(state, startLine + n)).join('\n');
  const token = state.push('math_block', 'math', 0);
  token.content = markup.slice(2, isClosed ? -2 : undefined);
  token.info = isClosed ? '' : OPEN;
  token.markup = markup;
  token.map = [startLine, state.line];
  token.block = true;
  return true;
}

function lineOf({ src, bMarks, tShift, eMarks }: StateBlock, line: number): string {
  return src.slice((bMarks[line] ?? 0) + (tShift[line] ?? 0), eMarks[line]).trim();
}

const CLOSES: Record<string, string> = { $$: '$$', '\\(': '\\)', '\\[': '\\]' };

function mathInline(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  const first = src.charCodeAt(pos);
  if (first !== 0x24 && first !== 0x5c) return false;
  const open = src.slice(pos, pos + 2);
  const close = CLOSES[open];
  const found = close === undefined ? dollars(state) : between(src, { from: pos + 2, posMax, close });
  if (found === undefined || found.content.trim() === '') return false;
  if (!silent) {
    const token = state.push('math_inline', 'math', 0);
    token.content = found.content;
    token.markup = src.slice(pos, found.end);
    token.info = open === '$$' || open === '\\[' ? 'display' : '';
  }
  state.pos = found.end;
  return true;
}

function between(src: string, { from, posMax, close }: { from: number; posMax: number; close: string }) {
  const end = src.slice(from, Math.min(posMax, from + FORMULA_LENGTH_MAX)).indexOf(close);
  return end < 0 ? undefined : { content: src.slice(from, from + end), end: from + end + 2 };
}

/**
 * `$…$` in one line. Like Pandoc it takes no sums of money: no space within the dollars, no digit behind them. Nor a letter
 * before them (`US$5 or A$6`), nor a number and then words (`$5, or 3$`).
 */
function dollars({ src, pos, posMax }: StateInline) {
  if (src[pos] !== '$' || /[\p{L}\d]/u.test(src[pos - 1] ?? '') || /\s/.test(src[pos + 1] ?? ' ')) return undefined;
  const line = src.slice(pos + 1, Math.min(posMax, pos + FORMULA_LENGTH_MAX));
  const [content, dollar] = /^(?:[^$\\\n]|\\[^\n])+(\$)?/.exec(line) ?? [];
  if (content === undefined || dollar === undefined) return undefined;
  const tex = content.slice(0, -1);
  if (/\s$/.test(tex) || /^[\d.,]+\s+\p{L}{2}/u.test(tex) || /\d/.test(line[content.length] ?? '')) return undefined;
  return { content: tex, end: pos + 1 + content.length };
}
