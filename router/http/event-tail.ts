/** The end of a stream of server-sent events, without the stream: what may follow it, and whether it is whole. */

/** Room for `data: [DONE]`, its line ends and a comment. */
const TAIL_BYTES = 64;
const DONE_EVENT = /(^|[\r\n])data: ?\[DONE\]/;
const LF = 10;
const CR = 13;

export class EventTail {
  /** A stream that has not begun is like one after an empty line. */
  readonly #bytes = new Uint8Array(TAIL_BYTES).fill(LF);

  push(chunk: Uint8Array): void {
    if (chunk.length >= TAIL_BYTES) {
      this.#bytes.set(chunk.subarray(-TAIL_BYTES));
    } else {
      this.#bytes.copyWithin(0, chunk.length);
      this.#bytes.set(chunk, TAIL_BYTES - chunk.length);
    }
  }

  /** Whether it ends with an empty line, in any of SSE's line ends: a comment or another event may follow. */
  get isBetweenEvents(): boolean {
    const [a, b, c, d] = this.#bytes.subarray(-4);
    return (c === LF && d === LF) || (c === CR && d === CR) || (a === CR && b === LF && c === CR && d === LF);
  }

  /** Whether `[DONE]` was among the last events. */
  get isDone(): boolean {
    return DONE_EVENT.test(new TextDecoder().decode(this.#bytes));
  }
}
