/**
 * Markdown of messages as HTML, rendered in workers: some texts of 20 KB take minutes. What takes too long or becomes too
 * much is shown as it is, in plain text. Finished answers are rendered once and kept.
 */
import type { Growing, Html, MarkdownLabels } from '../../views/markdown';
import { renderPlain } from '../../views/markdown';
import { Recent } from '../lib/lru';
import { within } from '../lib/time';
import { type Outcome, WorkerPool } from '../lib/worker-pool';
import type { RenderJob, RenderResult } from './markdown-worker';
import { workerFile } from './worker-file';

/** Two, so that one text that takes too long leaves a thread to everybody else. */
const THREADS_MAX = 2;
/** For one text. An answer of 64 K characters takes 0.15 s. */
const DEADLINE_MS = 1_000;
/** For all texts of one page, and of one look of a live stream: so long a reader waits at most. */
const PAGE_MS = 2_000;
/** Markup of one page, in UTF-16 units. Beyond it, texts are plain: that is at most six times their length. */
const PAGE_HTML_LENGTH_MAX = 1024 * 1024;
/** Texts of one user that wait: those of some pages at a time. */
const WAITING_MAX = 100;
/** Markup of finished answers that is kept, in UTF-16 units; of all users together. */
const KEPT_LENGTH_MAX = 16 * 1024 * 1024;
/** Answers that grow, of which it is known that they take too long. */
const SLOW_MAX = 1_000;

export type RenderingService = ReturnType<typeof renderingService>;

/** Renders the texts of one page, or of one look of a live stream, within what these may take in time and length. */
export interface PageRendering {
  /** A whole text. */
  whole(text: string): Promise<Html>;
  /** A text that still grows, or its rest from a settled offset on. Plain from the first time that it takes too long. */
  growing(messageId: string, text: string): Promise<Growing>;
}

interface Kept {
  /** Without it, the text is shown as it is. */
  readonly html?: Html;
}

export function renderingService(labels: MarkdownLabels) {
  const pool = new WorkerPool<RenderJob, RenderResult>({
    file: workerFile,
    threadsMax: THREADS_MAX,
    deadlineMs: DEADLINE_MS,
    waitingMax: WAITING_MAX,
  });
  const kept = new Recent<string, Kept>(KEPT_LENGTH_MAX, ({ html = '' }) => html.length + 100);
  const slow = new Recent<string, true>(SLOW_MAX);

  return {
    page(userId: string): PageRendering {
      const endsMs = performance.now() + PAGE_MS;
      let length = 0;

      async function ask(text: string, isGrowing: boolean): Promise<Outcome<RenderResult>> {
        const leftMs = endsMs - performance.now();
        if (leftMs <= 0 || length > PAGE_HTML_LENGTH_MAX) return 'busy';
        return pool.run(userId, { text, isGrowing, labels }, endsMs);
      }

      function count<Part extends Html | Growing>(part: Part): Part {
        length += typeof part === 'string' ? part.length : part.settled.length + part.tail.length;
        return part;
      }

      async function whole(text: string): Promise<Html> {
        const key = new Bun.CryptoHasher('sha256').update(text).digest('base64');
        const known = kept.get(key);
        if (known) return known.html ?? renderPlain(text);
        const asked = ask(text, false).then((outcome) => {
          // The page may be sent by then: the next one has it.
          if (outcome === 'slow') kept.set(key, {});
          const html = typeof outcome === 'object' && typeof outcome.result === 'string' ? outcome.result : undefined;
          if (html !== undefined) kept.set(key, { html });
          return html;
        });
        return (await within(Math.max(0, endsMs - performance.now()), asked)) ?? renderPlain(text);
      }

      async function growing(messageId: string, text: string): Promise<Growing> {
        const plain = { length: 0, settled: renderPlain(''), tail: renderPlain(text) };
        if (slow.get(messageId)) return plain;
        const asked = ask(text, true).then((outcome) => {
          if (outcome === 'slow') slow.set(messageId, true);
          return typeof outcome === 'object' && typeof outcome.result === 'object' ? outcome.result : undefined;
        });
        return (await within(Math.max(0, endsMs - performance.now()), asked)) ?? plain;
      }

      return {
        whole: async (text) => (text === '' ? renderPlain('') : count(await whole(text))),
        growing: async (messageId, text) => count(await growing(messageId, text)),
      };
    },

    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}
