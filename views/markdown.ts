/**
 * Markdown to safe HTML, and where a growing text can be cut so that its parts render the same as the whole. Texts come
 * from runners, and some of them take minutes: the router calls this in a worker only (router/web/markdown-worker.ts).
 */
import type { Env, MarkdownIt } from 'markdown-it';

declare const isHtml: unique symbol;

/** Markup that this file made, the only one that a view takes as it is. */
export type Html = string & { readonly [isHtml]: true };

export const noHtml = '' as Html;

/** A text that still grows: what later text cannot change any more, and the rest. */
export interface Growing {
  /** `settledLength` of the text. */
  readonly length: number;
  readonly settled: Html;
  readonly tail: Html;
}

/** Words for the controls inside rendered text. Without them there are no controls. */
export interface MarkdownLabels {
  copyCode: string;
}

/**
 * Larger blocks stay plain, in UTF-16 units. Some languages take the third power of a block's length: C# needs 0.6 s for
 * 10 KB of `a a a`, and 7 s for 20 KB, most of it in one regular expression, which nothing can interrupt.
 */
const highlightLengthMax = 10 * 1024;

/** Where a link in an answer may lead. No relative ones: a runner's text must not act on the router's own pages. */
const allowedLink = /^(https?:\/\/|mailto:)/i;

/** A message is announced by an h2, so no heading of an answer is above h3. Most answers begin with their own h3. */
const headingLevelMin = 3;

// Loaded by the first text, and by the first code in one. By `require`, because rendering is synchronous.
const createMarkdownIt = (): typeof import('markdown-it').default => require('markdown-it');
const highlighter = (): typeof import('highlight.js').default => require('highlight.js/lib/common');

let whole: MarkdownIt | undefined;
/** Finds blocks only: inline work is most of the cost and moves no block. */
let blocks: MarkdownIt | undefined;

/**
 * Renders Markdown to HTML that is safe to show: no raw HTML, no active links, and images become links, because a
 * remote image would tell its host about the conversation.
 */
export function renderMarkdown(text: string, labels?: MarkdownLabels): Html {
  whole ??= createMarkdown();
  return whole.render(text, { labels }) as Html;
}

/** Renders the two pieces of a growing text. */
export function renderGrowing(text: string, labels?: MarkdownLabels): Growing {
  const length = settledLength(text);
  const settled = renderMarkdown(text.slice(0, length), labels);
  return { length, settled, tail: renderMarkdown(text.slice(length), labels) };
}

/** A text as it is, where rendering it takes too long or makes too much. At most six times as long. */
export function renderPlain(text: string): Html {
  return (text === '' ? '' : `<p class="plain">${Bun.escapeHTML(text)}</p>`) as Html;
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

function lastBlockStart(text: string): number {
  blocks ??= createMarkdownIt()({ html: false }).disable(['inline', 'text_join']);
  const last = blocks.parse(text, {}).findLast((token) => token.level === 0 && token.nesting >= 0 && token.map);
  return last?.map ? lineStart(text, last.map[0]) : 0;
}

function lineStart(text: string, line: number): number {
  const breaks = /\r\n|\n|\r/g;
  for (let seen = 0; seen < line; seen++) {
    if (!breaks.exec(text)) return text.length;
  }
  return breaks.lastIndex;
}

function createMarkdown(): MarkdownIt {
  const md = createMarkdownIt()({ html: false, linkify: true });
  const { rules } = md.renderer;
  const escapeText = md.utils.escapeHtml;
  md.validateLink = (url) => allowedLink.test(url.trim());

  rules.link_open = (tokens, index, options, _env, self) => {
    tokens[index]?.attrSet('rel', 'noopener noreferrer nofollow');
    tokens[index]?.attrSet('target', '_blank');
    return self.renderToken(tokens, index, options);
  };
  rules.image = (tokens, index, options, env, self) => {
    const image = tokens[index];
    const source = String(image?.attrGet('src') ?? '');
    const label = self.renderInlineAsText(image?.children ?? [], options, env) || source;
    return `<a href="${escapeText(source)}" rel="noopener noreferrer nofollow" target="_blank">${escapeText(label)}</a>`;
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
  rules.table_open = () => '<div class="table" tabindex="0"><table>\n';
  rules.table_close = () => '</table></div>\n';
  rules.code_block = (tokens, index, _options, env) => codeBlock(tokens[index]?.content ?? '', '', env, escapeText);
  rules.fence = (tokens, index, _options, env) => {
    const language = (tokens[index]?.info ?? '').trim().split(/\s+/)[0] ?? '';
    return codeBlock(tokens[index]?.content ?? '', language, env, escapeText);
  };
  return md;
}

function codeBlock(code: string, language: string, env: Env | undefined, escapeText: (text: string) => string): string {
  const colours = language !== '' && code.length <= highlightLengthMax ? highlighter() : undefined;
  const isKnown = colours?.getLanguage(language) !== undefined;
  const body = isKnown ? colours.highlight(code, { language, ignoreIllegals: true }).value : escapeText(code);
  // The icon is drawn by the style sheet: this string knows no asset URLs.
  const labels = env?.labels as MarkdownLabels | undefined;
  const label = escapeText(labels?.copyCode ?? '');
  const button = label && `<button type="button" class="copy-code" aria-label="${label}" title="${label}"></button>`;
  // The language is shown by the style sheet as well, so that it is never part of a selection.
  return `<div class="code" data-language="${escapeText(language)}">${button}<pre tabindex="0"><code>${body}</code></pre></div>\n`;
}
