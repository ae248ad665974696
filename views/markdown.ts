/**
 * Markdown to safe HTML, and where a growing text can be cut so that its parts render the same as the whole. Texts come
 * from runners, and some of them take minutes: the router calls this in a worker only (router/web/rendering/markdown-worker.ts).
 */
import type { Env, MarkdownIt, Token } from 'markdown-it';
import { addBreaks, addDirections, addMemory, addTasks } from './markdown-rules';
import { type Growing, type Html, type MarkdownLabels, noHtml } from './markup';
import { addMath, addMathBlocks } from './math';

interface RenderEnv extends Env {
  readonly labels: MarkdownLabels | undefined;
  readonly isTail?: boolean;
  /** Makes the ids of footnotes unique on a page. */
  readonly docId?: string;
}

/**
 * Larger blocks stay plain, in UTF-16 units. Some languages take the third power of a block's length: C# needs 0.6 s for
 * 10 KB of `a a a`, and 7 s for 20 KB, most of it in one regular expression, which nothing can interrupt.
 */
const highlightLengthMax = 10 * 1024;

/** Blocks that follow each other without an empty line settle when the text is so much longer, in UTF-16 units. */
const settlingLength = 2_048;

/** Where a link in an answer may lead. No relative ones: a runner's text must not act on the router's own pages. */
const allowedLink = /^(https?:\/\/|mailto:)/i;
/** The address of a picture of an answer, with its size where that is known (router/chat/generations/answer-pictures.ts). */
const ownPicture = /^\/api\/attachments\/[0-9a-f]{24}(?:#(\d{1,5})x(\d{1,5}))?$/;

/** Pixels. A picture that is higher is shown in this height: styles cannot do that and keep its place before it is loaded. */
const pictureHeightMax = 512;

/** A message is announced by an h2, so no heading of an answer is above h3. Most answers begin with their own h3. */
const headingLevelMin = 3;

// Loaded by the first text, and by the first code in one. By `require`, because rendering is synchronous.
const createMarkdownIt = (): typeof import('markdown-it').default => require('markdown-it');
const footnotes = (): ((md: MarkdownIt) => void) => require('markdown-it-footnote');
const highlighter = (): typeof import('highlight.js').default => require('highlight.js/lib/common');

/** Colours of blocks in tails, which are rendered with each growth of their text. */
const ofTails = new Map<string, string>();
const ofTailsMax = 64;

let pieces: MarkdownIt | undefined;
let withFootnotes: MarkdownIt | undefined;
/** Finds blocks only: inline work is most of the cost and moves no block. */
let blocks: MarkdownIt | undefined;

/**
 * Renders Markdown to HTML that is safe to show: no raw HTML, no active links, and images become links, because a
 * remote image would tell its host about the conversation. Only those that are stored here are shown.
 */
export function renderMarkdown(text: string, labels?: MarkdownLabels): Html {
  if (!hasFootnotes(text)) return renderPiece(text, { labels });
  withFootnotes ??= createWithFootnotes();
  return withFootnotes.render(text, { labels, docId: Bun.hash(text).toString(36) } satisfies RenderEnv) as Html;
}

/** Renders a growing text in its two pieces: what is settled, and the tail. */
export function renderGrowing(
  text: string,
  labels?: MarkdownLabels,
  { settled = settledLength(text), tail = renderTail } = {},
): Growing {
  const before = settled === 0 ? noHtml : renderPiece(text.slice(0, settled), { labels });
  return { settled, html: (before + tail(text.slice(settled), labels)) as Html };
}

/** Renders what is not settled of a growing text. A block of code has no colours before it is complete. */
export function renderTail(text: string, labels?: MarkdownLabels): Html {
  return renderPiece(text, { labels, isTail: true });
}

/** Renders a text that may be a part of one. Its footnotes stay as they are written: they are numbered in the whole. */
function renderPiece(text: string, env: RenderEnv): Html {
  pieces ??= createMarkdown();
  return pieces.render(text, env) as Html;
}

function hasFootnotes(text: string): boolean {
  return /\[\^[^\s\]]+\]:/.test(text);
}

/** Whether a text defines links or footnotes by a name, so that its pieces may render otherwise than the whole. */
export function hasDefinitions(text: string): boolean {
  if (hasFootnotes(text)) return true;
  const env: Env = {};
  parseBlocks(text, env);
  return env.references !== undefined;
}

/**
 * The length of the text that later text cannot change: the offset at which the last top-level block begins, in UTF-16
 * units. `renderMarkdown` of what is before it, followed by that of the rest, equals the rendering of the whole; only a
 * reference link and its definition need to be in the same piece. Give it the text from the last settled offset on, so
 * that the work for a whole answer stays linear.
 */
export function settledLength(text: string): number {
  // A half-typed last line may still turn into something that continues an earlier block ("2" into the item "2. b").
  const completeLength = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
  return Math.min(lastBlockStart(text), lastBlockStart(text.slice(0, completeLength)));
}

/**
 * Whether it is worth to look how much of a growing text is settled, which means to read it twice: mostly a block ends with an
 * empty line. The others settle some time later.
 * @param readLength its length when that was asked last.
 */
export function mayBeSettled(text: string, readLength: number): boolean {
  const hasMore = Math.floor(text.length / settlingLength) > Math.floor(readLength / settlingLength);
  return hasMore || /\n\r?\n/.test(text.trimEnd());
}

function parseBlocks(text: string, env: Env) {
  blocks ??= createMarkdownIt()({ html: false }).use(addMathBlocks).disable(['inline', 'text_join']);
  return blocks.parse(text, env);
}

function lastBlockStart(text: string): number {
  const last = parseBlocks(text, {}).findLast((token) => token.level === 0 && token.nesting >= 0 && token.map);
  return last?.map ? lineStart(text, last.map[0]) : 0;
}

