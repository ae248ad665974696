/**
 * The recorder of an answer: keeps the bytes that pass, parses them in batches, saves the text on a clock and at the
 * end (law 17), and with the end the calls of tools.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { generationsLog } from '../lib/log';
import type { Ending, Recorder } from '../relay/relay';
import type { ConversationsStore, MessageFailure } from './store';
import { AnswerCalls, type CallsBody, outputText } from './tool-calls';

/** How often watchers see the text grow. */
const TICK_MS = 50;
/** How often text is saved: less than the second that may be missing after a crash. */
const SAVE_EVERY_MS = 500;

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

export class Answer implements Recorder {
  text = '';
  /** Resolves when the ending is in the database. */
  readonly saved: Promise<void>;
  readonly #deps: AnswerDeps;
  readonly #ids: AnswerIds;
  #isStream: boolean;
  readonly #decoder = new TextDecoder();
  readonly #calls = new AnswerCalls();
  readonly #parser = createParser({ onEvent: (event) => this.#event(event.data) });
  readonly #resolveSaved: () => void;
  #pending: Uint8Array[] = [];
  #tick: ReturnType<typeof setTimeout> | undefined;
  #saveTimer: ReturnType<typeof setTimeout> | undefined;
  #savedText = '';
  #failure: MessageFailure | undefined;
  #ended = false;

  /** @param isStream whether the runner is asked for server-sent events, or for one JSON body. */
  constructor(deps: AnswerDeps, ids: AnswerIds, isStream: boolean) {
    this.#deps = deps;
    this.#ids = ids;
    this.#isStream = isStream;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.saved = promise;
    this.#resolveSaved = resolve;
  }

  /** What the runner answers with, whatever it was asked for. To be said before the first chunk. */
  comesAs({ isStream }: { readonly isStream: boolean }): void {
    this.#isStream = isStream;
  }

  chunk(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    if (this.#isStream) this.#tick ??= setTimeout(() => this.#onTick(), TICK_MS);
  }

  /** The first call decides how the answer ended. */
  end(ending: Ending, error?: AppError): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#tick);
    clearTimeout(this.#saveTimer);
    this.#parse();
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
    const before = this.text.length;
    this.#parse();
    const { messageId, conversationId, userId } = this.#ids;
    if (this.text.length > before) {
      this.#deps.events.publish(userId, { kind: 'message.grew', conversationId, messageId });
    }
    this.#saveSoon();
  }

  #saveSoon(): void {
    if (this.text === this.#savedText || this.#ended) return;
    this.#saveTimer ??= setTimeout(async () => {
      const { text } = this;
      const isSaved = await this.#attempt(() => this.#deps.conversations.saveText(this.#ids.messageId, text));
      if (isSaved) this.#savedText = text;
      this.#saveTimer = undefined;
      this.#saveSoon();
    }, SAVE_EVERY_MS);
  }

  #parse(): void {
    const bytes = this.#pending;
    this.#pending = [];
    const text = bytes.map((chunk) => this.#decoder.decode(chunk, { stream: true })).join('');
    if (this.#isStream) this.#parser.feed(text);
    else if (text) this.#event(text);
  }

  /** One event of a stream, or the whole body of an answer that was not streamed. */
  #event(data: string): void {
    if (data === '[DONE]') return;
    const body = parseJson(data);
    if (!body) return;
    const choice = body.choices?.[0];
    const piece = choice?.delta?.content ?? choice?.message?.content ?? responseText(body);
    if (typeof piece === 'string') this.text += piece;
    this.#calls.read(body, this.text.length);
    // Not OpenAI's, but what several runtimes and gateways say where a stream has begun: the text is not the whole answer.
    if (body.error || choice?.finish_reason === 'error') {
      const message = textOf(body.error?.message) ?? 'The agent reported an error.';
      this.#failure ??= { code: 'runner_error', message };
    }
  }
}

/** An error as it is kept with the answer it ended. */
export function failureOf(error: AppError): MessageFailure {
  return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}

/** The text of a response of `/v1/responses`, or of one event of its stream. */
function responseText({ type, delta, output }: ChatBody): unknown {
  if (type === 'response.output_text.delta') return delta;
  return Array.isArray(output) ? output.map(outputText).join('') : undefined;
}

interface ChatBody extends CallsBody {
  readonly delta?: unknown;
  readonly choices?: readonly Choice[];
  readonly error?: { message?: unknown };
}

interface Choice {
  readonly delta?: { content?: unknown; tool_calls?: unknown };
  readonly message?: { content?: unknown; tool_calls?: unknown };
  readonly finish_reason?: unknown;
}

function parseJson(data: string): ChatBody | undefined {
  try {
    const body: unknown = JSON.parse(data);
    return typeof body === 'object' && body !== null ? (body as ChatBody) : undefined;
  } catch {
    // A runtime's own events need not be JSON; they are not part of the answer's text.
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
