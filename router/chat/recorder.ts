/**
 * The recorder of an answer: keeps the bytes that pass, parses them in batches, saves the text on a clock and at the
 * end (law 17), and with the end the calls of tools.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { errorIn, readRefusal } from '../../backends/shared/upstream-errors';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { isJsonObject, type JsonObject, jsonObject } from '../lib/json';
import { generationsLog } from '../lib/log';
import { safely } from '../lib/safely';
import type { Ending, Recorder } from '../relay/relay';
import type { ConversationsStore, MessageFailure } from './store';
import { AnswerCalls, contentText, outputText, saidIn } from './tool-calls';

/** How often watchers see the text grow. */
const TICK_MS = 50;
/** How often text is saved: less than the second that may be missing after a crash. */
const SAVE_EVERY_MS = 500;
/** To save a text of megabytes takes tens of milliseconds, in which nothing else goes on: a twentieth of the time at most. */
const SAVE_TIME_FACTOR = 20;
/** What has come is parsed when there is so much of it, also before the tick. */
const PENDING_BYTES_MAX = 262_144;
/** An answer of up to this size is not counted among what is held; a longer one by pieces of this size. */
const HELD_STEP_BYTES = 65_536;

export interface AnswerDeps {
  readonly conversations: ConversationsStore;
  readonly events: Events;
  readonly now: () => number;
}

export interface AnswerIds {
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
}

export interface AnswerOptions {
  /** Whether the runner answers with server-sent events, or with one JSON body. */
  readonly isStream: boolean;
  /** Of its text and its calls together, or of the body that is no stream. */
  readonly maxBytes: number;
  /** What a long answer is held of. The recorder's to end. */
  readonly share: Share;
  /** The answer has ended here because it is too long; what still comes of it is not recorded. */
  onTooLarge?(error: AppError): void;
}

export class Answer implements Recorder {
  text = '';
  /** Resolves when the ending is in the database. */
  readonly saved: Promise<void>;
  readonly #deps: AnswerDeps;
  readonly #ids: AnswerIds;
  #options: AnswerOptions;
  readonly #decoder = new TextDecoder();
  readonly #calls: AnswerCalls;
  readonly #parser;
  readonly #resolveSaved: () => void;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #textBytes = 0;
  #heldBytes = HELD_STEP_BYTES;
  /** Why no more is recorded. */
  #tooLarge: AppError | undefined;
  #tick: ReturnType<typeof setTimeout> | undefined;
  #saveTimer: ReturnType<typeof setTimeout> | undefined;
  /** How much of the text watchers were told of. */
  #toldLength = 0;
  #savedLength = 0;
  #failure: MessageFailure | undefined;
  #ended = false;

