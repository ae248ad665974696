/** The worker thread that renders Markdown (rendering.ts). Terminated when it takes too long. */
import { type Growing, type Html, type MarkdownLabels, renderGrowing, renderMarkdown } from '../../views/markdown';

declare const self: Worker;

/** In UTF-16 units. Longer markup is slow in a browser, so the text is shown as plain text. */
const HTML_LENGTH_MAX = 256 * 1024;

export interface RenderJob {
  readonly text: string;
  readonly isGrowing: boolean;
  readonly labels: MarkdownLabels;
}

export type RenderResult = Growing | Html;

/** @returns `undefined` for a text that nests deeper than the stack allows, or whose markup is too long. */
function render({ text, isGrowing, labels }: RenderJob): RenderResult | undefined {
  try {
    const result = isGrowing ? renderGrowing(text, labels) : renderMarkdown(text, labels);
    const length = typeof result === 'string' ? result.length : result.settled.length + result.tail.length;
    return length > HTML_LENGTH_MAX ? undefined : result;
  } catch {
    return undefined;
  }
}

// Loads the renderer and the highlighter before the time limit of the first text starts.
renderMarkdown('```js\n1\n```');
self.onmessage = ({ data }: MessageEvent<RenderJob>) => self.postMessage(render(data));
self.postMessage('ready');
