/**
 * The relay: one answer on its way from a runner to a client, to a recorder, or to both.
 *
 * This is the hot path: no queue of its own (`highWaterMark: 0`), each chunk goes to the client first and to the recorder
 * second, and a client that is behind holds the runner back. Nothing here parses an answer, writes to the database or
 * asks a driver.
 */
import { AppError, toAppError, toStreamedError } from '../lib/errors';
import { type Beating, startBeat, stopBeat } from '../lib/heartbeat';
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import type { Body, Sink } from '../net/body';
import { RelayClient } from './client';
import { EventTail } from './sse-tail';
import type { Silence } from './timeouts';

/** After so long without a byte a stream gets a comment. With the tick that looks for it, that is within 5 s (law 11). */
export const QUIET_MS = 4_000;
const utf8 = new TextEncoder();

/** nginx's status for a client that has left before there was one. Only ever seen in a log. */
export const CLIENT_GONE = 499;

export type Ending = 'done' | 'stopped' | 'failed';

/** Watches an answer go by. Called after the client was served; what it throws is logged and changes nothing. */
export interface Recorder {
  chunk(bytes: Uint8Array): void;
  /** @returns a promise when the body of the client is to be closed later: when what was recorded is stored. */
  end(ending: Ending, error?: AppError): Promise<void> | undefined;
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
  readonly recorder?: Recorder | undefined;
  /** What the client is told when the body breaks off; `runner_lost` by default. May take its time to find out. */
  lost?(cause: unknown): AppError | Promise<AppError>;
  /** The events that end a stream before its time, where they are not an error event and `[DONE]`. */
  readonly ending?: ((error?: AppError) => string) | undefined;
  /** Whether the last event is out, in a stream that does not close with `[DONE]`. */
  readonly isWhole?: (() => boolean) | undefined;
  /** The text of the comment that a quiet stream gets; `keep-alive` by default. */
  signOfLife?(): string;
  /** Whole events that are written behind a comment, or '', for clients that count events and pass over comments. */
  aliveEvents?(): string;
  /** Told whether more is waited for, and when it comes. */
  readonly silence?: Silence | undefined;
  /** Called exactly once, last. */
  onEnd(ending: Ending, bytes: number, error?: AppError): void;
}

export class Relay implements Sink, Beating {
  readonly #options: RelayOptions;
  /** Of a body of events. */
  readonly #tail: EventTail | undefined;
  #source: Body | undefined;
  /** Whether somebody wants the answer: only then is it read. */
  #isWanted = false;
  #isReading = false;
  #isPaused = false;
  readonly #client = new RelayClient();
  #ended: Ending | undefined;
  #detached = false;
  /** The recorder takes no more. */
  #isUnrecorded = false;
  #bytes = 0;
  place: number | undefined;

  /** Whether there is a client is said next, by `stream` or `drain`. */
  constructor(options: RelayOptions) {
    this.#options = options;
    this.#tail = options.events ? new EventTail() : undefined;
  }