  constructor(deps: AnswerDeps, ids: AnswerIds, options: AnswerOptions) {
    this.#deps = deps;
    this.#ids = ids;
    this.#calls = new AnswerCalls(ids.messageId);
    this.#options = options;
    this.#parser = createParser({
      onEvent: ({ data, event }) => this.#event(data, event),
      maxBufferSize: options.maxBytes,
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.#tooLarge = tooLarge(options.maxBytes);
      },
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.saved = promise;
    this.#resolveSaved = resolve;
  }

  /** What the runner answers with, whatever it was asked for. To be said before the first chunk. */
  comesAs({ isStream }: { readonly isStream: boolean }): void {
    this.#options = { ...this.#options, isStream };
  }

  chunk(bytes: Uint8Array): void {
    if (this.#ended) return;
    const { isStream, maxBytes } = this.#options;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (!isStream) this.#hold(this.#pendingBytes, maxBytes);
    else if (this.#pendingBytes > PENDING_BYTES_MAX) this.#parse();
    if (this.#tooLarge) this.#cut(this.#tooLarge);
    else if (isStream) this.#tick ??= setTimeout(() => safely('tick', this.#ids, () => this.#onTick()), TICK_MS);
  }

  /** The first call decides how the answer ended. */
  end(ending: Ending, error?: AppError): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#tick);
    clearTimeout(this.#saveTimer);
    this.#parse();
    // The last event counts although no empty line follows it, as for OpenAI's own clients.
    if (this.#options.isStream && !this.#tooLarge) this.#parser.feed('\n\n');
    if (this.#tooLarge) this.#failure = failureOf(this.#tooLarge);
    if (ending === 'failed' && !this.#failure) this.#failure = failureOf(error ?? new AppError('runner_lost'));
    // An error event inside a stream that closes properly is a failure all the same.
    const status = this.#failure && ending === 'done' ? 'failed' : ending;
    const { messageId, conversationId, userId } = this.#ids;
    const failure = status === 'failed' ? this.#failure : undefined;
    const said = { content: this.text, calls: this.#calls.all };
    const nowMs = this.#deps.now();
    void this.#untilSaved(() =>
      this.#deps.conversations.endAnswer(messageId, { status, ...said, ...(failure && { failure }), nowMs }),
    ).then(() => {
      generationsLog.info({ message: messageId, status, code: failure?.code }, 'generation.ended');
      this.#deps.events.publish(userId, { kind: 'message.ended', conversationId, messageId });
      this.#options.share.end();
      this.#resolveSaved();
    });
  }

  /** An ending that is not in the database would leave the answer growing for ever: it is tried until it is (law 19). */
  async #untilSaved(save: () => Promise<unknown>): Promise<void> {
    while (!(await this.#attempt(save))) await delay(SAVE_EVERY_MS);
  }

  /** @returns whether it was written. Somebody else's lock on the database is no reason to lose an answer. */
  async #attempt(save: () => Promise<unknown>): Promise<boolean> {
    try {
      await save();
      return true;
    } catch (error) {
      generationsLog.error({ message: this.#ids.messageId, err: error }, 'answer.save_failed');
      return false;
    }
  }

  #onTick(): void {
    this.#tick = undefined;
    this.#parse();
    if (this.#tooLarge) {
      this.#cut(this.#tooLarge);
      return;
    }
    const { messageId, conversationId, userId } = this.#ids;
    // Some of it may have been parsed before the tick.
    if (this.text.length > this.#toldLength) {
      this.#toldLength = this.text.length;
      this.#deps.events.publish(userId, { kind: 'message.grew', conversationId, messageId });
    }
    this.#saveSoon();
  }

  #saveSoon(afterMs = SAVE_EVERY_MS): void {
    if (this.text.length === this.#savedLength || this.#ended) return;
    this.#saveTimer ??= setTimeout(async () => {
      const { text } = this;
      const startedMs = performance.now();
      const isSaved = await this.#attempt(() => this.#deps.conversations.saveText(this.#ids.messageId, text));
      if (isSaved) this.#savedLength = text.length;
      this.#saveTimer = undefined;
      this.#saveSoon(Math.max(SAVE_EVERY_MS, (performance.now() - startedMs) * SAVE_TIME_FACTOR));
    }, afterMs);
  }

  /** Ends the answer with what there is of it. */
  #cut(error: AppError): void {
    if (this.#ended) return;
    this.#pending = [];
    this.end('failed', error);
    this.#options.onTooLarge?.(error);
  }

  #parse(): void {
    const bytes = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (this.#tooLarge) return;
    const text = bytes.map((chunk) => this.#decoder.decode(chunk, { stream: true })).join('');
    if (this.#options.isStream) this.#parser.feed(text);
    else if (text) this.#event(text);
  }

  /** Notes why no more can be recorded, where that is so. */
  #hold(bytes: number, maxBytes: number): void {
    if (bytes > maxBytes) this.#tooLarge = tooLarge(maxBytes);
    while (!this.#tooLarge && bytes > this.#heldBytes) {
      this.#tooLarge = this.#options.share.grow(HELD_STEP_BYTES);
      this.#heldBytes += HELD_STEP_BYTES;
    }
  }

  /** Of a piece that is too long its beginning. */
  #say(piece: string): void {
    const room = this.#options.maxBytes - this.#textBytes;
    this.#textBytes += Buffer.byteLength(piece);
    this.text += this.#textBytes > this.#options.maxBytes ? piece.slice(0, Math.max(0, room)) : piece;
  }

  /** One event of a stream, or the whole body of an answer that was not streamed. */
  #event(data: string, name?: string): void {
    // What a runner sends must not keep the rest of its answer from being saved.
    safely('recorder', this.#ids, () => this.#read(data, name));
  }

  #read(data: string, name?: string): void {
    if (data.trim() === '[DONE]' || this.#tooLarge) return;
    // A runtime's own events need not be JSON; they are not part of the answer's text.
    const body = jsonObject(data) ?? {};
    const said = saidIn(body);
    const piece = said ? contentText(said.content) : responseText(body);
    if (piece !== '') this.#say(piece);
    this.#calls.read(body, this.text.length);
    if (this.#options.isStream) this.#hold(this.#textBytes + this.#calls.size, this.#options.maxBytes);
    const error = name === 'error' ? (readRefusal(data) ?? NO_WORDS) : failureIn(body);
    if (error) this.#failure ??= { code: 'runner_error', message: error.message };
  }
}

const NO_WORDS = { message: 'The agent reported an error.' };

/** Why the text is not the whole answer, as several runtimes and gateways say it where a stream has begun. */
function failureIn(body: JsonObject): { readonly message: string } | undefined {
  const [choice] = Array.isArray(body.choices) ? body.choices : [];
  const ofResponse = body.type === 'response.failed' && isJsonObject(body.response) ? body.response : {};
  const error = errorIn(body) ?? errorIn(ofResponse);
  return error ?? (isJsonObject(choice) && choice.finish_reason === 'error' ? NO_WORDS : undefined);
}

/** @param maxBytes the limit. */
export function tooLarge(maxBytes: number): AppError {
  const hint = `The limit is ${maxBytes} bytes: MAX_ANSWER_BYTES.`;
  return new AppError('answer_too_large', { hint });
}

/** An error as it is kept with the answer it ended. */
export function failureOf(error: AppError): MessageFailure {
  return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}

/** The text of a response of `/v1/responses`, or of one event of its stream. */
function responseText({ type, delta, output }: JsonObject): string {
  if (type === 'response.output_text.delta') return typeof delta === 'string' ? delta : '';
  return Array.isArray(output) ? output.map(outputText).join('') : '';
}
