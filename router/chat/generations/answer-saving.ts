/** Writes one answer to the database while it grows and when it ends: its text in parts, its steps, and its ending. */
import { setTimeout as delay } from 'node:timers/promises';
import { generationsLog } from '../../lib/log';
import type { ConversationsStore } from '../store/conversations';
import type { AnswerReader } from './answer-reader';

/** How long the database is left alone after it has refused. */
const RETRY_MS = 500;

/** How an answer ended, without its text. */
export type End = Omit<Parameters<ConversationsStore['endAnswer']>[1], 'text'>;

export class AnswerSaving {
  #savedSteps = 0;

  /** @param onRefused Called each time that the database has refused. */
  constructor(
    readonly conversations: Pick<ConversationsStore, 'saveText' | 'endAnswer'>,
    readonly messageId: string,
    readonly reader: Pick<AnswerReader, 'text' | 'steps'>,
    readonly onRefused: () => void,
  ) {}

  /** Whether something has been parsed that is not saved. */
  get isDue(): boolean {
    const { text, steps } = this.reader;
    return text.unsaved > 0 || steps.revision !== this.#savedSteps;
  }

  /** Saves what there is of the text, one part after the other, and the steps with the first of them. */
  async save(): Promise<void> {
    const { text, steps } = this.reader;
    for (;;) {
      const part = text.next();
      const { revision } = steps;
      const isSame = revision === this.#savedSteps;
      if (!part && isSame) return;
      const newSteps = isSame ? undefined : [...steps.all];
      await this.#untilSaved(() => this.conversations.saveText(this.messageId, part, newSteps));
      if (part) text.saved(part);
      this.#savedSteps = revision;
    }
  }

  /** Saves what is not saved of the text, of which only the last part is written with the end. */
  async saveEnd(end: End): Promise<void> {
    const { text } = this.reader;
    for (;;) {
      const part = text.next(true);
      if (!part || text.isLast(part)) {
        const whole = { ...end, ...(part && { text: part }) };
        await this.#untilSaved(() => this.conversations.endAnswer(this.messageId, whole));
        return;
      }
      await this.#untilSaved(() => this.conversations.saveText(this.messageId, part));
      text.saved(part);
    }
  }

  /** An ending that is not in the database would leave the answer growing for ever: it is tried until it is (law 19). */
  async #untilSaved(save: () => Promise<unknown>): Promise<void> {
    while (!(await this.#attempt(save))) await delay(RETRY_MS);
  }

  /** @returns whether it was written. Somebody else's lock on the database is no reason to lose an answer. */
  async #attempt(save: () => Promise<unknown>): Promise<boolean> {
    try {
      await save();
      return true;
    } catch (error) {
      generationsLog.error({ message: this.messageId, err: error }, 'answer.save_failed');
      this.onRefused();
      return false;
    }
  }
}
