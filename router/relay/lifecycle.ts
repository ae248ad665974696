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
import { safely } from '../lib/safely';
import { beginSpan, type Span } from '../lib/tracing';
import { type Body, readBytes } from '../net/body';
import { type Ending, type Recorder, Relay, type RelayOptions } from './relay';
import { Silence, type SilenceLimits } from './timeouts';

/** The members of a begun answer that its life needs. */
interface Answered {
  readonly status: number;
  /** The lease on the runner, which is held until the end. */
  readonly lease?: { readonly release: () => void };
  /** Returns why the body broke off; `runner_lost` by default. */
  readonly lost?: (cause: unknown) => AppError | Promise<AppError>;
}

/** The relay options that the request itself decides. The others follow from its life. */
type OwnOptions = Omit<RelayOptions, 'onClientGone' | 'abort' | 'recorder' | 'silence' | 'lost' | 'onEnd'>;

export abstract class Lifecycle {
  /** On the clock of `performance.now()`. */
  protected readonly startedMs = performance.now();
  /** Milliseconds from the start to the answer. Undefined until then. */
  protected answeredMs: number | undefined;
  #span: Span | undefined;
  /** Observes the answer, and is notified of its end. Set it before the relay opens. */
  protected recorder: Recorder | undefined;
  readonly #abort = new Abort();
  readonly #held: (() => void)[] = [];
  #isClientGone = false;
  /** How the call ends if it has no answer. */
  #unansweredEnding: Ending = 'failed';
  #silence: Silence | undefined;
  #relay: Relay | undefined;
  #status: number | undefined;
  #lostBy: Answered['lost'];
  #hasEnded = false;

  /**
   * @param onClientGone `cancel`: when the client disconnects, the request ends; `detach`: the request goes on (law 9).
   * @param of Identifies the request in the log.
   */
  constructor(
    protected readonly onClientGone: RelayOptions['onClientGone'],
    protected readonly of: Readonly<Record<string, string>>,
  ) {}

  /** Reports how the request has ended. Called exactly once, last; `bytes` counts those of the answer. */
  protected abstract report(ending: Ending, bytes: number, error?: AppError): void;

  /** Aborts the call. Pass it to the request to the runner or the upstream. */
  protected get signal(): Abortable {
    return this.#abort;
  }

  /** Whether a relay passes the answer on. */
  protected get isRelayed(): boolean {
    return this.#relay !== undefined;
  }

  /** The status of the answer. Undefined until then. */
  protected get status(): number | undefined {
    return this.#status;
  }

  /** Milliseconds since the start. */
  protected get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  /** Calls `giveBack` at the end, in the reverse order of the calls of `hold`; at once if the request has ended. */
  protected hold(giveBack: () => void): void {
    if (this.#hasEnded) safely('give back', this.of, giveBack);
    else this.#held.push(giveBack);
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
    // A signal aborts once.
    client.addEventListener('abort', () => safely('abort', this.of, () => this.gone()));
    if (client.aborted) this.gone();
  }

  /** Starts the timers that end the request when the runner is silent for too long. */
  protected watch(limits: SilenceLimits): Silence {
    const silence = new Silence(limits, (why) => this.close(why));
    this.hold(() => silence.end());
    this.#silence = silence;
    return silence;
  }

  /** The answer has begun: its lease is held from here on. */
  protected answered(answer: Answered): void {
    this.answeredMs = this.elapsedMs;
    this.#status = answer.status;
    this.#lostBy = answer.lost;
    if (answer.lease) this.hold(answer.lease.release);
  }

  /** From here on a relay passes the answer on and ends the request. Throws the reason if the call was aborted. */
  protected open(options: OwnOptions): Relay {
    this.signal.throwIfAborted();
    this.#relay = new Relay({
      ...options,
      onClientGone: this.onClientGone,
      abort: this.#abort,
      recorder: this.recorder,
      silence: this.#silence,
      lost: (cause) => this.#lost(cause),
      onEnd: (ending, bytes, error) => void this.end(ending, bytes, error),
    });
    return this.#relay;
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
    return whenThere(read instanceof Promise ? this.#unlessLost(read) : read, (bytes) => this.#endWhole(bytes));
  }

  #endWhole(bytes: Uint8Array<ArrayBuffer>): Soon<Uint8Array<ArrayBuffer>> {
    // As in a relay, an error of a recorder does not make the answer fail.
    if (this.recorder) safely('recorder', this.of, () => this.recorder?.chunk(bytes));
    const stored = this.end('done', bytes.length);
    // The client receives a recorded answer only when it is stored.
    return stored ? stored.then(() => bytes) : bytes;
  }

  async #unlessLost(reading: Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await reading;
    } catch (cause) {
      this.signal.throwIfAborted();
      throw await this.#lost(cause);
    }
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
  protected close(why: AppError): void {
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
    const stored = this.#relay ? undefined : safely('recorder', this.of, () => this.recorder?.end(ending, error));
    for (let last = this.#held.pop(); last; last = this.#held.pop()) safely('give back', this.of, last);
    safely('report', this.of, () => this.report(ending, bytes, error));
    if (this.#span) safely('report', this.of, () => this.#endSpan(ending, bytes, error));
    return stored;
  }

  /** Keeps the first reason. */
  #abortCall(ending: Ending, why?: AppError): void {
    if (this.#abort.aborted) return;
    this.#unansweredEnding = ending;
    this.#abort.abort(why);
  }

  async #lost(cause: unknown): Promise<AppError> {
    if (cause instanceof AppError) return cause;
    return (await this.#lostBy?.(cause)) ?? new AppError('runner_lost', { cause });
  }

  #endSpan(ending: Ending, bytes: number, error?: AppError): void {
    const facts = {
      'agent_stack.ending': ending,
      'agent_stack.answered_ms': this.answeredMs,
      'agent_stack.bytes': bytes,
      'http.response.status_code': this.status ?? error?.status,
      'error.type': ending === 'failed' ? error?.code : undefined,
    };
    this.#span?.end(facts, ending === 'failed');
  }
}
