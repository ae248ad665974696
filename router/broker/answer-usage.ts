/**
 * Determines the tokens of an upstream's answer while it passes: reads its usage from the end, or estimates it from the
 * size.
 */
import { type JsonObject, jsonObject } from '../lib/json';
import { estimatedTokens, NO_TOKENS, type Tokens, tokensOf } from '../usage/tokens';
import { textBytes } from './request';

/** Usage is near the end of an answer; only a few members or `[DONE]` follow it. */
const TAIL_BYTES = 16_384;
/** How many occurrences to try, from the last one back, if an upstream sends its usage repeatedly or incomplete. */
const TRIES_MAX = 8;
/** Members that hold usage. OpenAI's member comes first; other servers put it into a choice or use another name. */
const USAGE_MEMBERS = [
  /"usage"\s*:\s*\{/g,
  // Gemini, llama.cpp, Bedrock.
  /"(?:usageMetadata|timings|amazon-bedrock-invocationMetrics)"\s*:\s*\{/g,
];

/** Bytes of the memory for an answer's end, before it is known to be longer. */
const SHORT_BYTES = 1_024;

/**
 * Keeps only the end of an answer, however long it is. Parses nothing until it is read. The bytes are copied: chunks that
 * are kept for seconds outlive the collection that short-lived ones do not.
 */
export class AnswerTail {
  #bytes = 0;
  #kept = Buffer.alloc(SHORT_BYTES);
  #end = 0;

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    const added = chunk.length > TAIL_BYTES ? chunk.subarray(-TAIL_BYTES) : chunk;
    if (this.#end + added.length > this.#kept.length) this.#makeRoom(added.length);
    this.#kept.set(added, this.#end);
    this.#end += added.length;
  }

  /** Moves the end to the front, where that leaves room for more than this. */
  #makeRoom(bytes: number): void {
    const start = Math.max(0, this.#end - TAIL_BYTES);
    const needed = this.#end - start + bytes;
    const to = needed * 1.5 > this.#kept.length ? Buffer.alloc(needed * 2) : this.#kept;
    this.#kept.copy(to, 0, start, this.#end);
    this.#kept = to;
    this.#end -= start;
  }

  /** The usage in the answer; the last one wins. */
  tokens(): Tokens | undefined {
    const text = this.#text();
    // Inside a JSON string the quotes would be escaped, so a model's text cannot match this.
    for (const member of USAGE_MEMBERS) {
      for (const { index } of [...text.matchAll(member)].slice(-TRIES_MAX).reverse()) {
        const tokens = tokensOf(jsonObject(objectAt(text, text.indexOf('{', index))));
        if (tokens) return tokens;
      }
    }
    // Ollama sends usage as members of the last object.
    return tokensOf(values(text).at(-1));
  }

  /** Estimates the tokens of the answer, from the share of text in the end that is kept. */
  writtenTokens(): number {
    if (this.#bytes === 0) return 0;
    const said = values(this.#text());
    // A non-streamed answer that is longer than the kept end cannot be parsed. Nearly all of it is text.
    const share =
      said.length === 0
        ? 1
        : said.reduce<number>((sum, value) => sum + writtenBytes(value), 0) / Math.min(this.#end, TAIL_BYTES);
    return estimatedTokens(this.#bytes * share);
  }

  #text(): string {
    return this.#kept.toString('utf8', Math.max(0, this.#end - TAIL_BYTES), this.#end);
  }
}

/** The tokens of a call that succeeded or was interrupted. `isEstimated` if they are an estimate. */
export function tokensOfAnswer(
  tail: AnswerTail,
  guess: { readonly prompt: () => number; readonly isText: boolean },
): { readonly tokens: Tokens; readonly isEstimated: boolean } {
  const told = tail.tokens();
  // Some servers report only completion tokens. Text always has a prompt, so its tokens are estimated.
  if (told?.prompt === 0 && guess.isText) return { tokens: { ...told, prompt: guess.prompt() }, isEstimated: true };
  if (told) return { tokens: told, isEstimated: false };
  const completion = guess.isText ? tail.writtenTokens() : 0;
  return { tokens: { ...NO_TOKENS, prompt: guess.prompt(), completion }, isEstimated: true };
}

/** The JSON objects in the lines of a body: the events of a stream, or the one object of a non-streamed answer. */
function values(text: string): readonly JsonObject[] {
  const lines = text.split('\n').map((line) => jsonObject(line.replace(/^data: ?/, '')));
  return lines.filter((value) => value !== undefined);
}

/** The text of the object that opens at `start`; its beginning if it is cut off. */
function objectAt(text: string, start: number): string {
  let depth = 0;
  for (let end = start; end < text.length; end += 1) {
    // No member name of a usage object contains a brace.
    if (text[end] === '{') depth += 1;
    else if (text[end] === '}') depth -= 1;
    if (depth === 0) return text.slice(start, end + 1);
  }
  return '';
}

/** Bytes of the model's text in a whole answer or in one event of a stream, for all of OpenAI's APIs. */
function writtenBytes({ choices, delta, output }: JsonObject): number {
  const parts = Array.isArray(choices)
    ? choices.flatMap((choice) => [choice?.delta, choice?.message, choice?.text])
    : [];
  return [delta, output, ...parts].reduce<number>((sum, part) => sum + textBytes(part), 0);
}
