/**
 * One relayed request of `/v1`, from its arrival to the end of the answer: the client leaving, its credential being
 * revoked, the wait for a runner, the recording, the lease, and the one line in the log.
 */
import type { Context } from '../context';
import { AppError, toAppError } from '../errors';
import { relayLog } from '../log';
import { callRunner, type RunnerAnswer, type RunnerRequest, recordRefusal, refusalOf } from '../services/runner-call';
import type { Conversation } from '../stores/conversations';
import { isEventStream, isShort, responseHeaders } from './outgoing';
import { CLIENT_GONE, type Ending, type Recorder, Relay } from './relay';
import type { Who } from './session';

/** So long a streaming client waits for a status of its own; then it gets 200 and comments with progress (law 11). */
const STATUS_PATIENCE_MS = 2_000;
/** Bodies that close with `[DONE]`. */
const ENDS_WITH_DONE = new Set(['chat/completions', 'completions']);

/** What a request turned out to ask for. */
export interface Plan {
  readonly call: Omit<RunnerRequest, 'signal'>;
  /** Below `/v1/`. */
  readonly path: string;
  readonly wantsStream: boolean;
  /** Where the answer is recorded, and the message that it answers. */
  readonly turn?: { readonly conversation: Conversation; readonly text: string };
}

type ExchangeContext = Pick<Context, 'events' | 'generations' | 'runners' | 'streams'>;
type Outcome = { readonly answer: RunnerAnswer } | { readonly error: AppError };

/**
 * Answers a request as planned.
 * @param options.detach the answer goes on when the client leaves; otherwise the runner's request is aborted (law 9).
 * @param options.plan begins at once; what it throws is thrown on.
 */
export async function exchange(
  context: ExchangeContext,
  who: Who,
  options: { readonly request: Request; readonly detach: boolean; plan(): Promise<Plan> },
): Promise<Response> {
  const one = new Exchange(context, who, options);
  try {
    return await one.respond(await options.plan());
  } catch (thrown) {
    return one.refuse(thrown);
  }
}

class Exchange {
  readonly #startedMs = performance.now();
  readonly #abort = new AbortController();
  /** Ends the watch over the client's credential. */
  readonly #forget: () => void;
  #plan: Plan | undefined;
  #recorder: Recorder | undefined;
  /** From here on it is the relay that ends, before that it is the call. */
  #relay: Relay | undefined;
  /** How the call ends when it is aborted. */
  #abortedAs: Ending = 'failed';
  #answer: RunnerAnswer | undefined;
  #answeredMs: number | undefined;

  constructor(
    readonly context: ExchangeContext,
    readonly who: Who,
    readonly options: { readonly request: Request; readonly detach: boolean },
  ) {
    const { signal } = options.request;
    this.#forget = context.streams.add({ userId: who.user.id, credentialId: who.credentialId }, (why) =>
      this.#close(why),
    );
    signal.addEventListener('abort', () => this.#clientGone(), { once: true });
    if (signal.aborted) this.#clientGone();
  }

