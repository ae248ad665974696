/** Removes the usage event from a stream, if the broker asked for usage and the runner did not. */
import { jsonObject } from '../lib/json';
import type { Body } from '../net/body';
import { mapBody } from '../net/mapped-body';

/** A usage event is much shorter than this. A longer event is passed on before its end has arrived. */
const HELD_BYTES_MAX = 16_384;
const LF = 10;
const CR = 13;
const NOTHING = new Uint8Array();
const CHOICES = Buffer.from('"choices"');
const COLON = 0x3a;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/**
 * Passes on all bytes except a usage event. Holds back the beginning of an event until its end, so that the client
 * never gets a part of an event that is then removed. A client cannot use a part of an event anyway.
 */
export class UsageFilter {
  #held: Uint8Array = NOTHING;
  /** Set while the rest of an event that was too long to hold is passed on. */
  #isPassing = false;
  /** The last event was taken out and ended with CR: a LF that follows belongs to it. */
  #isBehindCr = false;

  /** Returns the bytes that can be passed on now. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#isBehindCr && chunk.length > 0) {
      this.#isBehindCr = false;
      if (chunk[0] === LF) return this.push(Buffer.from(chunk.subarray(1)));
    }
    const isFresh = this.#held.length === 0;
    // The most frequent case: whole events, none of them without choices.
    if (isFresh && !this.#isPassing && endsWithEvent(chunk) && !hasNoChoices(chunk)) return chunk;
    const bytes = isFresh ? chunk : Buffer.concat([this.#held, chunk]);
    const passed: Uint8Array[] = [];
    let start = 0;
    for (const end of eventEnds(bytes, this.#isPassing)) {
      const event = bytes.subarray(start, end);
      const isKept = this.#isPassing || !isUsage(event);
      if (isKept) passed.push(event);
      this.#isBehindCr = !isKept && end === bytes.length && bytes[end - 1] === CR;
      this.#isPassing = false;
      start = end;
    }
    const rest = bytes.subarray(start);
    this.#isPassing ||= rest.length > HELD_BYTES_MAX;
    // The line that just ended may be the last one of its event; the next byte decides.
    const heldFrom = this.#isPassing ? withoutLineEnd(rest) : 0;
    if (heldFrom > 0) passed.push(rest.subarray(0, heldFrom));
    // A copy, because what is short here may be a part of a large chunk, whose memory is given back.
    this.#held = Buffer.from(rest.subarray(heldFrom));
    return Buffer.concat(passed);
  }

  /** Returns the held bytes when the stream ends in the middle of an event. */
  end(): Uint8Array {
    return this.#held;
  }
}

const bufferOf = (bytes: Uint8Array) =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
const endsWithEvent = (bytes: Uint8Array) => bytes.at(-1) === LF && bytes.at(-2) === LF;

/**
 * Where events end: behind an empty line. A line ends with LF, CR or both.
 * @param isMidLine whether the bytes begin in the middle of a line, or at its end.
 */
function* eventEnds(bytes: Uint8Array, isMidLine: boolean): Generator<number> {
  let lf = bytes.indexOf(LF);
  let cr = bytes.indexOf(CR);
  let lineStart = isMidLine ? -1 : 0;
  while (lf !== -1 || cr !== -1) {
    const isCr = cr !== -1 && (lf === -1 || cr < lf);
    const at = isCr ? cr : lf;
    const end = isCr && lf === at + 1 ? at + 2 : at + 1;
    if (at === lineStart) yield end;
    lineStart = end;
    if (lf !== -1 && lf < end) lf = bytes.indexOf(LF, end);
    if (isCr) cr = bytes.indexOf(CR, end);
  }
}

/** Number of bytes up to and including the line end; 0 if they do not end with one. */
function withoutLineEnd(bytes: Uint8Array): number {
  const end = bytes.at(-1) === LF ? bytes.length - 1 : bytes.length;
  return bytes[end - 1] === CR ? end - 1 : end;
}

/**
 * Whether there is an event without choices, in OpenAI's spelling or in others. Only those are parsed; that of a token is
 * not even made into text. Inside a JSON string the quotes would be escaped.
 */
function hasNoChoices(bytes: Uint8Array): boolean {
  const buffer = bufferOf(bytes);
  for (let at = buffer.indexOf(CHOICES); at !== -1; at = buffer.indexOf(CHOICES, at)) {
    at += CHOICES.length;
    for (const sign of [COLON, OPEN, CLOSE]) {
      while (isBlank(buffer[at])) at += 1;
      if (buffer[at] !== sign) break;
      if (sign === CLOSE) return true;
      at += 1;
    }
  }
  return false;
}

/** White space of JSON. */
const isBlank = (byte: number | undefined) => byte === 0x20 || byte === LF || byte === CR || byte === 0x09;

function isUsage(event: Uint8Array): boolean {
  if (!hasNoChoices(event)) return false;
  const text = bufferOf(event).toString('latin1');
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.startsWith('data:'));
  const { choices, usage } = jsonObject(lines.map((line) => line.slice('data:'.length)).join('\n')) ?? {};
  // Some APIs begin with an event that has neither choices nor usage.
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
}

/**
 * Returns the stream without its usage event.
 * @param seen Is called with every chunk, including bytes that the filter removes.
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
