/** The worker thread that renders Markdown (rendering.ts). Terminated when it takes too long. */
import { type Change, changesBetween } from '../../../views/growth';
import { hasDefinitions, mayBeSettled, renderGrowing, renderMarkdown, renderTail } from '../../../views/markdown';
import type { Growing, Html, MarkdownLabels } from '../../../views/markup';
import { Recent } from '../../lib/lru';

declare const self: Worker;

/** In UTF-16 units. Longer markup is slow in a browser, so the text is shown as plain text. */
const HTML_LENGTH_MAX = 256 * 1024;
/** Tails that are kept, so that the next growth of a text finds what its page has. */
const TAILS_MAX = 16;

/** The part of a growing text that a page shows already, in UTF-16 units. */
export interface Had {
  readonly settled: number;
  readonly shown: number;
}

export type RenderJob = { readonly text: string; readonly labels: MarkdownLabels } & (
  | { readonly kind: 'whole' }
  | { readonly kind: 'growing' }
  /** `isEnd`: no more text comes. */
  | { readonly kind: 'growth'; readonly had: Had; readonly isEnd: boolean }
);

/** How a page that has less of the text gets the rest. */
export interface Growth {
  /** How much of the text is settled. */
  readonly settled: number;
  /** Absent when the page needs the whole rendering, because later text has changed what was settled. */
  readonly changes?: readonly Change[];
}

export type RenderResult = Html | Growing | Growth;

/** @returns `undefined` for a text that nests deeper than the stack allows, or whose markup is too long. */
function render(job: RenderJob): RenderResult | undefined {
  const { text, labels } = job;
  try {
    if (job.kind === 'growth') return growth(job);
    const result = job.kind === 'whole' ? renderMarkdown(text, labels) : renderGrowing(text, labels);
    const { length } = typeof result === 'string' ? result : result.html;
    return length > HTML_LENGTH_MAX ? undefined : result;
  } catch {
    return undefined;
  }
}

function growth({ text, had, isEnd, labels }: RenderJob & { kind: 'growth' }): Growth | undefined {
  if (isEnd && hasDefinitions(text)) return { settled: 0 };
  const before = tailOf(text.slice(had.settled, had.shown), labels);
  const rest = text.slice(had.settled);
  const after = isEnd
    ? { settled: rest.length, html: renderMarkdown(rest, labels) }
    : renderGrowing(rest, labels, {
        tail: tailOf,
        ...(!mayBeSettled(rest, had.shown - had.settled) && { settled: 0 }),
      });
  if (after.html.length > HTML_LENGTH_MAX) return undefined;
  return { settled: had.settled + after.settled, changes: changesBetween(before, after.html) };
}

const tails = new Recent<string, Html>(TAILS_MAX);

function tailOf(text: string, labels?: MarkdownLabels): Html {
  const html = tails.get(text) ?? renderTail(text, labels);
  tails.set(text, html);
  return html;
}

// Loads the renderer and the highlighter before the time limit of the first text starts.
renderMarkdown('```js\n1\n```');
self.onmessage = ({ data }: MessageEvent<RenderJob>) => self.postMessage(render(data));
self.postMessage('ready');
