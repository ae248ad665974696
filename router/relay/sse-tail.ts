/**
 * Keeps the end of a stream of server-sent events: whether a comment may follow, and whether the stream is complete.
 */

import { parseJson } from '../lib/json';
import { type KeptBytes, kept } from '../net/body';

/** Enough for `data: [DONE]`, its line ends and a comment. */
const TAIL_BYTES = 64;
/** Total size up to which the chunks of an unfinished event are kept; few events are larger. */
const OPEN_BYTES_MAX = 65_536;
const DONE_EVENT = /(^|[\r\n])data: ?\[DONE\]/;
const EVENT_END = /(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)/;
const LF = 10;
const CR = 13;

export class EventTail {
  /** The start of a stream counts as following an empty line. */
  readonly #bytes = Buffer.alloc(TAIL_BYTES, LF);
  /** The last chunks, if they contain an unfinished event. Most streams never have any. */
  #open: KeptBytes[] = [];
  #openBytes = 0;
  /** Whether the first of these chunks follows the end of an event. */
  #isOpenWhole = true;

  push(chunk: Uint8Array): void {
    const count = Math.min(chunk.length, TAIL_BYTES);
    if (count < TAIL_BYTES) this.#bytes.copyWithin(0, count);
    // One by one: `set` wants a view of the end, which costs more than the bytes.
    for (let back = 1; back <= count; back += 1) {
      this.#bytes[TAIL_BYTES - back] = chunk[chunk.length - back] as number;
    }
    if (this.isBetweenEvents) this.#forget(true);
    else this.#keep(chunk);
  }

  #keep(chunk: Uint8Array): void {
    if (this.#open.length > 0 && this.#openBytes + chunk.length > OPEN_BYTES_MAX) this.#forget(false);
    this.#open.push(kept(chunk));
    this.#openBytes += chunk.length;
  }

  #forget(isBetweenEvents: boolean): void {
    this.#isOpenWhole = isBetweenEvents;
    if (this.#open.length === 0) return;
    this.#open = [];
    this.#openBytes = 0;
  }

  /**
   * Whether the stream ends with an empty line, in any of SSE's line ends. Then a comment or another event may follow.
   */
  get isBetweenEvents(): boolean {
    // Without a list, which would be made for each chunk.
    const last = this.#bytes[TAIL_BYTES - 1];
    const before = this.#bytes[TAIL_BYTES - 2];
    // If lines end with two bytes, the second one may still arrive.
    if (last === CR) return before === CR;
    return last === LF && isLineEnd(before === CR ? this.#bytes[TAIL_BYTES - 3] : before);
  }

  /** Whether `[DONE]` was among the last events. */
  get isDone(): boolean {
    return DONE_EVENT.test(this.#bytes.toString('latin1'));
  }

  /**
   * Returns the bytes that end the stream after a cut: they complete the event that was cut, and send `last`. An event
   * that has begun cannot be withdrawn, and its incomplete JSON would be the error that the client reports. So the
   * members of `last` are added to it. If that is impossible, or no event was cut, `last` is a separate event.
   */
  ending(last: object | undefined): string {
    const event = last ? `data: ${JSON.stringify(last)}\n\n` : '';
    if (this.isBetweenEvents) return event;
    const [open = '', ...earlier] = Buffer.concat(this.#open).toString().split(EVENT_END).reverse();
    const isWhole = this.#isOpenWhole || earlier.length > 0;
    const lines = open.split(/\r\n|\r|\n/);
    const values = lines.flatMap((line) => /^data: ?(.*)$/s.exec(line)?.[1] ?? []);
    const rest = isWhole ? completion(values.join('\n'), last ?? {}) : undefined;
    const line = lines.at(-1) ?? '';
    // Only one empty line: after an `id:` field, some clients take each empty line for an event.
    if (rest === undefined) return `${open.endsWith('\n') ? '\n' : '\n\n'}${event}`;
    const intoData = line.startsWith('data:') ? '' : line === '' ? 'data: ' : '\ndata: ';
    return `${intoData}${rest}\n\n`;
  }
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === LF || byte === CR;
}

/** Endings that complete a JSON text which was cut: the rest of a string, a name, a value or a literal. */
const MISSING = ['', '"', '0', ':0', '":0', '"":0', '\\"', '\\":0'].concat(
  ...['0', '00', '000', '0000'].map((hex) => [`${hex}"`, `${hex}":0`]),
  ...['true', 'false', 'null'].map((word) => [1, 2, 3, 4].map((length) => word.slice(length))),
);

/** Completes a JSON text that was cut inside an object, and adds the members of `more`. */
function completion(cut: string, more: object): string | undefined {
  if (isJson(cut)) return undefined;
  const members = JSON.stringify(more).slice(1, -1);
  if (cut === '') return `{${members}}`;
  const open: string[] = [];
  let isInString = false;
  for (const [token] of cut.matchAll(/\\.|["{}[\]]/gs)) {
    if (token === '"') isInString = !isInString;
    else if (isInString) continue;
    else if (token === '{' || token === '[') open.push(token === '{' ? '}' : ']');
    else open.pop();
  }
  const inner = open.slice(1).reverse().join('');
  const ends = MISSING.map((missing) => `${missing}${inner}${members && `,${members}`}}`);
  return cut.startsWith('{') ? ends.find((end) => isJson(cut + end)) : undefined;
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}
