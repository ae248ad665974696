/** The parameters of a request to the scripted runner, and the mark in a chunk that says when it was sent. */
import { TEXTS, type TextKind } from './texts';

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
  /** The runner asks its LLM API for this answer and passes it on, as an agent does. */
  readonly viaBroker?: boolean;
  /** The answer is this text instead of marks; `chunks` and `chunkBytes` do not count. */
  readonly text?: TextKind;
}

/** Begins a message: one that quotes it, as the router's question for a title does, asks for something else. */
const SCRIPT = /"bench chunks=(\d+) paceMs=(\d+) bytes=(\d+)( via=broker)?(?: text=(\w+))?/g;

/** The body of a chat completion. The script stands in a message, since every proxy passes those on. */
export function chatBody(script?: Script): string {
  const asked = script ? scriptText(script) : 'How long is a piece of string?';
  const messages = [
    { role: 'system', content: 'You are a helpful assistant. Answer in one short paragraph, in plain words.' },
    { role: 'user', content: asked },
  ];
  return JSON.stringify({ model: MODEL, messages, ...(script && { stream: true }) });
}

/** The words of a message that asks for this. */
export function scriptText({ chunks, paceMs, chunkBytes, viaBroker, text }: Script): string {
  const how = `${viaBroker ? ' via=broker' : ''}${text === undefined ? '' : ` text=${text}`}`;
  return `bench chunks=${chunks} paceMs=${paceMs} bytes=${chunkBytes}${how}`;
}

/** The script that the last message of a request's body asks for: a conversation has those of earlier ones, too. */
export function scriptOf(body: string): Script | undefined {
  const [found, chunks, paceMs, chunkBytes, via, text] = [...body.matchAll(SCRIPT)].at(-1) ?? [];
  if (found === undefined) return undefined;
  return {
    ...{ chunks: Number(chunks), paceMs: Number(paceMs), chunkBytes: Number(chunkBytes) },
    ...(via !== undefined && { viaBroker: true }),
    ...(text !== undefined && text in TEXTS && { text: text as TextKind }),
  };
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
