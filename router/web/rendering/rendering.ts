/**
 * Renders the Markdown of messages as HTML in worker threads, because some texts of 20 KB take minutes. A text that
 * takes too long, or whose markup is too long, is shown as plain text. Finished answers are rendered once and cached.
 */

import { changesBetween } from '../../../views/growth';
import { type Growing, type Html, type MarkdownLabels, noHtml, renderPlain } from '../../../views/markup';
import { Recent } from '../../lib/lru';
import { within } from '../../lib/time';
import { type Outcome, WorkerPool } from '../../lib/worker-pool';
import type { Growth, Had, RenderJob, RenderResult } from './markdown-worker';
import { workerFile } from './worker-file';

/** Two threads, so that one slow text leaves a thread for others. */
const THREADS_MAX = 2;
export interface RenderingTimes {
  /** Milliseconds for one text. An answer of 64 K characters takes 0.15 s. */
  readonly deadlineMs: number;
  /** Milliseconds for all texts of one page, or of one update of a live stream: the longest that a reader waits. */
  readonly pageMs: number;
}

const TIMES: RenderingTimes = { deadlineMs: 1_000, pageMs: 2_000 };
/**
 * Markup of one page, in UTF-16 units. Texts beyond it are plain, and their markup is at most six times their length.
 */
const PAGE_HTML_LENGTH_MAX = 1024 * 1024;
/** Waiting texts of one user: the texts of a few pages. */
const WAITING_MAX = 100;
/** Cached markup of finished answers, in UTF-16 units; of all users together. */
const KEPT_LENGTH_MAX = 16 * 1024 * 1024;
/** Growing answers that are known to take too long. */
const SLOW_MAX = 1_000;
/** Growing texts of which the last growth is kept, for the other pages that show them. */
const GROWTHS_MAX = 100;

/** The part of a growing text that a page shows already. */
export interface HadText extends Had {
  readonly isPlain?: boolean;
}

const nothing: Growing = { settled: 0, html: noHtml };
const plain = (text: string): Growing => ({ settled: 0, html: renderPlain(text), isPlain: true });

interface Kept {
  /** Absent: the text is shown as plain text. */
  readonly html?: Html;
}

/** From what and to what a text grows, and the result. */
interface SharedGrowth {
  readonly step: string;
  readonly growth: Promise<Growth | undefined>;
}

interface Known {
  readonly pageMs: number;
  readonly kept: Recent<string, Kept>;
  readonly slow: Recent<string, true>;
  readonly growths: Recent<string, SharedGrowth>;
}

export type RenderingService = ReturnType<typeof renderingService>;

export function renderingService(labels: MarkdownLabels, { deadlineMs, pageMs }: RenderingTimes = TIMES) {
  const pool = new WorkerPool<RenderJob, RenderResult>({
    file: workerFile,
    threadsMax: THREADS_MAX,
    deadlineMs,
    waitingMax: WAITING_MAX,
  });
  const known: Known = {
    pageMs,
    kept: new Recent<string, Kept>(KEPT_LENGTH_MAX, ({ html = '' }) => html.length + 100),
    slow: new Recent<string, true>(SLOW_MAX),
    growths: new Recent<string, SharedGrowth>(GROWTHS_MAX),
  };
  return {
    page: (userId: string) => new PageRendering(pool, known, labels, userId),
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

/** Renders the texts of one page, or of one update of a live stream, within the limits of time and length. */
export class PageRendering {
  #length = 0;
  #endsMs: number | undefined;

  constructor(
    readonly pool: WorkerPool<RenderJob, RenderResult>,
    readonly known: Known,
    readonly labels: MarkdownLabels,
    readonly userId: string,
  ) {}

  /** Renders a complete text. */
  async whole(text: string): Promise<Html> {
    const html = text === '' ? noHtml : ((await this.#whole(text)) ?? renderPlain(text));
    this.#length += html.length;
    return html;
  }

  /** Renders a text that still grows. Plain text from the first time that it takes too long. */
  async growing(messageId: string, text: string): Promise<Growing> {
    const rendered = text === '' ? nothing : ((await this.#growing(messageId, text)) ?? plain(text));
    this.#length += rendered.html.length;
    return rendered;
  }

  /**
   * How a page that has a part of a text gets the rest. Worked out once for all pages that have the same part of it.
   * @param isEnd no more text comes.
   * @returns `undefined` when no thread had time for it; without changes when the page needs the whole text anew.
   */
  async growth(
    messageId: string,
    text: string,
    { had, isEnd }: { had: HadText; isEnd: boolean },
  ): Promise<Growth | undefined> {
    const isPossible = had.settled <= had.shown && had.shown <= text.length;
    if (!isPossible || (had.isPlain && isEnd)) return { settled: 0 };
    if (had.isPlain)
      return { settled: 0, changes: changesBetween(renderPlain(text.slice(0, had.shown)), renderPlain(text)) };
    if (this.known.slow.get(messageId)) return { settled: 0 };
    const { growths } = this.known;
    const step = `${had.settled}.${had.shown}.${text.length}.${isEnd}`;
    const shared = growths.get(messageId);
    if (shared?.step === step) return shared.growth;
    const mine = { step, growth: this.#growth(messageId, { kind: 'growth', text, had, isEnd, labels: this.labels }) };
    growths.set(messageId, mine);
    const growth = await mine.growth;
    // There was no time for it, but there may be at the next look.
    if (!growth) growths.delete(messageId, mine);
    return growth;
  }

  async #growth(messageId: string, job: RenderJob & { kind: 'growth' }): Promise<Growth | undefined> {
    const result = await this.#ask(job, (outcome) => this.#noteSlow(messageId, outcome));
    return this.known.slow.get(messageId) ? { settled: 0 } : (result as Growth | undefined);
  }

  async #whole(text: string): Promise<Html | undefined> {
    if (this.#length > PAGE_HTML_LENGTH_MAX) return undefined;
    const { kept } = this.known;
    const key = new Bun.CryptoHasher('sha256').update(text).digest('base64');
    const found = kept.get(key);
    if (found) return found.html;
    const result = await this.#ask({ kind: 'whole', text, labels: this.labels }, (outcome) => {
      if (outcome === 'slow') kept.set(key, {});
      else if (outcome !== 'busy' && typeof outcome.result === 'string') kept.set(key, { html: outcome.result });
    });
    return typeof result === 'string' ? result : undefined;
  }

  async #growing(messageId: string, text: string): Promise<Growing | undefined> {
    if (this.#length > PAGE_HTML_LENGTH_MAX || this.known.slow.get(messageId)) return undefined;
    const job = { kind: 'growing', text, labels: this.labels } as const;
    return (await this.#ask(job, (outcome) => this.#noteSlow(messageId, outcome))) as Growing | undefined;
  }

  #noteSlow(messageId: string, outcome: Outcome<RenderResult>): void {
    if (outcome === 'slow') this.known.slow.set(messageId, true);
  }

  /** @param onEnd called even when the page did not wait for the result: the next page can use it. */
  async #ask(job: RenderJob, onEnd: (outcome: Outcome<RenderResult>) => void): Promise<RenderResult | undefined> {
    await this.pool.ready();
    this.#endsMs ??= performance.now() + this.known.pageMs;
    const leftMs = this.#endsMs - performance.now();
    if (leftMs <= 0) return undefined;
    const asked = this.pool.run(this.userId, job, this.#endsMs).then((outcome) => {
      onEnd(outcome);
      return outcome === 'slow' || outcome === 'busy' ? undefined : outcome.result;
    });
    return within(leftMs, asked);
  }
}