function lineStart(text: string, line: number): number {
  const breaks = /\r\n|\n|\r/g;
  for (let seen = 0; seen < line; seen++) {
    if (!breaks.exec(text)) return text.length;
  }
  return breaks.lastIndex;
}

function createWithFootnotes(): MarkdownIt {
  const md = createMarkdown().use(footnotes()).disable('footnote_inline');
  // The plugin numbers each mention of a note.
  md.renderer.rules.footnote_caption = (tokens, index) => `[${Number(tokens[index]?.meta?.id ?? 0) + 1}]`;
  return md;
}

function createMarkdown(): MarkdownIt {
  const md = createMarkdownIt()({ html: false, linkify: true })
    .use(addMemory, (env: Env) => (env as RenderEnv).isTail === true)
    .use(addMath)
    .use(addTasks)
    .use(addBreaks)
    .use(addDirections);
  const { rules } = md.renderer;
  const escapeText = md.utils.escapeHtml;
  md.validateLink = (url) => allowedLink.test(url.trim()) || ownPicture.test(url);

  rules.link_open = (tokens, index, options, _env, self) => {
    tokens[index]?.attrSet('rel', 'noopener noreferrer nofollow');
    tokens[index]?.attrSet('target', '_blank');
    return self.renderToken(tokens, index, options);
  };
  rules.image = (tokens, index, options, env, self) => {
    const image = tokens[index];
    const source = String(image?.attrGet('src') ?? '');
    const words = self.renderInlineAsText(image?.children ?? [], options, env);
    const label = words || source;
    const [, width, height] = ownPicture.exec(source) ?? [];
    if (ownPicture.test(source)) {
      const size = width && height ? shownSize(Number(width), Number(height)) : '';
      const href = source.replace(/#.*/, '');
      return `<a class="picture" href="${href}" target="_blank" rel="noopener"><img src="${href}" alt="${escapeText(label)}"${size} loading="lazy" decoding="async"></a>`;
    }
    return `<a href="${escapeText(source)}" rel="noopener noreferrer nofollow" target="_blank">${escapeText(elsewhere(words, source))}</a>`;
  };
  rules.heading_open = rules.heading_close = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    const level = Number(token?.tag.slice(1));
    if (token) token.tag = `h${Math.max(level, headingLevelMin)}`;
    if (token?.nesting === 1 && level < headingLevelMin) token.attrSet('class', `level-${level}`);
    return self.renderToken(tokens, index, options);
  };
  // markdown-it aligns by an inline style, which our CSP refuses.
  rules.th_open = rules.td_open = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    const align = /text-align:(left|center|right)/.exec(String(token?.attrGet('style') ?? ''))?.[1];
    if (token) token.attrs = align ? [['class', `align-${align}`]] : null;
    return self.renderToken(tokens, index, options);
  };
  rules.table_open = () => '<div class="table" tabindex="0" dir="auto"><table>\n';
  rules.table_close = () => '</table></div>\n';
  rules.code_block = (tokens, index, _options, env) =>
    codeBlock({ language: '', body: escapeText(tokens[index]?.content ?? ''), env }, escapeText);
  rules.fence = (tokens, index, _options, env) => {
    const token = tokens[index];
    const code = token?.content ?? '';
    const language = (token?.info ?? '').trim().split(/\s+/)[0] ?? '';
    const isGrowing = (env as RenderEnv).isTail && !isClosed(token);
    const body = (isGrowing ? undefined : coloured(code, language, env as RenderEnv)) ?? escapeText(code);
    return codeBlock({ language, body, env }, escapeText);
  };
  return md;
}

/** The label in place of a picture on another site: its text and the host that the link leads to, or its short address. */
function elsewhere(words: string, source: string): string {
  const { host = '', pathname = '' } = URL.parse(source) ?? {};
  if (host === '') return words || source;
  return words === '' ? host + pathname : `${words} (${host})`;
}

function shownSize(width: number, height: number): string {
  const scale = Math.min(1, pictureHeightMax / height);
  return ` width="${Math.ceil(width * scale)}" height="${Math.ceil(height * scale)}"`;
}

function codeBlock(
  block: { language: string; body: string; env: Env | undefined },
  escapeText: (text: string) => string,
) {
  const { language, body, env } = block;
  // The icon is drawn by the style sheet: this string knows no asset URLs.
  const label = escapeText((env as RenderEnv).labels?.copyCode ?? '');
  const button = label && `<button type="button" class="copy-code" aria-labelledby="${label}"></button>`;
  // The language is shown by the style sheet as well, so that it is never part of a selection.
  return `<div class="code" data-language="${escapeText(language)}">${button}<pre tabindex="0"><code>${body}</code></pre></div>\n`;
}

/** Whether the line that ends a fence is there: the fence then has two lines more than its content. */
function isClosed(fence: Token | undefined): boolean {
  const [from, to] = fence?.map ?? [0, 0];
  const code = fence?.content ?? '';
  const lines = code.split('\n').length - (code === '' || code.endsWith('\n') ? 1 : 0);
  return to - from > lines + 1;
}

/** The markup of a block's colours; `undefined` where it has none. Blocks of a tail are rendered often, and coloured once. */
function coloured(code: string, language: string, { isTail }: RenderEnv): string | undefined {
  if (language === '' || code.length > highlightLengthMax || !highlighter().getLanguage(language)) return undefined;
  const key = `${language}\n${code}`;
  const colours = ofTails.get(key) ?? highlighter().highlight(code, { language, ignoreIllegals: true }).value;
  if (!isTail) return colours;
  if (ofTails.size >= ofTailsMax) ofTails.clear();
  ofTails.set(key, colours);
  return colours;
}
