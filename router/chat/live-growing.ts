/** The answer that is being written on one page: what the page has of its text, and how it gets the rest. */
import type { Change } from '../../views/growth';
import type { HadText, PageRendering } from '../web/rendering';
import { Pace } from './pace';

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

  /**
   * Sends what the page does not have of a message.
   * @param isEnd no more text comes.
   * @param beganMs when the update began, in the time of `performance.now()`.
   * @returns whether the page needs nothing else of the text; otherwise the message has to be sent anew.
   */
  async grow(
    rendering: PageRendering,
    messageId: string,
    { text, isEnd, beganMs = performance.now() }: { text: string; isEnd: boolean; beganMs?: number },
  ): Promise<boolean> {
    const { message } = this;
    if (message?.messageId !== messageId) return false;
    const isSame = message.had.shown === text.length && !isEnd;
    const growth = isSame ? undefined : await rendering.growth(messageId, text, { had: message.had, isEnd });
    this.#pace.updated(beganMs);
    // Without a growth no thread had time: the next look has more to show.
    if (isSame || (!growth && !isEnd)) return true;
    if (!growth?.changes) return false;
    this.message = { ...message, had: { ...message.had, settled: growth.settled, shown: text.length } };
    if (growth.changes.length > 0) await this.options.send(growth.changes);
    return true;
  }

  [Symbol.dispose](): void {
    this.#pace[Symbol.dispose]();
  }
}
