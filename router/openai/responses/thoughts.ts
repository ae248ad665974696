/** Thoughts of a model: which part of a chat's answer they are, and what a client sends back of them. */

import { contentText, thoughtText } from '../../backends/said';
import type { JsonBody } from '../../backends/shape';
import { LeadingThought } from '../../chat/generations/leading-thought';
import { isJsonObject, type JsonObject, stringOf } from '../../lib/json';
import { type Details, joined, lastTokens, NO_DETAILS } from './details';

/** Begins the `encrypted_content` of a thought from here. Nobody but its maker can read another one. */
const SEAL = 'agent-stack:';

/** A piece of an answer: what is thought, and then what is said. */
export interface Piece {
  readonly thought: string;
  readonly text: string;
  /** What comes beside the text. */
  readonly details: Details;
}

/** Divides the content of a chat's answer, whether its model has a member for thoughts or writes them in tags. */
export class ThoughtReader {
  readonly #leading = new LeadingThought();
  /** Of text that is held because it may be the beginning of a tag. */
  #held = NO_DETAILS;
  #isTagged = false;

  /** @param said a delta of the answer, or its message. */
  read(said: JsonObject, details: Details): Piece {
    const thought = thoughtText(said);
    const content = contentText(said.content);
    if (content === '') return { thought, text: '', details };
    const divided = this.#leading.push(content);
    const { text } = divided;
    this.#isTagged ||= divided.thought !== '';
    const came = joined(this.#held, details);
    this.#held = text === '' && !this.#isTagged ? came : NO_DETAILS;
    // The tokens of a thought in the same piece, and those of white space behind it, are no text.
    const own = this.#isTagged && text !== content ? lastTokens(came, text.length) : came;
    return { thought: thought + divided.thought, text, details: text === '' ? NO_DETAILS : own };
  }

  /** Gives out what is held: before something else begins, and at the end. */
  end(): Piece {
    const details = this.#held;
    this.#held = NO_DETAILS;
    return { ...this.#leading.end(), details };
  }

  /** An answer that was not streamed. */
  whole(said: JsonObject, details: Details): Piece {
    const [piece, rest] = [this.read(said, details), this.end()];
    return {
      thought: piece.thought + rest.thought,
      text: piece.text + rest.text,
      details: joined(piece.details, rest.details),
    };
  }
}

/** The `encrypted_content` of a thought, for clients that send nothing else of it back. The item has it in the clear, too. */
export function sealed(thought: string): string {
  return SEAL + thought;
}

/** The thought in a reasoning item of a client; empty where it has none that can be read here. */
export function thoughtIn({ content, summary, encrypted_content: seal }: JsonBody): string {
  const kept = stringOf(seal);
  return textsOf(content) || (kept.startsWith(SEAL) ? kept.slice(SEAL.length) : textsOf(summary));
}

function textsOf(parts: unknown): string {
  const all = Array.isArray(parts) ? parts.filter(isJsonObject) : [];
  return all
    .map(({ text }) => stringOf(text))
    .filter(Boolean)
    .join('\n\n');
}
