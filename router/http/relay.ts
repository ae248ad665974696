/**
 * The relay: one answer on its way from a runner to a client, to a recorder, or to both.
 *
 * This is the hot path: one reader, no queue of its own (`highWaterMark: 0`), each chunk goes to the client first and to
 * the recorder second. Nothing here parses an answer, writes to the database or asks a driver.
 */
import { AppError, toOpenAiError } from '../errors';
import { relayLog } from '../log';
import { EventTail } from './event-tail';
import { startBeat, stopBeat } from './heartbeat';
import type { Silence } from './silence';

/** After so long without a byte a stream gets a comment. With the tick that looks for it, that is within 5 s (law 11). */
export const QUIET_MS = 4_000;
/** A client that takes nothing for so long has gone without a word; the lease is not held for it any longer. */
const STALLED_MS = 600_000;
const utf8 = new TextEncoder();

/** nginx's status for a client that has left before there was one. Only ever seen in a log. */
export const CLIENT_GONE = 499;

export type Ending = 'done' | 'stopped' | 'failed';

/** Watches an answer go by. Called after the client was served; what it throws is logged and changes nothing. */
export interface Recorder {
  chunk(bytes: Uint8Array): void;
  end(ending: Ending, error?: AppError): void;
}

export interface RelayOptions {
  /** Whether the body is server-sent events: only then may comments and error events be written into it. */
  readonly events: boolean;
  /** Whether a body of events must close with `[DONE]`; one that does not has been cut. */
  readonly expectDone: boolean;
  /** When the client goes: abort the runner's request, or let the answer go on for the recorder (law 9). */
  readonly onClientGone: 'cancel' | 'detach';
  /** Aborts the request to the runner. */
  readonly abort: AbortController;
  readonly recorder?: Recorder;
  /** What the client is told when the body breaks off; `runner_lost` by default. May take its time to find out. */
  lost?(cause: unknown): AppError | Promise<AppError>;
  /** The events that end a stream before its time, where they are not an error event and `[DONE]`. */
  ending?(error?: AppError): string;
  /** The text of the comment that a quiet stream gets; `keep-alive` by default. */
  signOfLife?(): string;
  /** Told when more is waited for and when it comes. */
  readonly silence?: Silence;
  /** Called exactly once, last. Must not throw. */
  onEnd(ending: Ending, bytes: number, error?: AppError): void;
}

