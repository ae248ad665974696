/**
 * The life of one request whose answer is passed on: it begins, is answered, and ends exactly once. Meanwhile the
 * client may disconnect, the user may stop the answer, and the router may close it. Before there is a relay, these
 * events abort the call; after that they go to the relay, which ends the answer.
 *
 * A request of `/v1`, a runner's call to its upstream and an answer without a client are subclasses. Each defines only
 * which server it calls, how it answers, and what it reports at the end.
 */
import { Abort, type Abortable } from '../lib/abort';
import { AppError, toAppError } from '../lib/errors';
import { relayLog } from '../lib/log';
import { type Soon, whenThere } from '../lib/lookup';
import { safely, threw } from '../lib/safely';
import { beginSpan, endedFacts, type Span } from '../lib/tracing';
import { type Body, readBytes } from '../net/body';
import { type Ending, endRecorder, type Recorder, record } from './recorder';
import { Relay } from './relay';
import type { Answered, Held, OwnEnd, Relayed } from './relayed';
import { Silence, type SilenceLimits } from './timeouts';

export abstract class Lifecycle implements Relayed {
  /** On the clock of `performance.now()`. */
  readonly startedMs = performance.now();
  /** Milliseconds from the start to the answer. Undefined until then. */
  answeredMs: number | undefined;
  #span: Span | undefined;
  /** Observes the answer, and is notified of its end. Set it before the relay opens. */
  recorder: Recorder | undefined;
  /** The time limits of the answer. Undefined until `watch`. */
  silence: Silence | undefined;
  /** Set it before the relay opens. */
  ownEnd: OwnEnd | undefined;
  /** `open` sets this and the next one. */
  events = false;
  expectDone = false;
  readonly abort = new Abort();
  readonly #held: Held[] = [];
  #isClientGone = false;
  /** How the call ends if it has no answer. */
  #unansweredEnding: Ending = 'failed';
  #relay: Relay | undefined;
  #status: number | undefined;
  #lostBy: Answered['lost'];
  #hasEnded = false;

  /**
   * @param onClientGone `cancel`: when the client disconnects, the request ends; `detach`: the request goes on (law 9).
   * @param of Identifies the request in the log.
   */
  constructor(
    readonly onClientGone: Relayed['onClientGone'],
    protected readonly of: Readonly<Record<string, string>>,
  ) {}

  /** Reports how the request has ended. Called exactly once, last; `bytes` counts those of the answer. */
  protected abstract report(ending: Ending, bytes: number, error?: AppError): void;

  /** Aborts the call. Pass it to the request to the runner or the upstream. */
  get signal(): Abortable {
    return this.abort;
  }

  /** Whether a relay passes the answer on. */
  protected get isRelayed(): boolean {
    return this.#relay !== undefined;
  }

  /** The status of the answer. Undefined until then. */
  get status(): number | undefined {
    return this.#status;
  }

  /** Milliseconds since the start. */
  protected get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  /** Keeps `one`, and ends it with the request: the last one first. Ends it at once if the request has ended already. */
  protected hold(one: Held): void {
    if (this.#hasEnded) this.#giveBack(one);
    else this.#held.push(one);
  }

  #giveBack(one: Held): void {
    try {
      one.end();
    } catch (error) {
      threw('give back', this.of, error);
    }
  }

  /**
   * Begins the span of this request, which ends with it.
   * @returns headers for the server that is called; undefined while tracing is off.
   */
  protected trace(...span: Parameters<typeof beginSpan>): Span['headers'] | undefined {
    this.#span = beginSpan(...span);
    return this.#span?.headers;
  }

  /** Watches whether the client disconnects. */
  protected follow(client: AbortSignal): void {
    client.addEventListener('abort', this);
    if (client.aborted) this.gone();
  }

  /** Called once, when the signal of the client aborts. */
  handleEvent(): void {
    safely('abort', this.of, () => this.gone());
  }

  /** Starts the timers that end the request when the runner is silent for too long. */
  protected watch(limits: SilenceLimits): Silence {
    this.silence = new Silence(limits, this);
    this.hold(this.silence);
    return this.silence;
  }

  /** The answer has begun: its lease is held from here on. */
  protected answered(answer: Answered): void {
    this.answeredMs = this.elapsedMs;
    this.#status = answer.status;
    this.#lostBy = answer.lost;
    if (answer.lease) this.hold(answer.lease);
  }

  /** From here on a relay passes the answer on and ends the request. Throws the reason if the call was aborted. */
  protected open({ events, expectDone }: Pick<Relayed, 'events' | 'expectDone'>): Relay {
    this.signal.throwIfAborted();
    this.events = events;
    this.expectDone = expectDone;
    this.#relay = new Relay(this);
    return this.#relay;
  }

