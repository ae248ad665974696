/** Rules that the Markdown of messages has beside those of markdown-it: task lists, line breaks, and the direction of each block. */
import type { MarkdownIt, Token } from 'markdown-it';

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
  md.core.ruler.after('inline', 'tasks', ({ tokens, Token: NewToken }) => {
    for (const [index, token] of tokens.entries()) {
      const item = tokens[index - 2];
      const first = token.children?.[0];
      const isFirst = tokens[index - 1]?.type === 'paragraph_open' && item?.type === 'list_item_open';
      const mark = isFirst && first?.type === 'text' ? TASK.exec(token.content)?.[1] : undefined;
      if (mark === undefined || !item || !first?.content.startsWith('[')) continue;
      first.content = first.content.slice('[ ]'.length);
      token.children?.unshift(box(new NewToken('task', 'input', 0), mark !== ' '));
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
