/** Writes one answer to the database while it grows and when it ends: its turn, its text in parts, its steps, and its ending. */
import { setTimeout as delay } from 'node:timers/promises';
import { generationsLog } from '../../lib/log';
import type { ConversationsStore } from '../store/conversations';
import type { TextPart } from '../store/texts';
import type { AnswerEnd, NewTurn, WrittenTurn } from '../store/turns';
import type { AnswerReader } from './answer-reader';
import type { End } from './ending';

/** How long the database is left alone after it has refused. */
export const RETRY_MS = 500;

/** The database has refused lately, and may again. */
const REFUSING_MS = 2 * RETRY_MS;

/** Whether the database has refused lately. */
export class Refusing {
  #atMs = Number.NEGATIVE_INFINITY;

  readonly noted = (): void => {
    this.#atMs = performance.now();
  };

  get isLikely(): boolean {
    return performance.now() - this.#atMs <= REFUSING_MS;
  }
}

/** A turn that is not stored yet, and what is to be done when it is. */
export interface WaitingTurn {
  readonly turn: NewTurn;
  written(turn: WrittenTurn): void;
}

interface Saved {
  readonly conversations: Pick<ConversationsStore, 'insertTurn' | 'saveText' | 'endAnswer'>;
  readonly messageId: string;
  readonly reader: Pick<AnswerReader, 'text' | 'steps'>;
  /** The turn of the answer, where it is not stored yet. */
  readonly waiting: WaitingTurn | undefined;
  /** Called each time that the database has refused. */
  onRefused(): void;
  /** Called when the database refuses for the first time, and when it has taken what it had refused. */
  onTurned(): void;
}

export class AnswerSaving {
  #savedSteps = 0;
  #waiting: WaitingTurn | undefined;
  #isStored: boolean;
  /** How often the database has refused what is being saved. */
  #refusals = 0;

  constructor(readonly of: Saved) {
    this.#waiting = of.waiting;
    this.#isStored = of.waiting === undefined;
  }

  /** Whether the answer is in the database. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** Whether the turn has to be written. */
  get isTurnDue(): boolean {
    return this.#waiting !== undefined;
  }

  /** Whether the database refuses it now: something of it is only in memory, and stays there until the database takes it. */
  get isRefused(): boolean {
    return this.#refusals > 0;
  }

  /** Whether there is something that is not saved: the turn, or what has been parsed. */
  get isDue(): boolean {
    const { text, steps } = this.of.reader;
    return this.isTurnDue || text.unsaved > 0 || steps.revision !== this.#savedSteps;
  }

  /** Saves what there is of the text, one part after the other, and with the first of them the turn and the steps. */
  async save(): Promise<void> {
    const { conversations, messageId, reader } = this.of;
    const { text, steps } = reader;
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
      const save = () => conversations.saveText(messageId, part, newSteps);
      await this.#untilSaved(save, () => part && text.saved(part));
      this.#savedSteps = revision;
    }
  }

  /**
   * Saves what is not saved of the text, of which only the last part is written with the end. A short answer is written
   * together with its turn, where that is not stored yet.
   * @param saved called when all is in the database. As nearly every turn ends here, it waits for one promise.
   */
  saveEnd(end: End, saved: () => void): void {
    const { conversations, messageId, reader } = this.of;
    const { text } = reader;
    const part = text.next(true);
    if (part && !text.isLast(part)) {
      void this.#savePart(part).then(() => this.saveEnd(end, saved));
      return;
    }
    const whole = { ...end, ...(part && { text: part }) };
    if (this.isTurnDue) void this.#saveTurn(whole, saved);
    else void this.#untilSaved(() => conversations.endAnswer(messageId, whole), saved);
  }

  /** Saves a part of the text that is not its end; or the turn, where that is not stored yet. */
  #savePart(part: TextPart): Promise<void> {
    const { conversations, messageId, reader } = this.of;
    if (this.isTurnDue) return this.#saveTurn();
    const save = () => conversations.saveText(messageId, part);
    return this.#untilSaved(save, () => reader.text.saved(part));
  }

  #saveTurn(answer?: Partial<AnswerEnd>, saved?: () => void): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) return Promise.resolve();
    const save = () => this.of.conversations.insertTurn(waiting.turn, answer);
    return this.#untilSaved(save, (stored) => {
      if (stored) waiting.written(stored);
      else {
        // The conversation was deleted meanwhile.
        const { conversationId: conversation } = waiting.turn;
        generationsLog.warn({ message: this.of.messageId, conversation }, 'turn.not_stored');
      }
      this.#isStored = stored !== undefined;
      saved?.();
    });
  }

  /**
   * An ending that is not in the database would leave the answer growing for ever: it is tried until it is (law 19).
   * @param saved called with the result when it is.
   */
  #untilSaved<T>(save: () => Promise<T>, saved: (result: T) => void): Promise<void> {
    return save().then(saved, (error) => this.#again(save, error).then(saved));
  }

  async #again<T>(save: () => Promise<T>, refusal: unknown): Promise<T> {
    for (let error = refusal; ; ) {
      // Somebody else's lock on the database is no reason to lose an answer.
      this.#refused(error);
      await delay(RETRY_MS);
      try {
        const result = await save();
        this.#taken();
        return result;
      } catch (thrown) {
        error = thrown;
      }
    }
  }

  /** Logged at the first refusal and after twice as many each time: a full disk refuses for hours. */
  #refused(err: unknown): void {
    this.#refusals += 1;
    const refusals = this.#refusals;
    const { messageId: message } = this.of;
    if (Number.isInteger(Math.log2(refusals))) generationsLog.error({ message, refusals, err }, 'answer.save_failed');
    this.of.onRefused();
    if (refusals === 1) this.of.onTurned();
  }

  #taken(): void {
    generationsLog.info({ message: this.of.messageId, refusals: this.#refusals }, 'answer.save_done');
    this.#refusals = 0;
    this.of.onTurned();
  }
}
