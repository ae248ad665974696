/** Reads an answer from the bytes of its body: its text, its tool calls, and why it failed. */
import { createParser } from 'eventsource-parser';
import type { Incomplete } from '../../../backends/shared/finishes';
import { errorIn, readRefusal } from '../../../backends/shared/upstream-errors';
import { contentText, outputText, refusalText, saidIn } from '../../backends/said';
import type { Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { isBeyondLimits, isJsonObject, type JsonObject, jsonObject, stringOf } from '../../lib/json';
import { safely } from '../../lib/safely';
import { type KeptBytes, kept } from '../../net/body';
import type { MessageFailure } from '../store/conversations';
import { type AnswerPicture, AnswerPictures } from './answer-pictures';
import { endIn, finishIn } from './finish';
import { GrowingText } from './growing-text';
import { type Divided, LeadingThought } from './leading-thought';
import { AnswerSteps, isToolReport } from './steps';
import { AnswerCalls } from './tool-calls';

/** Bytes are parsed in slices of this size. The time limit of `parse` is checked between slices. */
const SLICE_BYTES = 16_384;
/** So many bytes of a stream may wait to be parsed. What waits beyond that counts like the answer's text. */
const WAITING_BYTES_MAX = 1_048_576;
/** Calls are stored in one row, with which everybody waits for the database: 25 ms for so much. */
const CALLS_BYTES_MAX = 4_194_304;
const EVENT_END = new TextEncoder().encode('\n\n');
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const NO_WORDS = { message: 'The agent reported an error.' };

export interface ReaderOptions {
  /** Of its text and its calls together, or of the body that is no stream. */
  readonly maxBytes: number;
  /** The memory share that a long answer is charged to. The recorder ends it. */
  readonly share: Share;
  /** Bytes of one picture in the answer, and where each goes. */
  readonly pictures: { readonly bytesMax: number; save(picture: AnswerPicture): Promise<void> };
}

export class AnswerReader {
  readonly text = new GrowingText();
  calls: AnswerCalls;
  readonly steps: AnswerSteps;
  readonly #leading = new LeadingThought();
  readonly #pictures: AnswerPictures;
  /** Of pictures until they are stored: memory, but no part of the text. */
  #savingBytes = 0;
  failure: MessageFailure | undefined;
  /** Why the model ended the answer before it was whole. */
  incomplete: Incomplete | undefined;
  /** Why no more is read. */
  tooLarge: AppError | undefined;
  /** Whether the body is server-sent events, or one JSON text. To be set before the first bytes. */
  isStream: boolean;
  #parser: ((bytes: Uint8Array) => void) | undefined;
  #waiting: KeptBytes[] = [];
  #waitingBytes = 0;
  #textBytes = 0;
  readonly #measure: (bytes: number) => AppError | undefined;

  constructor(
    readonly messageId: string,
    isStream: boolean,
    readonly options: ReaderOptions,
    now: () => number,
  ) {
    this.isStream = isStream;
    this.calls = new AnswerCalls(messageId);
    this.steps = new AnswerSteps(now);
    this.#pictures = new AnswerPictures(options.pictures.bytesMax, (picture) => void this.#savePicture(picture));
    this.#measure = options.share.measure();
  }

  get textLength(): number {
    return this.text.length;
  }

  get callCount(): number {
    return this.calls.count;
  }

  /** Bytes that are not parsed. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(kept(bytes));
    this.#waitingBytes += bytes.length;
    // What waits of a stream counts from there on; all else has been counted since it was parsed.
    if (!this.isStream || this.#waitingBytes > WAITING_BYTES_MAX) this.#hold();
  }

  /**
   * Parses what waits: of a stream some of it, until a time of `performance.now()`; a body that is no stream is whole.
   * @returns whether nothing waits any more.
   */
  parse(untilMs: number): boolean {
    while (this.#waitingBytes > 0 && !this.tooLarge) {
      if (performance.now() >= untilMs) return false;
      const bytes = this.#take(this.isStream ? SLICE_BYTES : Number.POSITIVE_INFINITY);
      if (!this.isStream) this.#event(utf8.decode(bytes));
      else {
        this.#parser ??= this.#eventsParser();
        this.#parser(bytes);
      }
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
    return true;
  }

  /** The last event of a stream counts although no empty line follows it, as for OpenAI's own clients. */
  end(): void {
    if (!this.tooLarge) this.#parser?.(EVENT_END);
    this.#divided(this.#leading.end());
    this.#say(this.#pictures.end());
    this.steps.end();
  }

  async #savePicture(picture: AnswerPicture): Promise<void> {
    this.#savingBytes += picture.bytes.length;
    await this.options.pictures.save(picture);
    this.#savingBytes -= picture.bytes.length;
  }

  #take(lengthMax: number): Uint8Array {
    // In one piece, because an answer may arrive byte by byte.
    const [first = EVENT_END] = this.#waiting;
    const all = this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting);
    if (all.length <= lengthMax) {
      // Without a view, for which an array of its own memory would have to be made.
      this.#waiting = [];
      this.#waitingBytes = 0;
      return all;
    }
    const taken = all.subarray(0, lengthMax);
    // A part of what is kept.
    this.#waiting = [all.subarray(taken.length) as KeptBytes];
    this.#waitingBytes -= taken.length;
    return taken;
  }

  #eventsParser(): (bytes: Uint8Array) => void {
    const { maxBytes } = this.options;
    const decoder = new TextDecoder();
    const parser = createParser({
      onEvent: ({ data, event }) => this.#event(data, event),
      maxBufferSize: maxBytes,
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.tooLarge = tooLarge(maxBytes);
      },
    });
    return (bytes) => parser.feed(decoder.decode(bytes, { stream: true }));
  }

  /** Notes why no more can be recorded, where that is so. */
  #hold(): void {
    const { maxBytes } = this.options;
    const waiting = this.isStream ? Math.max(0, this.#waitingBytes - WAITING_BYTES_MAX) : this.#waitingBytes;
    const bytes = this.#textBytes + this.calls.size + this.steps.size + this.#pictures.size + waiting;
    this.tooLarge ??= bytes > maxBytes ? tooLarge(maxBytes) : this.#measure(bytes + this.#savingBytes);
  }

  #divided({ thought, text }: Divided): void {
    this.steps.think(thought, this, true);
    if (text === '') return;
    this.steps.endThought();
    this.#say(this.#pictures.text(text));
  }

  /** A call goes behind the text that came before it, also where that was held, as in the stream of a translated response. */
  readonly #lengthBeforeCall = (): number => {
    this.#divided(this.#leading.end());
    return this.text.length;
  };

  /** Of a piece that is too long its beginning. */
  #say(piece: string): void {
    if (piece === '') return;
    const { maxBytes } = this.options;
    const room = maxBytes - this.#textBytes;
    this.#textBytes += Buffer.byteLength(piece);
    this.text.add(this.#textBytes > maxBytes ? piece.slice(0, Math.max(0, room)) : piece);
  }

  /** A call that is cut would be no call. */
  #dropCalls(): void {
    this.calls = new AnswerCalls(this.messageId);
    const hint = `The limit for calls of tools is ${CALLS_BYTES_MAX} bytes.`;
    this.tooLarge ??= new AppError('answer_too_large', { hint });
  }

  /** One event of a stream, or the whole body of an answer that was not streamed. */
  #event(data: string, name?: string): void {
    // An error in reading one event must not keep the rest of the answer from being saved.
    safely('recorder', { messageId: this.messageId }, () => this.#read(data, name));
  }

  #read(data: string, name?: string): void {
    if (data.trim() === '[DONE]' || this.tooLarge) return;
    // A runtime's own events need not be JSON; they are not part of the answer's text.
    const known = jsonObject(data);
    if (!known && !this.isStream) this.tooLarge = unread(data);
    const body = known ?? {};
    const said = saidIn(body);
    const piece = said ? contentText(said.content) + refusalText(said) : responseText(body);
    this.steps.read(body, said, this, name);
    if (piece !== '') this.#divided(this.#leading.push(piece));
    this.#say(this.#pictures.read(body, said));
    this.calls.read(body, said, this.#lengthBeforeCall);
    if (this.calls.size > CALLS_BYTES_MAX) this.#dropCalls();
    if (this.isStream) this.#hold();
    // An agent may pass on the end of each call of its model: the last one counts.
    const end = endIn(body);
    if (end !== undefined) this.incomplete = end ?? undefined;
    const error = name === 'error' ? (readRefusal(data) ?? NO_WORDS) : failureIn(body, name);
    if (error) this.failure ??= { code: 'runner_error', message: error.message };
  }
}

