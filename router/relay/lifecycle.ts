/**
 * The life of one request whose answer is passed on: begun, answered, then ended exactly once. In between the client may
 * leave, the user may stop the answer, and the router may close it. Before there is a relay these events abort the call;
 * from then on they are the relay's, which ends the answer.
 *
 * A request of `/v1`, a runner's call to its upstream and an answer without a client are subclasses of this. Each has
 * only its own part: whom it asks, how it answers, and what it reports at the end.
 */
import { AppError, toAppError } from '../lib/errors';
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import { type Body, readBytes } from '../net/body';
import { type Ending, type Recorder, Relay, type RelayOptions } from './relay';
import { Silence, type SilenceLimits } from './timeouts';

/** An answer that has begun, as far as its life concerns it. */
interface Answered {
  readonly status: number;
  /** What is held of a runner until the end. */
  readonly lease?: { readonly release: () => void };
  /** Returns why the body broke off; `runner_lost` by default. */
  lost?(cause: unknown): AppError | Promise<AppError>;
}

/** The options of a relay that the request itself decides. The others follow from its life. */
type OwnOptions = Omit<RelayOptions, 'onClientGone' | 'abort' | 'recorder' | 'silence' | 'lost' | 'onEnd'>;

export abstract class Lifecycle {
  /** On the clock of `performance.now()`. */
  protected readonly startedMs = performance.now();
  /** Milliseconds from the start to the answer. Undefined until then. */
  protected answeredMs: number | undefined;
  /** Watches the answer go by, and is told its end. To be set before the relay opens. */
  protected recorder: Recorder | undefined;
  readonly #abort = new AbortController();
  readonly #held: (() => void)[] = [];
  #isClientGone = false;
  /** How the call ends when it has no answer. */
  #unansweredEnding: Ending = 'failed';
  #silence: Silence | undefined;
  #relay: Relay | undefined;
  #answer: Answered | undefined;
  #hasEnded = false;

  /**
   * @param onClientGone `cancel`: the client's leaving ends the request; `detach`: the request goes on without it (law 9).
   * @param of whose request it is, for the log.
   */
  constructor(
    protected readonly onClientGone: RelayOptions['onClientGone'],
    protected readonly of: Readonly<Record<string, string>>,
  ) {}

  /** Reports how the request has ended. Called exactly once, last; `bytes` counts those of the answer. */
  protected abstract report(ending: Ending, bytes: number, error?: AppError): void;

  /** Aborts the call; for the request to the runner or the upstream. */
  protected get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether a relay passes the answer on. */
  protected get isRelayed(): boolean {
    return this.#relay !== undefined;
  }

  /** The status of the answer. Undefined until then. */
  protected get status(): number | undefined {
    return this.#answer?.status;
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

  /** Watches whether the client leaves. */
  protected follow(client: AbortSignal): void {
    client.addEventListener('abort', () => safely('abort', this.of, () => this.gone()), { once: true });
    if (client.aborted) this.gone();
  }

  /** Makes the clocks that end the request when the runner is silent for too long. */
  protected watch(limits: SilenceLimits): Silence {
    const silence = new Silence(limits, (why) => this.close(why));
    this.hold(() => silence.end());
    this.#silence = silence;
    return silence;
  }

  /** There is an answer: its lease is held from here on. */
  protected answered(answer: Answered): void {
    this.answeredMs = this.elapsedMs;
    this.#answer = answer;
    if (answer.lease) this.hold(answer.lease.release);
  }

  /** From here on a relay passes the answer on, and ends the request. Throws why the call was aborted, where it was. */
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

  /** What the client reads of the relay. A client that has left by now has left the relay. */
  protected streamOf(relay: Relay): ReadableStream<Uint8Array> {
    const stream = relay.stream();
    if (this.#isClientGone) relay.clientGone();
    return stream;
  }

  /**
   * Reads a short answer in one piece, and ends. It is part of the call: it is aborted as that is. Throws why the body
   * broke off, or why the call was aborted.
   */
  protected async whole(body: Body): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await readBytes(body).catch(async (cause: unknown) => {
      this.signal.throwIfAborted();
      throw await this.#lost(cause);
    });
    // As in a relay: what a recorder throws is no fault of the answer.
    safely('recorder', this.of, () => this.recorder?.chunk(bytes));
    const stored = this.end('done', bytes.length);
    // The client of an answer that is recorded reads its end when that is stored.
    if (stored) await stored;
    return bytes;
  }

  /** The recorder takes no more: from here on the answer is for the client only. */
  protected unrecord(error: AppError): void {
    this.#relay?.unrecord(error);
  }

  /** The client has left. */
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

  /** What was thrown, as an error of ours. What nobody expected is logged, but for what an abort has caused. */
  protected toError(thrown: unknown): AppError {
    const error = toAppError(thrown);
    if (error.code === 'internal' && !this.signal.aborted) relayLog.error({ ...this.of, err: thrown }, 'relay.broke');
    return error;
  }

  /**
   * Only the first call counts. What one step throws keeps no other step from running.
   * @returns where there is no relay, what the end of the client's body waits for.
   */
  protected end(ending: Ending, bytes: number, error?: AppError): Promise<void> | undefined {
    if (this.#hasEnded) return undefined;
    this.#hasEnded = true;
    // A relay has told the recorder itself.
    const stored = this.#relay ? undefined : safely('recorder', this.of, () => this.recorder?.end(ending, error));
    for (let last = this.#held.pop(); last; last = this.#held.pop()) safely('give back', this.of, last);
    safely('report', this.of, () => this.report(ending, bytes, error));
    return stored;
  }

  /** The first reason counts. */
  #abortCall(ending: Ending, why?: AppError): void {
    if (this.#abort.signal.aborted) return;
    this.#unansweredEnding = ending;
    this.#abort.abort(why);
  }

  async #lost(cause: unknown): Promise<AppError> {
    if (cause instanceof AppError) return cause;
    return (await this.#answer?.lost?.(cause)) ?? new AppError('runner_lost', { cause });
  }
}
