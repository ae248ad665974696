/**
 * The growing text of an answer, and which part of it is saved next. The row of the message is rewritten while it is not
 * full; behind it every character is written once. No part is longer than `PIECE_LENGTH_MAX`.
 */
import { wholeLength } from '../../lib/text';
import { ROW_LENGTH_MAX, type TextPart } from '../store/texts';

/** Characters (UTF-16 units) of a piece. Writing one takes about two milliseconds. */
export const PIECE_LENGTH_MAX = 262_144;

export class GrowingText {
  /** The part of the text in the message's row. */
  #beginning = '';
  #isRowFull = false;
  #savedOfRow = 0;
  #savedPieces = '';
  #piecesCount = 0;
  /** The part after the row's that is not saved yet. */
  #rest = '';

  /** All of it, saved or not. */
  get all(): string {
    return this.#beginning + this.#savedPieces + this.#rest;
  }

  get length(): number {
    return this.#beginning.length + this.#savedPieces.length + this.#rest.length;
  }

  /** Characters that are not saved. */
  get unsaved(): number {
    return this.#beginning.length - this.#savedOfRow + this.#rest.length;
  }

  add(text: string): void {
    if (this.#isRowFull) this.#rest += text;
    else {
      this.#beginning += text;
      if (this.#beginning.length > ROW_LENGTH_MAX) this.#fillRow();
    }
  }

  /**
   * The part to be saved next: its end may be the end of the text, or not. `undefined` when all is saved.
   * @param isLast nothing will be added.
   */
  next(isLast = false): TextPart | undefined {
    if (this.#beginning.length > this.#savedOfRow) return { content: this.#beginning };
    const end = Math.min(this.#rest.length, PIECE_LENGTH_MAX);
    const isWhole = isLast && end === this.#rest.length;
    const content = this.#rest.slice(0, isWhole ? end : wholeLength(this.#rest, end));
    return content === '' ? undefined : { content, ordinal: this.#piecesCount };
  }

  /** Whether all is saved with this part, which `next` gave. */
  isLast({ content, ordinal }: TextPart): boolean {
    return this.#rest.length === (ordinal === undefined ? 0 : content.length);
  }

  /** The part that `next` gave is in the database. */
  saved({ content, ordinal }: TextPart): void {
    // The row was cut by a half character while it was saved: it is written again.
    if (ordinal === undefined) this.#savedOfRow = content.length > this.#beginning.length ? 0 : content.length;
    else {
      this.#piecesCount = ordinal + 1;
      this.#savedPieces += content;
      this.#rest = this.#rest.slice(content.length);
    }
  }

  #fillRow(): void {
    const length = wholeLength(this.#beginning, ROW_LENGTH_MAX);
    this.#rest = this.#beginning.slice(length);
    this.#beginning = this.#beginning.slice(0, length);
    this.#isRowFull = true;
    if (this.#savedOfRow > length) this.#savedOfRow = 0;
  }
}
