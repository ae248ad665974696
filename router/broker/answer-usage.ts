/** What an answer of an upstream has used, read from its end or guessed from its size, while it goes by. */
import { type JsonObject, jsonObject } from '../lib/json';
import { estimatedTokens, NO_TOKENS, type Tokens, tokensOf } from '../usage/tokens';
import { textBytes } from './request';

/** Usage is among the last things of an answer; behind it there are at most a few members, or `[DONE]`. */
const TAIL_BYTES = 16_384;
/** Of an upstream that says it again and again, or never whole, its last words are looked at. */
const TRIES_MAX = 8;
/** Where servers write it: OpenAI's member, which others put into a choice or into a member of their own, comes first. */
const USAGE_MEMBERS = [
  /"usage"\s*:\s*\{/g,
  // Gemini, llama.cpp, Bedrock.
  /"(?:usageMetadata|timings|amazon-bedrock-invocationMetrics)"\s*:\s*\{/g,
];

/** Keeps the end of an answer and nothing else of it, however long it is. Parses nothing before it is asked. */
export class AnswerTail {
  readonly #chunks: Uint8Array[] = [];
  #kept = 0;
  #bytes = 0;

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#kept += chunk.length;
    this.#bytes += chunk.length;
    for (let first = this.#chunks[0]; first && this.#kept - first.length >= TAIL_BYTES; first = this.#chunks[0]) {
      this.#chunks.shift();
      this.#kept -= first.length;
    }
  }

  /** What the answer says that it has used; the last word counts. */
  tokens(): Tokens | undefined {
    const text = this.#text();
    // In a string of JSON the quotes would be escaped, so that no model can write this itself.
    for (const member of USAGE_MEMBERS) {
      for (const { index } of [...text.matchAll(member)].slice(-TRIES_MAX).reverse()) {
        const tokens = tokensOf(jsonObject(objectAt(text, text.indexOf('{', index))));
        if (tokens) return tokens;
      }
    }
    // Ollama writes it among the members of the last object.
    return tokensOf(values(text).at(-1));
  }

  /** A guess at the tokens that a model has written, from the share of its text in the end that is kept. */
  writtenTokens(): number {
    if (this.#bytes === 0) return 0;
    const said = values(this.#text());
    // An answer in one piece that is longer than what is kept cannot be read: nearly all of it is text then.
    const share =
      said.length === 0
        ? 1
        : said.reduce<number>((sum, value) => sum + writtenBytes(value), 0) / Math.min(this.#kept, TAIL_BYTES);
    return estimatedTokens(this.#bytes * share);
  }

  #text(): string {
    return Buffer.concat(this.#chunks).subarray(-TAIL_BYTES).toString('utf8');
  }
}

/** The tokens of a call whose answer went well, or was broken off. `isEstimated` when they are a guess. */
export function tokensOfAnswer(
  tail: AnswerTail,
  guess: { readonly prompt: () => number; readonly isText: boolean },
): { readonly tokens: Tokens; readonly isEstimated: boolean } {
  const told = tail.tokens();
  // Some tell what was written only; no text comes from no prompt.
  if (told?.prompt === 0 && guess.isText) return { tokens: { ...told, prompt: guess.prompt() }, isEstimated: true };
  if (told) return { tokens: told, isEstimated: false };
  const completion = guess.isText ? tail.writtenTokens() : 0;
  return { tokens: { ...NO_TOKENS, prompt: guess.prompt(), completion }, isEstimated: true };
}

/** The JSON objects of a body's lines: of a stream's events, or the one of an answer in one piece. */
function values(text: string): readonly JsonObject[] {
  const lines = text.split('\n').map((line) => jsonObject(line.replace(/^data: ?/, '')));
  return lines.filter((value) => value !== undefined);
}

/** The text of the object that opens at `start`, or of its beginning when it is cut. */
function objectAt(text: string, start: number): string {
  let depth = 0;
  for (let end = start; end < text.length; end += 1) {
    // No member of a usage has a brace in its name.
    if (text[end] === '{') depth += 1;
    else if (text[end] === '}') depth -= 1;
    if (depth === 0) return text.slice(start, end + 1);
  }
  return '';
}

/** Bytes of what a model has written in a whole answer, or in one event of a stream, of any of OpenAI's APIs. */
function writtenBytes({ choices, delta, output }: JsonObject): number {
  const parts = Array.isArray(choices)
    ? choices.flatMap((choice) => [choice?.delta, choice?.message, choice?.text])
    : [];
  return [delta, output, ...parts].reduce<number>((sum, part) => sum + textBytes(part), 0);
}
