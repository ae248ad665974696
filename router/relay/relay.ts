/**
 * The relay: passes one answer from a runner to a client, to a recorder, or to both.
 *
 * This is the hot path. It has no queue of its own (`highWaterMark: 0`), each chunk goes to the client first and to the
 * recorder second, and a slow client slows down the runner. With `tee()` the process grew by 218 MB for 200 MB that a slow
 * client did not read (decision 0006). The relay does not parse the answer, write to the database or call a driver.
 */
import { AppError, toAppError } from '../lib/errors';
import { type Beating, startBeat, stopBeat } from '../lib/heartbeat';
import { relayLog } from '../lib/log';
import { toStreamedError } from '../lib/openai-errors';
import { safely, threw } from '../lib/safely';
import type { Body, Sink } from '../net/body';
import { RelayClient } from './client';
import { type Ending, endRecorder, type Recorder } from './recorder';
import type { Relayed } from './relayed';
import { EventTail } from './sse-tail';
import type { Silence } from './timeouts';

/** A stream gets a comment after this time without a byte; with the clock's interval, within 5 s (law 11). */
export const QUIET_MS = 4_000;
const utf8 = new TextEncoder();

/** nginx's status for a client that disconnected before there was a status. Appears only in the log. */
export const CLIENT_GONE = 499;

export type { Ending, Recorder } from './recorder';

export class Relay implements Sink, Beating {
  readonly #of: Relayed;
  readonly #recorder: Recorder | undefined;
  readonly #silence: Silence | undefined;
  /** Set for an event stream. */
  readonly #tail: EventTail | undefined;
  #source: Body | undefined;
  /** Whether the answer is wanted. Only then is the source read. */
  #isWanted = false;
  #isReading = false;
  #isPaused = false;
  readonly #client = new RelayClient(this);
  #ended: Ending | undefined;
  #detached = false;
  /** The recorder accepts no more. */
  #isUnrecorded = false;
  #bytes = 0;
  place: number | undefined;
  group: Beating['group'];

  /** Call `stream` or `drain` next: they decide whether there is a client. */
  constructor(of: Relayed) {
    this.#of = of;
    this.#recorder = of.recorder;
    this.#silence = of.silence;
    this.#tail = of.events ? new EventTail() : undefined;
  }

  /** Returns the stream for the client. */
  stream(): ReadableStream<Uint8Array> {
    startBeat(this);
    return this.#client.stream();
  }