  /** What the client reads. */
  stream(): ReadableStream<Uint8Array> {
    startBeat(this);
    return this.#client.stream(
      () => this.#want(),
      () => this.clientGone(),
    );
  }

  /** The runner has answered: its body from here on. */
  attach(source: Body): void {
    this.#source = source;
    if (this.#ended) source.cancel();
    else if (this.#isWanted) this.#want();
  }

  /** There will be no (more) answer. The client of an event stream gets an error event and `[DONE]` (law 10). */
  fail(error: AppError): void {
    this.#cut('failed', error);
  }

  /** Somebody asked for the end of the answer. The client of an event stream gets a proper close. */
  stop(): void {
    this.#cut('stopped');
  }

  /**
   * Writes a comment, between events only (law 11), and not to a client that is behind. It is one line: after an `id:` OpenAI's
   * Python client takes an empty line for an event without data, and fails.
   */
  comment(text: string): void {
    const { isReading, isBehind } = this.#client;
    if (this.#ended || !isReading || isBehind || this.#tail?.isBetweenEvents !== true) return;
    const events = this.#options.aliveEvents?.() ?? '';
    // One line: an empty one would end an event of the runner's. Events of ours begin between those of the runner.
    this.#client.send(utf8.encode(`: ${text.replace(/[\r\n]+/g, ' ')}\n${events}`));
  }

  /** The clock's tick: a sign of life when nothing was written for a while, and the end of a client that gives none. */
  beat(nowMs: number): void {
    if (this.#client.isStalled(nowMs)) this.clientGone();
    else if (this.#client.quietMs(nowMs) >= QUIET_MS) this.comment(this.#options.signOfLife?.() ?? 'keep-alive');
  }

  /** The client has left. Idempotent. */
  clientGone(): void {
    if (this.#ended || this.#detached) return;
    this.#client.break();
    if (this.#options.onClientGone === 'detach' && !this.#isUnrecorded) {
      this.drain();
      return;
    }
    this.#end(this.#isWhole ? 'done' : 'stopped');
    this.#options.abort.abort();
  }

  /** The recorder takes no more: from here on the answer is for the client only, and ends where there is none. */
  unrecord(error: AppError): void {
    this.#isUnrecorded = true;
    if (this.#detached) this.fail(error);
  }

  /** Has the answer read to its end without a client. */
  drain(): void {
    this.#detached = true;
    this.#want();
  }

  /** Has the answer come, or go on coming, as soon as it is there. */
  #want(): void {
    this.#isWanted = true;
    if (!this.#source || this.#ended) return;
    if (!this.#isReading) {
      this.#isReading = true;
      this.#options.silence?.awaited();
      this.#source.read(this);
    } else if (this.#isPaused) {
      this.#isPaused = false;
      this.#options.silence?.awaited();
      this.#source.resume();
    }
  }

  /** Of the source. */
  chunk(bytes: Uint8Array): void {
    if (this.#ended) return;
    const { recorder, silence } = this.#options;
    silence?.heard();
    this.#bytes += bytes.length;
    this.#client.answer(bytes);
    if (this.#client.isBehind) {
      this.#isPaused = true;
      silence?.unawaited();
      this.#source?.pause();
    }
    this.#tail?.push(bytes);
    if (!recorder) return;
    try {
      recorder.chunk(bytes);
    } catch (error) {
      relayLog.error({ err: error }, 'recorder.failed');
    }
  }

  /** Of the source. */
  end(): void {
    if (this.#ended) return;
    const { expectDone } = this.#options;
    if (expectDone && this.#tail?.isDone === false) {
      this.lost(new Error('closed without [DONE]'));
      return;
    }
    this.#afterStoring(this.#end('done'), () => this.#client.close());
  }

  /** Of the source. */
  lost(cause: unknown): void {
    if (this.#ended) return;
    if (this.#isWhole) this.#cut('done');
    else void this.#lose(cause);
  }

  async #lose(cause: unknown): Promise<void> {
    relayLog.warn({ err: cause, bytes: this.#bytes }, 'answer.lost');
    const told = safely('lost', {}, () => this.#options.lost?.(cause));
    const why = await Promise.resolve(told).catch((error: unknown) => toAppError(error));
    this.fail(why ?? new AppError('runner_lost', { cause }));
  }

  /** Ends the answer before its time. */
  #cut(ending: Ending, error?: AppError): void {
    if (this.#ended) return;
    const { abort, ending: ownEnding } = this.#options;
    const tail = this.#tail;
    const isWhole = this.#isWhole;
    const last = () => ownEnding?.(error) ?? `${tail?.ending(error && toStreamedError(error))}data: [DONE]\n\n`;
    if (tail && !isWhole) this.#client.send(utf8.encode(safely('ending', {}, last) ?? ''));
    const stored = isWhole ? this.#end('done') : this.#end(ending, error);
    // A body that is not events cannot say what happened: it breaks, so that nobody takes it for whole.
    this.#afterStoring(stored, () => (tail ? this.#client.close() : this.#client.break()));
    abort.abort(error);
  }

  /** @returns what the end of the client's body waits for. */
  #end(ending: Ending, error?: AppError): Promise<void> | undefined {
    this.#ended = ending;
    stopBeat(this);
    const stored = safely('recorder', {}, () => this.#options.recorder?.end(ending, error));
    if (ending !== 'done') safely('cancel', {}, () => this.#source?.cancel());
    safely('onEnd', {}, () => this.#options.onEnd(ending, this.#bytes, error));
    return stored;
  }

  #afterStoring(stored: Promise<void> | undefined, close: () => void): void {
    if (stored) void stored.then(() => safely('close', {}, close));
    else safely('close', {}, close);
  }

  /** Whether the last event is out: what comes between it and the end of the body changes nothing about the answer. */
  get #isWhole(): boolean {
    return safely('isWhole', {}, () => this.#tail?.isDone === true || this.#options.isWhole?.() === true) === true;
  }
}
