/** The parameters of a request to the scripted runner, and the mark in a chunk that says when it was sent. */

export const MODEL = 'bench';
export const CHAT_PATH = '/v1/chat/completions';
/** Begins a time mark; stands nowhere else in an answer, its head included. */
export const MARK = 0x23;
/** `#` and 15 digits: microseconds of `nowUs()`. */
export const MARK_BYTES = 16;

/** An answer that is streamed. Without a script the answer is a short JSON body. */
export interface Script {
  readonly chunks: number;
  /** Between two chunks; 0 is as fast as the reader allows. */
  readonly paceMs: number;
  /** Of one event, at least 200. */
  readonly chunkBytes: number;
}

const SCRIPT = /bench chunks=(\d+) paceMs=(\d+) bytes=(\d+)/;

/** The body of a chat completion. The script stands in a message, since every proxy passes those on. */
export function chatBody(script?: Script): string {
  const asked = script
    ? `bench chunks=${script.chunks} paceMs=${script.paceMs} bytes=${script.chunkBytes}`
    : 'How long is a piece of string?';
  const messages = [
    { role: 'system', content: 'You are a helpful assistant. Answer in one short paragraph, in plain words.' },
    { role: 'user', content: asked },
  ];
  return JSON.stringify({ model: MODEL, messages, ...(script && { stream: true }) });
}

/** The script that a request's body asks for. */
export function scriptOf(body: string): Script | undefined {
  const [found, chunks, paceMs, chunkBytes] = SCRIPT.exec(body) ?? [];
  return found === undefined
    ? undefined
    : { chunks: Number(chunks), paceMs: Number(paceMs), chunkBytes: Number(chunkBytes) };
}

/** Writes a time mark into a chunk that is about to be sent. */
export function writeMark(chunk: Uint8Array, at: number, timeUs: number): void {
  let rest = Math.floor(timeUs);
  for (let place = at + MARK_BYTES - 1; place > at; place -= 1) {
    chunk[place] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/** The time of the mark that begins at `at`, all of which must be there. */
export function readMark(bytes: Uint8Array, at: number): number {
  let timeUs = 0;
  for (let place = at + 1; place < at + MARK_BYTES; place += 1) timeUs = timeUs * 10 + ((bytes[place] ?? 0x30) - 0x30);
  return timeUs;
}
