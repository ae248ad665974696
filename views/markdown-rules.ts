/** Rules that the Markdown of messages has beside those of markdown-it: task lists, line breaks, and the direction of each block. */
import type { Env, MarkdownIt, Token } from 'markdown-it';

/** The elements of a page whose words say whether a task is done. */
export const TASK_DONE_ID = 'task-done';
export const TASK_OPEN_ID = 'task-open';

const TASK = /^\[([ xX])\]\s/;
const WITH_DIRECTION = new Set([
  'paragraph_open',
  'heading_open',
  'bullet_list_open',
  'ordered_list_open',
  'blockquote_open',
]);

/** Items that begin with `[ ]` or `[x]` have a box. The plugins number theirs in the whole text, and a growing text has none. */
export function addTasks(md: MarkdownIt): void {
  md.core.ruler.push('tasks', ({ tokens, Token: NewToken }) => {
    for (const [index, token] of tokens.entries()) {
      const item = tokens[index - 2];
      const first = token.children?.[0];
      const isFirst = tokens[index - 1]?.type === 'paragraph_open' && item?.type === 'list_item_open';
      const mark = isFirst && first?.type === 'text' ? TASK.exec(token.content)?.[1] : undefined;
      if (mark === undefined || !item || !first?.content.startsWith('[')) continue;
      const words = Object.assign(new NewToken('text', '', 0), first, { content: first.content.slice('[ ]'.length) });
      // The tokens themselves stay as they are: they may be known (addMemory).
      token.children?.splice(0, 1, box(new NewToken('task', 'input', 0), mark !== ' '), words);
      item.attrSet('class', 'task');
    }
  });
}

function box(token: Token, isDone: boolean): Token {
  token.attrs = [
    ['type', 'checkbox'],
    ['disabled', ''],
    ...(isDone ? [['checked', ''] as [string, string]] : []),
    ['aria-labelledby', isDone ? TASK_DONE_ID : TASK_OPEN_ID],
  ];
  return token;
}

/** The tokens of lines, items and cells that are known, and the longest of those in UTF-16 units: some 4 MB. */
const KNOWN_TOKENS_MAX = 16_384;
const KNOWN_LENGTH_MAX = 256;

/**
 * The end of a growing text is rendered with each growth, and all of it but its last line or cell is as it was. What has been
 * read of such texts is known, and not read again, unless the text defines links. To be added before the other rules.
 * @param isTail whether a text is the end of a growing one.
 */
export function addMemory(md: MarkdownIt, isTail: (env: Env) => boolean): void {
  const known = new Map<string, readonly Token[]>();
  let tokensCount = 0;
  const isUsed = (env: Env) => isTail(env) && Object.keys(env.references ?? {}).length === 0;
  md.core.ruler.at('inline', ({ tokens, env }) => {
    const isKnown = isUsed(env);
    // Here, and not where it becomes full: what is known now is put in below.
    if (tokensCount >= KNOWN_TOKENS_MAX) {
      known.clear();
      tokensCount = 0;
    }
    for (const token of tokens) {
      if (token.type !== 'inline') continue;
      token.children = [];
      if (isKnown && known.has(token.content)) continue;
      if (isKnown && token.content.length <= KNOWN_LENGTH_MAX) token.content = ownString(token.content);
      md.inline.parse(token.content, md, env, token.children);
    }
  });
  // Behind the rules that make links of addresses: done again to their result, that finds others.
  md.core.ruler.push('memory', ({ tokens, env }) => {
    if (!isUsed(env)) return;
    for (const token of tokens) {
      if (token.type !== 'inline') continue;
      const { content, children } = token;
      const had = known.get(content);
      if (had) token.children = [...had];
      if (had || !children || content.length > KNOWN_LENGTH_MAX || tokensCount >= KNOWN_TOKENS_MAX) continue;
      tokensCount += children.length + 1;
      known.set(content, [...children]);
    }
  });
}

/** The same string with memory of its own: a part of a text keeps the whole text, here one for each growth. */
function ownString(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

const BREAK = /<br\s?\/?>/iy;

/** `<br>` is a line break: Markdown has no other way to write one in a cell of a table. All other HTML stays text. */
export function addBreaks(md: MarkdownIt): void {
  md.inline.ruler.before('autolink', 'break', (state, isSilent) => {
    BREAK.lastIndex = state.pos;
    const found = BREAK.exec(state.src);
    if (!found) return false;
    if (!isSilent) state.push('hardbreak', 'br', 0);
    state.pos += found[0].length;
    return true;
  });
}

/**
 * Each block of the text is written in the direction of its first letter, with its marks at the side where that begins. Only
 * those that stand in no other: the direction of a list or a quotation is not told from a block in it that has its own.
 */
export function addDirections(md: MarkdownIt): void {
  md.core.ruler.push('directions', ({ tokens }) => {
    for (const token of tokens) if (token.level === 0 && WITH_DIRECTION.has(token.type)) token.attrSet('dir', 'auto');
  });
}
