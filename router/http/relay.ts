/**
 * The relay: a request to a runner or an upstream, and its bytes back. The only place where the router makes requests
 * (law 22).
 *
 * The hot path is `Relay`: one reader, no queue of its own (`highWaterMark: 0`), each chunk goes to the client first and
 * to the recorder second. Nothing here parses an answer, writes to the database or asks a driver.
 */
import { AppError, toOpenAiError } from '../errors';
import { relayLog } from '../log';

/** What may go on to a runner or an upstream (law 12). Everything else a client sends stays here. */
const REQUEST_HEADERS = ['accept', 'content-type', 'openai-beta'];
/** What may come back. Not set-cookie, not framing, not content-encoding: fetch has decoded the body already. */
const RESPONSE_HEADERS = ['content-type', 'retry-after', 'openai-processing-ms', 'openai-version'];
/** A runner's answer never becomes a page of ours: anything else is served as plain bytes. */
const CONTENT_TYPE =
  /^(application\/(json|problem\+json|octet-stream|x-ndjson)|text\/(event-stream|plain)|audio\/|image\/(png|jpeg|webp|gif))/i;

const HEARTBEAT_MS = 5_000;
const TAIL_BYTES = 64;
const utf8 = new TextEncoder();

export type Ending = 'done' | 'stopped' | 'failed';

/** Watches an answer go by. Called after the client was served; what it throws is logged and changes nothing. */
export interface Recorder {
  chunk(bytes: Uint8Array): void;
  end(ending: Ending, error?: AppError): void;
}

export interface Outgoing {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
}

/** Nobody answered: the request was not served and may be sent again to another address. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/**
 * Sends a request and resolves with the response's head. Never follows a redirect, never decodes for the client, and
 * waits as long as the agent works: its clocks are the caller's signal. Throws `UnreachableError`, or the signal's reason.
 */
export async function open(outgoing: Outgoing): Promise<Response> {
  try {
    return await fetch(outgoing.url, {
      method: outgoing.method,
      headers: { ...outgoing.headers, 'accept-encoding': 'identity' },
      ...(outgoing.body !== undefined && { body: outgoing.body }),
      signal: outgoing.signal,
      redirect: 'manual',
      // Bun's own limit of five idle minutes is shorter than a tool may run.
      timeout: false,
    } as RequestInit);
  } catch (error) {
    outgoing.signal.throwIfAborted();
    throw new UnreachableError('The connection failed before an answer', { cause: error });
  }
}

/** Asks for a path and forgets the body: the status, or why there is none. */
export async function probe(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number | string> {
  try {
    const response = await fetch(url, { headers, signal, redirect: 'manual' });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return error instanceof Error ? (error.name === 'TimeoutError' ? 'no answer' : 'not listening') : String(error);
  }
}

/** The headers of a client's request that go on. */
export function requestHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of REQUEST_HEADERS) {
    const value = headers.get(name);
    if (value !== null) kept[name] = value;
  }
  return kept;
}

/** The headers of a response that come back. */
export function responseHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };
  for (const name of RESPONSE_HEADERS) {
    const value = headers.get(name);
    if (value !== null) kept[name] = value;
  }
  const type = kept['content-type'];
  if (type !== undefined && !CONTENT_TYPE.test(type)) kept['content-type'] = 'application/octet-stream';
  return kept;
}

export function isEventStream(headers: Headers): boolean {
  return (headers.get('content-type') ?? '').toLowerCase().startsWith('text/event-stream');
}

export interface RelayOptions {
  /** Whether the body is server-sent events: only then may comments and error events be written into it. */
  readonly events: boolean;
  /** Whether the body must close with `[DONE]`; one that does not has been cut. */
  readonly expectDone: boolean;
  /** When the client goes: abort the runner's request, or let the answer go on for the recorder (law 9). */
  readonly onClientGone: 'cancel' | 'detach';
  /** Aborts the request to the runner. */
  readonly abort: AbortController;
  readonly recorder?: Recorder;
  /** Called exactly once, last. */
  onEnd(ending: Ending, bytes: number): void;
}

/** Every relay whose client may need a sign of life; one timer for all of them. */
const waiting = new Set<Relay>();
let heartbeat: ReturnType<typeof setInterval> | undefined;