  /** Attaches the runner's answer: its body from here on. */
  attach(source: Body): void {
    this.#source = source;
    if (this.#ended) source.cancel();
    else if (this.#isWanted) this.wanted();
  }

  /**
   * Ends without an answer, or in the middle of it. The client of an event stream gets an error event and `[DONE]` (law
   * 10).
   */
  fail(error: AppError): void {
    this.#cut('failed', error);
  }

  /** Ends the answer because somebody asked for it. The client of an event stream gets a regular end. */
  stop(): void {
    this.#cut('stopped');
  }

  /**
   * Writes a comment, only between events (law 11), and not if the client is slow. The comment is one line: after an
   * `id:` field, OpenAI's Python client takes an empty line for an event without data, and fails.
   */
  comment(text: string): void {
    const { isReading, isBehind } = this.#client;
    if (this.#ended || !isReading || isBehind || this.#isPaused || this.#tail?.isBetweenEvents !== true) return;
    const events = this.#of.aliveEvents?.() ?? '';
    // One line: an empty line would end an event of the runner. Our own events begin between the runner's events.
    this.#client.send(utf8.encode(`: ${text.replace(/[\r\n]+/g, ' ')}\n${events}`));
  }

  /** Called by the clock. Writes a comment if nothing was written for a while, and ends a client that reads nothing. */
  beat(nowMs: number): void {
    if (this.#client.isStalled(nowMs)) this.clientGone();
    else if (this.#client.quietMs(nowMs) >= QUIET_MS) this.comment(this.#of.signOfLife?.() ?? 'keep-alive');
  }

  /** The client has disconnected. Idempotent. */
  clientGone(): void {
    if (this.#ended || this.#detached) return;
    this.#client.break();
    if (this.#of.onClientGone === 'detach' && !this.#isUnrecorded) {
      this.drain();
      return;
    }
    this.#end(this.#isWhole ? 'done' : 'stopped');
    this.#of.abort.abort();
  }

  /** Stops the recording. The rest of the answer is only for the client; without one, the answer ends. */
  unrecord(error: AppError): void {
    this.#isUnrecorded = true;
    if (this.#detached) this.fail(error);
  }

  /** Reads the answer to its end, without a client. */
  drain(): void {
    this.#detached = true;
    this.wanted();
  }

  /** Starts or resumes reading the source. */
  wanted(): void {
    this.#isWanted = true;
    if (!this.#source || this.#ended) return;
    if (!this.#isReading) {
      this.#isReading = true;
      this.#silence?.awaited();
      this.#source.read(this);
    } else if (this.#isPaused) {
      this.#isPaused = false;
      this.#silence?.awaited();
      this.#source.resume();
    }
  }

  /** Called for each chunk of the source. */
  chunk(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#silence?.heard();
    this.#bytes += bytes.length;
    if (this.#client.send(bytes)) {
      this.#isPaused = true;
      this.#silence?.unawaited();
      this.#source?.pause();
    }
    this.#tail?.push(bytes);
    if (!this.#recorder) return;
    try {
      this.#recorder.chunk(bytes);
    } catch (error) {
      relayLog.error({ err: error }, 'recorder.failed');
    }
  }

  /** Called at the end of the source. */
  end(): void {
    if (this.#ended) return;
    if (this.#of.expectDone && this.#tail?.isDone === false) {
      this.lost(new Error('closed without [DONE]'));
      return;
    }
    this.#afterStoring(this.#end('done'), 'close');
  }

  /** Called when the source fails. */
  lost(cause: unknown): void {
    if (this.#ended) return;
    if (this.#isWhole) this.#cut('done');
    else void this.#lose(cause);
  }

  async #lose(cause: unknown): Promise<void> {
    relayLog.warn({ err: cause, bytes: this.#bytes }, 'answer.lost');
    const told = safely('lost', {}, () => this.#of.lost?.(cause));
    const why = await Promise.resolve(told).catch((error: unknown) => toAppError(error));
    this.fail(why ?? new AppError('runner_lost', { cause }));
  }

  /** Ends the answer early. */
  #cut(ending: Ending, error?: AppError): void {
    if (this.#ended) return;
    const tail = this.#tail;
    const isWhole = this.#isWhole;
    const last = () =>
      this.#of.ownEnd?.ending(error) ?? `${tail?.ending(error && toStreamedError(error))}data: [DONE]\n\n`;
    if (tail && !isWhole) this.#client.send(utf8.encode(safely('ending', {}, last) ?? ''));
    const stored = isWhole ? this.#end('done') : this.#end(ending, error);
    // A body that is not an event stream cannot contain an error, so it breaks off, which no client takes for a
    // complete answer.
    this.#afterStoring(stored, tail ? 'close' : 'break');
    this.#of.abort.abort(error);
  }

  /** @returns resolves when the recorder has stored the answer. Undefined if there is nothing to wait for. */
  #end(ending: Ending, error?: AppError): Promise<void> | undefined {
    this.#ended = ending;
    stopBeat(this);
    const stored = endRecorder(this.#recorder, {}, ending, error);
    if (ending !== 'done') this.#giveUp();
    try {
      this.#of.onEnd(ending, this.#bytes, error);
    } catch (thrown) {
      threw('onEnd', {}, thrown);
    }
    return stored;
  }

  /** Nobody wants the rest of the source. */
  #giveUp(): void {
    safely('cancel', {}, () => this.#source?.cancel());
  }

  /** Ends the client's body when the answer is stored: a client that has received the end can rely on it. */
  #afterStoring(stored: Promise<void> | undefined, how: 'close' | 'break'): void {
    if (stored) void this.#endStored(stored, how);
    else this.#endClient(how);
  }

  async #endStored(stored: Promise<void>, how: 'close' | 'break'): Promise<void> {
    await stored;
    this.#endClient(how);
  }

  #endClient(how: 'close' | 'break'): void {
    try {
      this.#client[how]();
    } catch (thrown) {
      threw('close', {}, thrown);
    }
  }

  /** Whether the last event was sent. Nothing between it and the end of the body matters. */
  get #isWhole(): boolean {
    try {
      return this.#tail?.isDone === true || this.#of.ownEnd?.isWhole() === true;
    } catch (thrown) {
      threw('isWhole', {}, thrown);
      return false;
    }
  }
}