  async respond(plan: Plan): Promise<Response> {
    const { generations, runners } = this.context;
    const { call, turn, wantsStream } = plan;
    const { signal } = this.#abort;
    signal.throwIfAborted();
    this.#plan = plan;
    if (turn) {
      const { conversation, text } = turn;
      const recording = { text, isStream: wantsStream, stop: () => this.#stop() };
      this.#recorder = (await generations.record(conversation, recording)).answer;
    }
    const settled = callRunner(runners, { ...call, signal }).then(
      (answer): Outcome => ({ answer }),
      (thrown): Outcome => ({ error: this.#toError(thrown) }),
    );
    const outcome = wantsStream ? await within(STATUS_PATIENCE_MS, settled) : await settled;
    if (!outcome) return this.#waitInStream(settled);
    if ('error' in outcome) throw outcome.error;
    return this.#pass(outcome.answer);
  }

  /** There is no answer. Throws what the client is told, if there still is one. */
  refuse(thrown: unknown): Response {
    const error = this.#toError(thrown);
    // A relay ends by itself.
    if (!this.#relay) {
      this.#recorder?.end(this.#abortedAs, error);
      this.#end(this.#abortedAs, 0, error);
    }
    if (this.options.request.signal.aborted) return new Response(null, { status: CLIENT_GONE });
    throw error;
  }

  /** The runner has answered in time: its status and headers are the client's. */
  async #pass(answer: RunnerAnswer): Promise<Response> {
    const isRefusal = answer.status >= 400;
    const recorder = this.#recorder && isRefusal ? recordRefusal(this.#recorder, answer.status) : this.#recorder;
    const events = isEventStream(answer.headers);
    const relay = this.#open(events, recorder);
    this.#attach(relay, answer);
    if (this.options.request.signal.aborted) relay.clientGone();
    const body = !events && isShort(answer.headers) ? await relay.whole() : relay.body;
    return new Response(body, {
      status: answer.status,
      headers: { ...responseHeaders(answer.headers), ...this.#conversationHeader() },
    });
  }

  /** The client gets a stream now, comments while the runner starts or thinks, then the answer (law 11). */
  #waitInStream(settled: Promise<Outcome>): Response {
    const relay = this.#open(true, this.#recorder);
    let told = '';
    const tell = () => {
      const progress = this.#progress();
      if (progress !== told) relay.comment(progress);
      told = progress;
    };
    const unsubscribe = this.context.events.subscribe(this.who.user.id, ({ kind }) => kind === 'runner' && tell());
    tell();
    void settled.then((outcome) => this.#arrived(relay, outcome)).finally(unsubscribe);
    if (this.options.request.signal.aborted) relay.clientGone();
    return new Response(relay.body, {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        ...this.#conversationHeader(),
      },
    });
  }

  async #arrived(relay: Relay, outcome: Outcome): Promise<void> {
    if ('error' in outcome) relay.fail(outcome.error);
    else if (isEventStream(outcome.answer.headers)) this.#attach(relay, outcome.answer);
    // The status is out already, so what is not a stream becomes an error event.
    else relay.fail(await refusalOf(outcome.answer));
  }

  #open(events: boolean, recorder: Recorder | undefined): Relay {
    const relay = new Relay({
      events,
      expectDone: ENDS_WITH_DONE.has(this.#plan?.path ?? ''),
      onClientGone: this.options.detach ? 'detach' : 'cancel',
      abort: this.#abort,
      ...(recorder && { recorder }),
      signOfLife: () => (this.#answeredMs === undefined ? this.#progress() : 'keep-alive'),
      lost: (cause) => this.#answer?.lost(cause) ?? new AppError('runner_lost', { cause }),
      onEnd: (ending, bytes, error) => this.#end(ending, bytes, error),
    });
    this.#relay = relay;
    return relay;
  }

  #attach(relay: Relay, answer: RunnerAnswer): void {
    this.#answeredMs = performance.now() - this.#startedMs;
    this.#answer = answer;
    // Ended while it waited: nobody else will.
    if (relay.hasEnded) answer.lease.release();
    relay.attach(answer.body);
  }

  #clientGone(): void {
    // What goes on without its client is its owner's, not the credential's.
    if (this.options.detach) this.#forget();
    if (this.#relay) this.#relay.clientGone();
    else if (!this.options.detach) this.#abortCall('stopped');
  }

  /** The user stops the answer, in the UI. */
  #stop(): void {
    if (this.#relay) this.#relay.stop();
    else this.#abortCall('stopped', new AppError('conflict', { message: 'The answer was stopped.' }));
  }

  /** The credential was revoked, or the router ends. */
  #close(why: AppError): void {
    if (this.#relay) this.#relay.fail(why);
    else this.#abortCall('failed', why);
  }

  #abortCall(ending: Ending, why?: AppError): void {
    this.#abortedAs = ending;
    this.#abort.abort(why);
  }

  #end(ending: Ending, bytes: number, error?: AppError): void {
    this.#answer?.lease.release();
    this.#forget();
    if (!this.#plan) return;
    const { call, path } = this.#plan;
    relayLog.info(
      {
        user: this.who.user.id,
        agent: call.agent.id,
        path,
        status: this.#answer?.status ?? error?.status,
        answeredMs: this.#answeredMs && Math.round(this.#answeredMs),
        totalMs: Math.round(performance.now() - this.#startedMs),
        bytes,
        ending,
        code: error?.code,
      },
      'request.relayed',
    );
  }

  #toError(thrown: unknown): AppError {
    const error = toAppError(thrown);
    if (error.code === 'internal' && !this.#abort.signal.aborted) relayLog.error({ err: thrown }, 'relay.broke');
    return error;
  }

  #progress(): string {
    const { state, progress } = this.context.runners.status(this.#plan?.call.agent.id ?? '');
    if (state !== 'starting') return 'agent-stack: waiting for the agent';
    const words = progress.place === undefined ? `${progress.message} (${progress.percent}%)` : progress.message;
    return `agent-stack: ${words}`;
  }

  #conversationHeader(): Record<string, string> {
    const conversation = this.#plan?.turn?.conversation;
    return conversation ? { 'x-conversation-id': conversation.id } : {};
  }
}

/** The promise's result, or `undefined` after `ms`. The promise must not reject. */
function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, undefined);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