export class Relay {
  /** What the client reads. Without a client, call `drain()` instead. */
  readonly body: ReadableStream<Uint8Array>;
  readonly #options: RelayOptions;
  readonly #source = Promise.withResolvers<ReadableStream<Uint8Array>>();
  readonly #tail = new EventTail();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #step: Promise<void> = Promise.resolve();
  #ended = false;
  /** Why the answer ended before its time. */
  #reason: AppError | undefined;
  #detached = false;
  #bytes = 0;
  #quietSinceMs = Date.now();
  /** Whether the client has asked for the chunk that is waited for. */
  #isAsked = false;
  #stalledSinceMs: number | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    // Nobody reads yet when a start fails at once.
    this.#source.promise.catch(() => undefined);
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#isAsked = true;
          this.#step = this.#next();
          return this.#step;
        },
        cancel: () => this.clientGone(),
      },
      { highWaterMark: 0 },
    );
    startBeat(this);
  }

  /** The runner has answered: its body from here on. */
  attach(source: ReadableStream<Uint8Array> | null): void {
    const body = source ?? new Blob([]).stream();
    if (this.#ended) void body.cancel().catch(() => undefined);
    else this.#source.resolve(body);
  }

  /** There will be no (more) answer. The client of an event stream gets an error event and `[DONE]` (law 10). */
  fail(error: AppError): void {
    this.#cut('failed', error);
  }

  /** Somebody asked for the end of the answer. The client of an event stream gets a proper close. */
  stop(): void {
    this.#cut('stopped');
  }

  /** Writes a comment, between events only (law 11), and not to a client that is behind. */
  comment(text: string): void {
    if (this.#ended || !this.#options.events || !this.#tail.isBetweenEvents || this.#controller?.desiredSize !== 0)
      return;
    this.#toClient(utf8.encode(`: ${text.replace(/[\r\n]+/g, ' ')}\n\n`));
  }

  /** The clock's tick: a sign of life when nothing was written for a while, and the end of a client that gives none. */
  beat(nowMs: number): void {
    // With a comment in its queue, the client has not come back for what it had asked for.
    const isBehind = this.#controller !== undefined && (!this.#isAsked || (this.#controller.desiredSize ?? 0) < 0);
    this.#stalledSinceMs = isBehind ? (this.#stalledSinceMs ?? nowMs) : undefined;
    if (nowMs - (this.#stalledSinceMs ?? nowMs) >= STALLED_MS) this.clientGone();
    else if (nowMs - this.#quietSinceMs >= QUIET_MS) this.comment(this.#options.signOfLife?.() ?? 'keep-alive');
  }

  /** The client has left. Idempotent. */
  clientGone(): void {
    if (this.#ended || this.#detached) return;
    this.#controller?.error();
    this.#controller = undefined;
    if (this.#options.onClientGone === 'detach') {
      void this.drain();
      return;
    }
    this.#end('stopped');
    this.#options.abort.abort();
  }

  /**
   * The whole answer in place of `body`. For one that is short: to serve a stream costs more than all the rest of a
   * request. With `detach` to be asked for before `clientGone`. Rejects with the reason when the answer ends before its time.
   */
  async whole(): Promise<Uint8Array<ArrayBuffer>> {
    const { onClientGone, silence } = this.#options;
    this.#controller = undefined;
    this.#detached = onClientGone === 'detach';
    try {
      const source = await this.#source.promise;
      silence?.awaited();
      const bytes = await new Response(source).bytes();
      silence?.heard();
      if (this.#ended) throw this.#reason;
      this.#pass(bytes);
      this.#end('done');
      return bytes;
    } catch (cause) {
      if (!this.#ended) await this.#lose(cause);
    }
    throw this.#reason ?? new AppError('conflict', { message: 'The answer was stopped.' });
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Reads to the end without a client. Resolves when the answer has ended. */
  async drain(): Promise<void> {
    this.#detached = true;
    this.#controller = undefined;
    await this.#step;
    while (!this.#ended) await this.#next();
  }

  /** Moves one chunk. Never rejects: what goes wrong is an ending. */
  async #next(): Promise<void> {
    try {
      this.#reader ??= (await this.#source.promise).getReader();
      this.#options.silence?.awaited();
      const { done, value } = await this.#reader.read();
      this.#options.silence?.heard();
      if (this.#ended) return;
      if (done) await this.#finish();
      else this.#pass(value);
    } catch (cause) {
      if (this.#ended) return;
      await this.#lose(cause);
    }
  }

  async #lose(cause: unknown): Promise<void> {
    relayLog.warn({ err: cause, bytes: this.#bytes }, 'answer.lost');
    this.fail((await this.#options.lost?.(cause)) ?? new AppError('runner_lost', { cause }));
  }

  #pass(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    this.#isAsked = false;
    this.#toClient(chunk);
    if (this.#options.events) this.#tail.push(chunk);
    if (!this.#options.recorder) return;
    try {
      this.#options.recorder.chunk(chunk);
    } catch (error) {
      relayLog.error({ err: error }, 'recorder.failed');
    }
  }

  async #finish(): Promise<void> {
    const { events, expectDone } = this.#options;
    if (events && expectDone && !this.#tail.isDone) return this.#lose(new Error('closed without [DONE]'));
    this.#end('done');
    this.#controller?.close();
    this.#controller = undefined;
  }

  /** Ends the answer before its time. */
  #cut(ending: Ending, error?: AppError): void {
    if (this.#ended) return;
    const { events, abort, ending: ownEnding } = this.#options;
    const last = ownEnding ? ownEnding(error) : `${this.#tail.ending(error && toOpenAiError(error))}data: [DONE]\n\n`;
    if (events) this.#toClient(utf8.encode(last));
    const client = this.#controller;
    this.#controller = undefined;
    this.#end(ending, error);
    // A body that is not events cannot say what happened: it breaks, so that nobody takes it for whole. Bun prints any
    // reason that it is given.
    if (events) client?.close();
    else client?.error();
    abort.abort(error);
  }

  #end(ending: Ending, error?: AppError): void {
    this.#ended = true;
    this.#reason = error;
    stopBeat(this);
    try {
      this.#options.recorder?.end(ending, error);
    } catch (thrown) {
      relayLog.error({ err: thrown }, 'recorder.failed');
    }
    // Lets go of a source that is still open, and of a step that waits for one that never comes.
    if (ending !== 'done') {
      this.#source.reject(new Error('ended'));
      this.#source.promise.then((source) => (this.#reader ?? source).cancel()).catch(() => undefined);
    }
    this.#options.onEnd(ending, this.#bytes, error);
  }

  #toClient(bytes: Uint8Array): void {
    this.#quietSinceMs = Date.now();
    this.#controller?.enqueue(bytes);
  }
}