/** Why the text is not the whole answer, as several runtimes and gateways say it where a stream has begun. */
function failureIn(body: JsonObject, name?: string): { readonly message: string } | undefined {
  if (isToolReport(body, name)) return undefined;
  const ofResponse = body.type === 'response.failed' && isJsonObject(body.response) ? body.response : {};
  const error = errorIn(body) ?? errorIn(ofResponse);
  return error ?? (finishIn(body) === 'error' ? NO_WORDS : undefined);
}

/** The text of a response of `/v1/responses`, or of one event of its stream. */
function responseText({ type, delta, output }: JsonObject): string {
  if (type === 'response.output_text.delta' || type === 'response.refusal.delta') return stringOf(delta);
  return Array.isArray(output) ? output.map(outputText).join('') : '';
}

/** Why a whole answer is not read, such as one with the probabilities of many tokens; `undefined` if it is no JSON. */
export function unread(json: string): AppError | undefined {
  if (!isBeyondLimits(json)) return undefined;
  const message = 'The answer has too many parts to be read in one piece. Ask for it as a stream.';
  return new AppError('answer_too_large', { message });
}

/** @param maxBytes the limit. */
export function tooLarge(maxBytes: number): AppError {
  const hint = `The limit is ${maxBytes} bytes: MAX_ANSWER_BYTES.`;
  return new AppError('answer_too_large', { hint });
}