  /** Called by the relay. */
  onEnd(ending: Ending, bytes: number, error?: AppError): void {
    void this.end(ending, bytes, error);
  }

  /** Returns the relay's stream for the client. If the client has disconnected already, notifies the relay. */
  protected streamOf(relay: Relay): ReadableStream<Uint8Array> {
    const stream = relay.stream();
    if (this.#isClientGone) relay.clientGone();
    return stream;
  }

  /**
   * Reads a short answer in one piece, and ends. Reading is part of the call, so an abort applies to it. Throws the
   * error of the body, or the reason of the abort.
   */
  protected whole(body: Body): Soon<Uint8Array<ArrayBuffer>> {
    const read = readBytes(body);
    return read instanceof Promise ? this.#unlessLost(read) : this.#endWhole(read);
  }

  async #unlessLost(reading: Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
    let read: Uint8Array<ArrayBuffer>;
    try {
      read = await reading;
    } catch (cause) {
      this.signal.throwIfAborted();
      throw await this.lost(cause);
    }
    return this.#endWhole(read);
  }

  /** Called before a whole answer is stored. If it throws, the request ends as failed. */
  protected hasRead(_bytes: number): void {}

  /** The client receives a recorded answer only when it is stored. */
  #endWhole(bytes: Uint8Array<ArrayBuffer>): Soon<Uint8Array<ArrayBuffer>> {
    this.hasRead(bytes.length);
    record(this.recorder, this.of, bytes);
    return whenThere<unknown, typeof bytes, typeof bytes>(this.end('done', bytes.length), theBytes, bytes);
  }

  /** Stops the recording: the rest of the answer is only for the client. */
  protected unrecord(error: AppError): void {
    this.#relay?.unrecord(error);
  }

  /** The client has disconnected. */
  protected gone(): void {
    this.#isClientGone = true;
    if (this.#relay) this.#relay.clientGone();
    else if (this.onClientGone === 'cancel') this.#abortCall('stopped');
  }

  /** The user stops the answer. */
  protected stop(): void {
    if (this.#relay) this.#relay.stop();
    else this.#abortCall('stopped', new AppError('conflict', { message: 'The answer was stopped.' }));
  }

  /** The credential was revoked, the runner is silent for too long, or the router ends. */
  close(why: AppError): void {
    if (this.#relay) this.#relay.fail(why);
    else this.#abortCall('failed', why);
  }

  /** The request has thrown: it has no answer, or none that reaches the client. */
  protected fail(error: AppError): void {
    if (this.#relay) this.#relay.fail(error);
    else this.end(this.#unansweredEnding, 0, error);
  }

  /** Turns the thrown value into an `AppError`. Logs unexpected errors, except those that an abort has caused. */
  protected toError(thrown: unknown): AppError {
    const error = toAppError(thrown);
    if (error.code === 'internal' && !this.signal.aborted) relayLog.error({ ...this.of, err: thrown }, 'relay.broke');
    return error;
  }

  /**
   * Only the first call has an effect. An error in one step does not prevent the next steps.
   * @returns without a relay: resolves when the recorder has stored the answer. Undefined if nobody has to wait for that.
   */
  protected end(ending: Ending, bytes: number, error?: AppError): Promise<void> | undefined {
    if (this.#hasEnded) return undefined;
    this.#hasEnded = true;
    // A relay has notified the recorder itself.
    const stored = this.#relay ? undefined : endRecorder(this.recorder, this.of, ending, error);
    for (let last = this.#held.pop(); last; last = this.#held.pop()) this.#giveBack(last);
    try {
      this.report(ending, bytes, error);
    } catch (thrown) {
      threw('report', this.of, thrown);
    }
    if (this.#span) this.#endSpan(ending, bytes, error);
    return stored;
  }

  /** Keeps the first reason. */
  #abortCall(ending: Ending, why?: AppError): void {
    if (this.abort.aborted) return;
    this.#unansweredEnding = ending;
    this.abort.abort(why);
  }

  async lost(cause: unknown): Promise<AppError> {
    if (cause instanceof AppError) return cause;
    return (await this.#lostBy?.(cause)) ?? new AppError('runner_lost', { cause });
  }

  #endSpan(ending: Ending, bytes: number, error?: AppError): void {
    const facts = endedFacts(this, { ending, bytes }, error);
    safely('report', this.of, () => this.#span?.end(facts, ending === 'failed'));
  }
}

function theBytes<Bytes>(_: unknown, bytes: Bytes): Bytes {
  return bytes;
}
