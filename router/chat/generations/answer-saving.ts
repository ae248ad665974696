/** Writes one answer to the database while it grows and when it ends: its turn, its text in parts, its steps, and its ending. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AppError } from '../../lib/errors';
import { generationsLog } from '../../lib/log';
import type { ConversationsStore, MessageFailure } from '../store/conversations';
import type { AnswerEnd, NewTurn, WrittenTurn } from '../store/turns';
import type { AnswerReader } from './answer-reader';

/** How long the database is left alone after it has refused. */
export const RETRY_MS = 500;

/** How an answer ended, without its text. */
export type End = Omit<AnswerEnd, 'text'>;

/** A turn that is not stored yet, and what is to be done when it is. */
export interface WaitingTurn {
  readonly turn: NewTurn;
  written(turn: WrittenTurn): void;
}

export class AnswerSaving {
  #savedSteps = 0;
  #isStored: boolean;

  /**
   * @param waiting the turn of the answer, where it is not stored yet.
   * @param onRefused Called each time that the database has refused.
   */
  constructor(
    readonly conversations: Pick<ConversationsStore, 'insertTurn' | 'saveText' | 'endAnswer'>,
    readonly messageId: string,
    readonly reader: Pick<AnswerReader, 'text' | 'steps'>,
    private waiting: WaitingTurn | undefined,
    readonly onRefused: () => void,
  ) {
    this.#isStored = waiting === undefined;
  }

  /** Whether the answer is in the database. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** Whether the turn has to be written. */
  get isTurnDue(): boolean {
    return this.waiting !== undefined;
  }

  /** Whether there is something that is not saved: the turn, or what has been parsed. */
  get isDue(): boolean {
    const { text, steps } = this.reader;
    return this.isTurnDue || text.unsaved > 0 || steps.revision !== this.#savedSteps;
  }

  /** Saves what there is of the text, one part after the other, and with the first of them the turn and the steps. */
  async save(): Promise<void> {
    const { text, steps } = this.reader;
    if (this.isTurnDue) {
      const part = text.next();
      const { revision } = steps;
      await this.#saveTurn({ ...(part && { text: part }), steps: [...steps.all] });
      if (part) text.saved(part);
      this.#savedSteps = revision;
    }
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

  /**
   * Saves what is not saved of the text, of which only the last part is written with the end. A short answer is written
   * together with its turn, where that is not stored yet.
   */
  async saveEnd(end: End): Promise<void> {
    const { text } = this.reader;
    for (;;) {
      const part = text.next(true);
      const isLast = !part || text.isLast(part);
      const whole = { ...end, ...(part && { text: part }) };
      if (this.isTurnDue) {
        await this.#saveTurn(isLast ? whole : undefined);
        if (isLast) return;
      } else if (isLast) {
        await this.#untilSaved(() => this.conversations.endAnswer(this.messageId, whole));
        return;
      } else {
        await this.#untilSaved(() => this.conversations.saveText(this.messageId, part));
        text.saved(part);
      }
    }
  }

  async #saveTurn(answer?: Partial<AnswerEnd>): Promise<void> {
    const { waiting } = this;
    this.waiting = undefined;
    if (!waiting) return;
    const stored = await this.#untilSaved(() => this.conversations.insertTurn(waiting.turn, answer));
    if (stored) waiting.written(stored);
    else {
      // The conversation was deleted meanwhile.
      const { conversationId: conversation } = waiting.turn;
      generationsLog.warn({ message: this.messageId, conversation }, 'turn.not_stored');
    }
    this.#isStored = stored !== undefined;
  }

  /** An ending that is not in the database would leave the answer growing for ever: it is tried until it is (law 19). */
  async #untilSaved<T>(save: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await save();
      } catch (error) {
        // Somebody else's lock on the database is no reason to lose an answer.
        generationsLog.error({ message: this.messageId, err: error }, 'answer.save_failed');
        this.onRefused();
        await delay(RETRY_MS);
      }
    }
  }
}

/** How an answer ends, with what was read of it. */
export function endOf(
  { calls, steps, incomplete }: Pick<AnswerReader, 'calls' | 'steps' | 'incomplete'>,
  { status, failure, nowMs }: Pick<End, 'status' | 'nowMs'> & { readonly failure: MessageFailure | undefined },
): End {
  return {
    ...{ status, calls: calls.all, steps: steps.all, nowMs },
    ...(status === 'failed' && failure && { failure }),
    ...(status === 'done' && incomplete && { incomplete }),
  };
}

/** An error as it is kept with the answer it ended. */
export function failureOf(error: AppError): MessageFailure {
  return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}
