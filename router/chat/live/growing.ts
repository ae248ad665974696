/** The answer that is being written on one page: what the page has of its text, and how it gets the rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../../../views/growth';
import type { HadText, PageRendering } from '../../web/rendering/rendering';
import { EVERY_MS, Pace } from './pace';

/**
 * Characters of one update. A browser works 10 ms on so much of a table, which fits into a frame, and 70 ms on all that a
 * page shows of an answer. With 20 updates a second no model is faster.
 */
const UPDATE_LENGTH_MAX = 8_192;

/** The message that is being written on the page. */
export interface Growing {
  readonly messageId: string;
  readonly position: number;
  readonly had: HadText;
  /** The page shows no more of it. */
  readonly isCut: boolean;
}

export class GrowingOnPage implements Disposable {
  readonly #pace: Pace;
  /** Absent when the newest message of the page is there whole. */
  message: Growing | undefined;

  constructor(
    readonly options: {
      /** The text so far of an answer that is being written. */
      textOf(messageId: string): string | undefined;
      /** Called when it is time to look at the text. */
      look(): void;
      send(changes: readonly Change[]): Promise<void>;
    },
  ) {
    this.#pace = new Pace(options.look);
  }

  /** To be called when the text or the steps may have grown. @param stepsLength what the page does not have of steps. */
  noticeGrowth(stepsLength: number): void {
    // A page shows only the beginning of a very long message, which does not change when the message grows.
    if (!this.message || this.message.isCut) return;
    const { messageId, had } = this.message;
    const length = (this.options.textOf(messageId)?.length ?? 0) - had.shown + stepsLength;
    if (length > 0) this.#pace.grew(length);
  }

  /** How much the page has of a message. */
  lengthOf(messageId: string): number {
    return this.message?.messageId === messageId ? this.message.had.shown : 0;
  }

  /** Whether the page has all of this text, which is the message's. */
  hasAll(text: string): boolean {
    return this.message?.had.shown === text.length;
  }

  /**
   * Sends what the page does not have of a message, in so many updates that one more brings the rest. Stops early when there
   * is no time for it.
   */
  async catchUp(rendering: PageRendering, messageId: string, text: string): Promise<void> {
    while (this.message?.messageId === messageId && text.length - this.message.had.shown > UPDATE_LENGTH_MAX) {
      const { shown } = this.message.had;
      const isThere = await this.grow(rendering, messageId, { text, isEnd: false });
      if (!isThere || this.message.had.shown === shown) return;
      await sleep(EVERY_MS);
    }
  }

  /**
   * Sends what the page does not have of a message, or the next part of it when that is much and the text is not at its end.
   * @param isEnd no more text comes.
   * @param beganMs when the update began, in the time of `performance.now()`.
   * @returns whether the page needs nothing else for what it has of the text; otherwise the message has to be sent anew.
   */
  async grow(
    rendering: PageRendering,
    messageId: string,
    { text, isEnd, beganMs = performance.now() }: { text: string; isEnd: boolean; beganMs?: number },
  ): Promise<boolean> {
    const { message } = this;
    if (message?.messageId !== messageId) return false;
    const { had } = message;
    const part = isEnd ? text : beginningOf(text, had.shown);
    const isSame = had.shown === part.length && !isEnd;
    const growth = isSame ? undefined : await rendering.growth(messageId, part, { had, isEnd });
    this.#pace.updated(beganMs);
    // Without a growth no thread had time: the next look has more to show.
    if (isSame || (!growth && !isEnd)) return true;
    if (!growth?.changes) return false;
    this.message = { ...message, had: { ...had, settled: growth.settled, shown: part.length } };
    if (growth.changes.length > 0) await this.options.send(growth.changes);
    return true;
  }

  [Symbol.dispose](): void {
    this.message = undefined;
    this.#pace[Symbol.dispose]();
  }
}

/** The beginning of a growing text that is shown after the next update: all of it, or some whole lines more than `shown`. */
export function beginningOf(text: string, shown: number): string {
  const end = shown + UPDATE_LENGTH_MAX;
  if (text.length <= end) return text;
  const lineEnd = text.lastIndexOf('\n', end - 1) + 1;
  return text.slice(0, lineEnd > shown ? lineEnd : end);
}