/** One answer on its way from a runner to a client, to a recorder, or both. */
export class Relay {
  /** What the client reads. Without a client, call `drain()` instead. */
  readonly body: ReadableStream<Uint8Array>;
  readonly #options: RelayOptions;
  readonly #source = Promise.withResolvers<ReadableStreamDefaultReader<Uint8Array>>();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #step: Promise<void> = Promise.resolve();
  #ended = false;
  #detached = false;
  #bytes = 0;
  #tail: Uint8Array = new Uint8Array();
  #quietSinceMs = Date.now();

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
          this.#step = this.#next();
          return this.#step;
        },
        cancel: () => this.clientGone(),
      },
      { highWaterMark: 0 },
    );
    if (options.events) watch(this);
  }

  /** The runner has answered: its body from here on. */
  attach(source: ReadableStream<Uint8Array> | null): void {
    const reader = (source ?? new Blob([]).stream()).getReader() as ReadableStreamDefaultReader<Uint8Array>;
    if (this.#ended) void reader.cancel().catch(() => undefined);
    else this.#source.resolve(reader);
  }

  /** There will be no (more) answer. The client of an event stream gets an error event and `[DONE]` (law 10). */
  fail(error: AppError): void {
    if (this.#ended) return;
    const { events } = this.#options;
    if (events) {
      const gap = this.#atBoundary() ? '' : '\n\n';
      this.#toClient(utf8.encode(`${gap}data: ${JSON.stringify(toOpenAiError(error))}\n\ndata: [DONE]\n\n`));
    }
    this.#end('failed', error);
    // A body that is not events cannot say what happened: it breaks, so that nobody takes it for whole.
    if (events) this.#closeClient();
    else this.#controller?.error(error);
    this.#options.abort.abort(error);
  }

  /** Somebody asked for the end of the answer. The client gets a proper close. */
  stop(): void {
    if (this.#ended) return;
    if (this.#options.events) this.#toClient(utf8.encode(`${this.#atBoundary() ? '' : '\n\n'}data: [DONE]\n\n`));
    this.#end('stopped');
    this.#closeClient();
    this.#options.abort.abort();
  }

  /** Writes a comment, between events only (law 11), and not to a client that is behind. */
  comment(text: string): void {
    if (this.#ended || !this.#options.events || !this.#atBoundary() || this.#controller?.desiredSize !== 0) return;
    this.#toClient(utf8.encode(`: ${text.replace(/[\r\n]+/g, ' ')}\n\n`));
  }

  /** A sign of life when nothing was written for a while. */
  beat(nowMs: number): void {
    if (nowMs - this.#quietSinceMs >= HEARTBEAT_MS) this.comment('keep-alive');
  }

  /** The client has left. Idempotent. */
  clientGone(): void {
    if (this.#ended || this.#detached) return;
    this.#controller = undefined;
    if (this.#options.onClientGone === 'detach') {
      void this.drain();
      return;
    }
    this.#end('stopped');
    this.#options.abort.abort();
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

  async #next(): Promise<void> {
    try {
      const reader = await this.#source.promise;
      const { done, value } = await reader.read();
      if (this.#ended) return;
      if (done) this.#finish();
      else this.#forward(value);
    } catch (error) {
      if (this.#ended) return;
      relayLog.warn({ err: error, bytes: this.#bytes }, 'runner.lost');
      this.fail(error instanceof AppError ? error : new AppError('runner_lost', { cause: error }));
    }
  }

  #forward(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    this.#toClient(chunk);
    this.#tail = chunk.length >= TAIL_BYTES ? chunk.subarray(-TAIL_BYTES) : lastBytes(this.#tail, chunk);
    this.#record((recorder) => recorder.chunk(chunk));
  }

  #finish(): void {
    const { events, expectDone } = this.#options;
    if (events && expectDone && !new TextDecoder().decode(this.#tail).includes('[DONE]')) {
      this.fail(new AppError('runner_lost'));
      return;
    }
    this.#end('done');
    this.#closeClient();
  }

  #end(ending: Ending, error?: AppError): void {
    this.#ended = true;
    waiting.delete(this);
    this.#record((recorder) => recorder.end(ending, error));
    // Lets go of a source that is still open, and of a step that waits for one that never comes.
    this.#source.reject(new Error('ended'));
    this.#source.promise.then((reader) => reader.cancel()).catch(() => undefined);
    this.#options.onEnd(ending, this.#bytes);
  }

  #toClient(bytes: Uint8Array): void {
    this.#quietSinceMs = Date.now();
    this.#controller?.enqueue(bytes);
  }

  #closeClient(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  #record(say: (recorder: Recorder) => void): void {
    if (!this.#options.recorder) return;
    try {
      say(this.#options.recorder);
    } catch (error) {
      relayLog.error({ err: error }, 'recorder.failed');
    }
  }

  /** Whether what was sent so far ends with an event, so that a comment or another event may follow. */
  #atBoundary(): boolean {
    const [a, b, c, d] = this.#tail.subarray(-4);
    if (this.#tail.length === 0) return true;
    if (this.#tail.length < 4) return endsEvent(undefined, undefined, this.#tail.at(-2), this.#tail.at(-1));
    return endsEvent(a, b, c, d);
  }
}

/** The last four bytes are an empty line, in any of SSE's three line ends. */
function endsEvent(
  a: number | undefined,
  b: number | undefined,
  c: number | undefined,
  d: number | undefined,
): boolean {
  const [CR, LF] = [13, 10];
  return (c === LF && d === LF) || (c === CR && d === CR) || (a === CR && b === LF && c === CR && d === LF);
}

function lastBytes(before: Uint8Array, chunk: Uint8Array): Uint8Array {
  const kept = before.subarray(-(TAIL_BYTES - chunk.length));
  const joined = new Uint8Array(kept.length + chunk.length);
  joined.set(kept);
  joined.set(chunk, kept.length);
  return joined;
}

function watch(relay: Relay): void {
  waiting.add(relay);
  heartbeat ??= setInterval(() => {
    const nowMs = Date.now();
    for (const one of waiting) one.beat(nowMs);
    if (waiting.size > 0) return;
    clearInterval(heartbeat);
    heartbeat = undefined;
  }, 1_000);
}
