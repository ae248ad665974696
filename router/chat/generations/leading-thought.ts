/** Divides an answer whose text begins with `<think>…</think>`: what the tags hold is a thought and not said. */

const OPEN = '<think>';
const CLOSE = '</think>';
/** Characters of white space before the tag. An answer of nothing else would be looked at from its beginning for each piece. */
const BLANK_MAX = 1_024;
const WHOLE = /^\s*<think>[\s\S]*?<\/think>\s*/;

/** A piece of an answer's text, divided. */
export interface Divided {
  readonly thought: string;
  readonly text: string;
}

export class LeadingThought {
  /** Which part of the answer is being read. */
  #place: 'beginning' | 'thought' | 'behind' | 'text' = 'beginning';
  /** Text that may be the beginning of a tag. */
  #held = '';

  push(piece: string): Divided {
    if (this.#place === 'text') return { thought: '', text: piece };
    if (this.#place === 'behind') return { thought: '', text: this.#behind(piece) };
    this.#held += piece;
    if (this.#place === 'beginning' && !this.#begins()) return { thought: '', text: '' };
    return this.#place === 'thought' ? this.#think() : { thought: '', text: this.#takeHeld() };
  }

  /** Gives out the held text at the end of the answer. */
  end(): Divided {
    const held = this.#takeHeld();
    return this.#place === 'thought' ? { thought: held, text: '' } : { thought: '', text: held };
  }

  /** Returns whether it is known how the answer begins. */
  #begins(): boolean {
    const begun = this.#held.trimStart();
    const mayBegin = begun.length < OPEN.length && OPEN.startsWith(begun);
    if (mayBegin && this.#held.length <= BLANK_MAX) return false;
    this.#place = begun.startsWith(OPEN) ? 'thought' : 'text';
    if (this.#place === 'thought') this.#held = begun.slice(OPEN.length);
    return true;
  }

  #think(): Divided {
    const end = this.#held.indexOf(CLOSE);
    if (end >= 0) {
      this.#place = 'behind';
      const held = this.#takeHeld();
      return { thought: held.slice(0, end), text: this.#behind(held.slice(end + CLOSE.length)) };
    }
    let kept = Math.min(CLOSE.length - 1, this.#held.length);
    while (kept > 0 && !CLOSE.startsWith(this.#held.slice(-kept))) kept -= 1;
    const thought = this.#held.slice(0, this.#held.length - kept);
    this.#held = this.#held.slice(thought.length);
    return { thought, text: '' };
  }

  /** White space between the tags and the text belongs to neither. */
  #behind(piece: string): string {
    const text = piece.trimStart();
    if (text !== '') this.#place = 'text';
    return text;
  }

  #takeHeld(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/** A text of an answer without the thought in tags that it may begin with, as clients send it back. */
export function withoutThought(text: string): string {
  return text.replace(WHOLE, '');
}
