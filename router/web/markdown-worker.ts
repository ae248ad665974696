/** The thread in which Markdown is rendered (rendering.ts). Ends when it takes too long. */
import { type Growing, type Html, type MarkdownLabels, renderGrowing, renderMarkdown } from '../../views/markdown';

declare const self: Worker;

/** Markup that is longer is slow in a browser: its text is shown as it is. In UTF-16 units. */
const HTML_LENGTH_MAX = 256 * 1024;

export interface RenderJob {
  readonly text: string;
  readonly isGrowing: boolean;
  readonly labels: MarkdownLabels;
}

export type RenderResult = Growing | Html;

/** @returns `undefined` for a text that nests deeper than the stack, or whose markup is too long. */
function render({ text, isGrowing, labels }: RenderJob): RenderResult | undefined {
  try {
    const result = isGrowing ? renderGrowing(text, labels) : renderMarkdown(text, labels);
    const length = typeof result === 'string' ? result.length : result.settled.length + result.tail.length;
    return length > HTML_LENGTH_MAX ? undefined : result;
  } catch {
    return undefined;
  }
}

// Loads what renders and what colours before the clock of a text runs.
renderMarkdown('```js\n1\n```');
self.onmessage = ({ data }: MessageEvent<RenderJob>) => self.postMessage(render(data));
self.postMessage('ready');
