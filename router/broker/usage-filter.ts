/** Takes the event with the usage out of a stream again, where the broker has asked for it and the runner has not. */
import { jsonObject } from '../lib/json';
import type { Body } from '../net/body';
import { mapBody } from '../net/mapped-body';

/** An event with usage is shorter than this by far; one that is longer goes on before its end is known. */
const HELD_BYTES_MAX = 16_384;
const LF = 10;
const CR = 13;
const NOTHING = new Uint8Array();
/** What a choiceless event looks like, as OpenAI writes it and as others do. Anything else is not parsed. */
const CHOICELESS = /"choices"\s*:\s*\[\s*\]/;

/**
 * Lets every byte through but those of a usage event. What has come of an event is held back until its end, so that
 * nobody is sent half of an event which then goes missing; nothing can be done with half an event anyway.
 */
export class UsageFilter {
  #held: Uint8Array = NOTHING;
  /** An event that was too long to be held: from here to its end it goes through. */
  #isPassing = false;

  /** What may go on of what has come so far. */
  push(chunk: Uint8Array): Uint8Array {
    const isFresh = this.#held.length === 0;
    // The common case, many times a second: whole events, none of them without a choice.
    if (isFresh && !this.#isPassing && endsWithEvent(chunk) && !CHOICELESS.test(latin1(chunk))) return chunk;
    const bytes = isFresh ? chunk : Buffer.concat([this.#held, chunk]);
    const kept: Uint8Array[] = [];
    let start = 0;
    for (let end = endOfEvent(bytes, start); end > 0; end = endOfEvent(bytes, start)) {
      const event = bytes.subarray(start, end);
      if (this.#isPassing || !isUsage(event)) kept.push(event);
      this.#isPassing = false;
      start = end;
    }
    const rest = bytes.subarray(start);
    this.#isPassing ||= rest.length > HELD_BYTES_MAX;
    // A line that has ended may be the last one of its event: that shows with the next byte.
    const heldFrom = this.#isPassing ? withoutLineEnd(rest) : 0;
    if (heldFrom > 0) kept.push(rest.subarray(0, heldFrom));
    this.#held = rest.subarray(heldFrom);
    return Buffer.concat(kept);
  }

  /** What is held when the stream ends in the middle of an event. */
  end(): Uint8Array {
    return this.#held;
  }
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
const endsWithEvent = (bytes: Uint8Array) => bytes.at(-1) === LF && bytes.at(-2) === LF;

/** Where the event that begins at `start` has ended with its empty line; 0 when it has not. */
function endOfEvent(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(LF, start); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return 0;
}

/** The length of the bytes up to the line end that they close with, if they do. */
function withoutLineEnd(bytes: Uint8Array): number {
  const end = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length;
  return bytes[end - 1] === LF ? end - 1 : bytes.length;
}

function isUsage(event: Uint8Array): boolean {
  const text = latin1(event);
  if (!CHOICELESS.test(text)) return false;
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  const { choices, usage } = jsonObject(lines.map((line) => line.slice('data:'.length)).join('\n')) ?? {};
  // Some APIs begin with an event that has no choice either, but no usage.
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
}

/**
 * The stream without its usage event.
 * @param seen is given every chunk as it comes, also what the filter takes out.
 */
export function withoutUsage(source: Body, seen: (chunk: Uint8Array) => void): Body {
  const filter = new UsageFilter();
  return mapBody(source, {
    chunk(bytes) {
      seen(bytes);
      return filter.push(bytes);
    },
    end: () => filter.end(),
  });
}
