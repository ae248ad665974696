/**
 * One relayed request of `/v1`, from its arrival to the end of the answer: the client leaving, its credential being
 * revoked, the wait for a runner, the recording, the lease, and the one line in the log.
 */

import type { Who } from '../accounts/identify';
import { hopsIn } from '../broker/hops';
import type { Answer } from '../chat/recorder';
import { Share } from '../lib/allowance';
import { AppError, isLastingRefusal, toAppError } from '../lib/errors';
import { logRequest, relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import { steadyMs, within } from '../lib/time';
import { type Body, readBytes } from '../net/body';
import { isShort } from '../net/outgoing';
import { CLIENT_GONE, type Ending, QUIET_MS, type Recorder, Relay } from '../relay/relay';
import { Silence } from '../relay/timeouts';
import { callRunner, type RunnerAnswer, recordRefusal, refusalIn, refusalOf } from '../runners/call';
import { dataHeaders, foreignHeaders, isEventStream } from '../web/headers';
import { emptyChunk, eventsOfCompletion } from './chunks';
import type { OpenaiDeps } from './deps';
import { answerHeaders, takeRequest } from './headers';
import type { Plan } from './plan';

/** So long a streaming client waits for a status of its own; then it gets 200 and comments with progress (law 11). */
const START_PATIENCE_MS = 2_000;
/** Where no start has to be shown: longer than the broker goes on trying (`TRIES_MS`), so that a refusal keeps its status. */
const WARM_PATIENCE_MS = 3_500;
/** Bodies that close with `[DONE]`. */
const ENDS_WITH_DONE = new Set(['chat/completions', 'completions']);

const NO_STREAM = 'A stream was asked for, and the agent sent something else.';

type ExchangeDeps = Pick<
  OpenaiDeps,
  'events' | 'generations' | 'held' | 'hops' | 'metrics' | 'rateLimits' | 'runners' | 'streams'
>;
type Outcome = { readonly answer: RunnerAnswer } | { readonly error: AppError };

interface Options {
  readonly request: Request;
  readonly detach: boolean;
  readonly headers: Record<string, string | number>;
  /** Nobody adds `headers` to the answer: it has them already. */
  readonly isFinal?: boolean;
}

/**
 * Answers a request as planned.
 * @param options.headers what the answer says beside itself is put here, also that of a refusal.
 * @param options.detach the answer goes on when the client leaves; otherwise the runner's request is aborted (law 9).
 * @param options.plan begins at once; what it throws is thrown on. What it holds of `share` is given back at the end.
 */
export async function exchange(
  deps: ExchangeDeps,
  who: Who,
  options: Options & { plan(share: Share): Promise<Plan> },
): Promise<Response> {
  const one = new Exchange(deps, who, options);
  try {
    one.admit();
    return await one.respond(await options.plan(one.share));
  } catch (thrown) {
    return one.refuse(thrown);
  }
}

class Exchange {
  readonly #startedMs = performance.now();
  readonly #abort = new AbortController();
  /** What a long request, and a long answer that is translated, are held of. */
  readonly share: Share;
  /** Ends the watch over the client's credential. */
  readonly #forget: () => void;
  /** Ends what counts as one of the key's requests at once. */
  #leave: (() => void) | undefined;
  /** How many routers it has come through. */
  #hops = 0;
  #leaveHops: (() => void) | undefined;
  #plan: Plan | undefined;
  /** Whether a runner has to be started first. */
  #isCold = false;
  #recorder: Answer | undefined;
  /** When the client was last sent an event only to show that the answer is being made. */
  #aliveAtMs = 0;
  #silence: Silence | undefined;
  /** From here on it is the relay that ends, before that it is the call. */
  #relay: Relay | undefined;
  /** How the call ends when it is aborted. */
  #abortedAs: Ending = 'failed';
  #answer: RunnerAnswer | undefined;
  #answeredMs: number | undefined;

  constructor(
    readonly deps: ExchangeDeps,
    readonly who: Who,
    readonly options: Options,
  ) {
    const { signal } = options.request;
    this.share = new Share(deps.held, who.user.id);
    this.#forget = deps.streams.add({ userId: who.user.id, credentialId: who.credentialId }, (why) => this.#close(why));
    signal.addEventListener('abort', () => safely('abort', {}, () => this.#clientGone()), { once: true });
    if (signal.aborted) this.#clientGone();
  }

  /** Throws `loop_detected` or `rate_limit_exceeded`. */
  admit(): void {
    this.#hops = hopsIn(this.options.request.headers);
    if (this.who.key) this.#leave = takeRequest(this.deps.rateLimits, this.who.key, this.options.headers);
  }

  async respond(plan: Plan): Promise<Response> {
    const { generations, runners } = this.deps;
    const { call, turn, wantsStream } = plan;
    const { signal } = this.#abort;
    signal.throwIfAborted();
    this.#plan = plan;
    this.#leaveHops = this.deps.hops.enter(call.agent.id, this.#hops);
    this.#isCold = !runners.isWarm(call.agent.id);
    if (turn) {
      const stop = () => this.#stop();
      const options = { isStream: wantsStream, stop, onTooLarge: (error: AppError) => this.#relay?.unrecord(error) };
      this.#recorder = (await generations.record(turn, options)).answer;
    }
    const silence = new Silence(call.backend.timeouts, (why) => this.#close(why));
    this.#silence = silence;
    const answered = callRunner(runners, { ...call, signal, silence });
    if (!wantsStream) return this.#pass(await answered);
    const settled = answered.then(
      (answer): Outcome => ({ answer }),
      (thrown): Outcome => ({ error: this.#toError(thrown) }),
    );
    const outcome = await within(this.#isCold ? START_PATIENCE_MS : WARM_PATIENCE_MS, settled);
    if (!outcome) return this.#waitInStream(settled);
    if ('answer' in outcome) return this.#pass(outcome.answer);
    const { isLasting, status } = outcome.error;
    // Programs that know no x-should-retry go by the status, and try again without showing why. A failed response they show.
    if (plan.translation && isLasting && status >= 500) return this.#waitInStream(settled);
    throw outcome.error;
  }

  /** There is no answer. Throws what the client is told, if there still is one. */
  refuse(thrown: unknown): Response {
    const error = this.#toError(thrown);
    Object.assign(this.options.headers, this.#known());
    // A relay ends by itself.
    if (!this.#relay) {
      safely('recorder', {}, () => this.#recorder?.end(this.#abortedAs, error));
      this.#end(this.#abortedAs, 0, error);
    }
    if (this.options.request.signal.aborted) return new Response(null, { status: CLIENT_GONE });
    throw error;
  }

  /** The runner has answered in time: its status and headers are the client's. */
  async #pass(answer: RunnerAnswer): Promise<Response> {
    const { status, headers } = answer;
    // What is translated into events has to come as events.
    if (this.#plan?.wantsStream && this.#plan.translation && status < 400 && !isEventStream(headers)) {
      return this.#waitInStream(Promise.resolve({ answer }));
    }
    this.#answered(answer);
    const recorder = this.#recorder && status >= 400 ? recordRefusal(this.#recorder, answer) : this.#recorder;
    const events = isEventStream(headers);
    this.#recorder?.comesAs({ isStream: events });
    // To serve a stream costs more than all the rest of a request. And what is translated in one piece can fail for what
    // is in it, which then is the request's error.
    const isWhole = !events && (isShort(headers) || this.#plan?.translation !== undefined);
    const own = foreignHeaders(headers);
    if (!isWhole) {
      return new Response(this.#stream(answer, events, recorder), { status, headers: this.#head(own) });
    }
    const bytes = await this.#whole(answer, recorder);
    const isLasting = status >= 400 && isLastingRefusal(refusalIn(status, Buffer.from(bytes).toString()));
    if (isLasting) own['x-should-retry'] = 'false';
    return new Response(bytes, { status, headers: this.#head(own) });
  }

  /** A short answer is part of the call: it ends as that does, and goes on without its client as that does. */
  async #whole(answer: RunnerAnswer, recorder: Recorder | undefined): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await readBytes(this.#bodyOf(answer)).catch(async (cause: unknown) => {
      this.#abort.signal.throwIfAborted();
      throw await this.#lost(cause);
    });
    // As in a relay: what a recorder throws is no fault of the answer.
    safely('recorder', {}, () => recorder?.chunk(bytes));
    const stored = safely('recorder', {}, () => recorder?.end('done'));
    // The client of an answer that is recorded reads its end when that is stored.
    if (stored) await stored;
    this.#end('done', bytes.length);
    return bytes;
  }

  #stream(answer: RunnerAnswer, events: boolean, recorder: Recorder | undefined): ReadableStream<Uint8Array> {
    const relay = this.#open(events, recorder);
    const body = relay.stream();
    relay.attach(this.#bodyOf(answer));
    if (this.options.request.signal.aborted) relay.clientGone();
    return body;
  }

  /** The client gets a stream now, comments while the runner starts or thinks, then the answer (law 11). */
  #waitInStream(settled: Promise<Outcome>): Response {
    const relay = this.#open(true, this.#recorder);
    const body = relay.stream();
    let told = '';
    const tell = () => {
      const progress = this.#progress();
      if (progress !== told) relay.comment(progress);
      told = progress;
    };
    const unsubscribe = this.deps.events.subscribe(this.who.user.id, ({ kind }) => kind === 'runner' && tell());
    tell();
    const arrived = settled.then((outcome) => this.#arrived(relay, outcome));
    void arrived.catch((error: unknown) => relay.fail(this.#toError(error))).finally(unsubscribe);
    if (this.options.request.signal.aborted) relay.clientGone();
    return new Response(body, {
      headers: this.#head(dataHeaders('text/event-stream; charset=utf-8')),
    });
  }

  async #arrived(relay: Relay, outcome: Outcome): Promise<void> {
    if ('error' in outcome) relay.fail(outcome.error);
    else await this.#attach(relay, outcome.answer);
  }

  /** The client has its stream: a whole completion becomes the events of one, anything else an error event. */
  async #attach(relay: Relay, answer: RunnerAnswer): Promise<void> {
    const { status, headers } = answer;
    if (status >= 400) return relay.fail(await refusalOf(answer));
    const body = isEventStream(headers) ? answer.body : await eventsOfCompletion(answer.body);
    this.#answered(answer);
    // Ended while it waited: nobody else will.
    if (relay.hasEnded || !body) answer.lease.release();
    if (body) relay.attach(this.#streamOf(body));
    else relay.fail(new AppError('runner_lost', { message: NO_STREAM }));
  }

  #open(events: boolean, recorder: Recorder | undefined): Relay {
    const translation = this.#plan?.translation;
    const relay = new Relay({
      events,
      expectDone: ENDS_WITH_DONE.has(this.#plan?.path ?? ''),
      onClientGone: this.options.detach ? 'detach' : 'cancel',
      abort: this.#abort,
      ...(recorder && { recorder }),
      ...(this.#silence && { silence: this.#silence }),
      signOfLife: () => (this.#answeredMs === undefined ? this.#progress() : 'keep-alive'),
      ...(translation && { ending: translation.ending, isWhole: translation.isWhole }),
      aliveEvents: () => this.#aliveEvents(),
      lost: (cause) => this.#lost(cause),
      onEnd: (ending, bytes, error) => this.#end(ending, bytes, error),
    });
    this.#relay = relay;
    return relay;
  }

  /** Events for clients that count those only: of `responses` always, of a chat where the key is set so. */
  #aliveEvents(): string {
    const { translation, path, call } = this.#plan ?? {};
    const isChat = path === 'chat/completions' && this.who.key?.eventsWhileWaiting === true;
    const nowMs = steadyMs();
    // A start may tell its progress many times a second.
    if ((!translation && !isChat) || nowMs - this.#aliveAtMs < QUIET_MS) return '';
    this.#aliveAtMs = nowMs;
    return translation?.alive() ?? emptyChunk(call?.backend.name ?? '');
  }

  #answered(answer: RunnerAnswer): void {
    this.#answeredMs = performance.now() - this.#startedMs;
    this.#answer = answer;
  }

  /** Why there is no more of the body. */
  async #lost(cause: unknown): Promise<AppError> {
    if (cause instanceof AppError) return cause;
    return (await this.#answer?.lost(cause)) ?? new AppError('runner_lost', { cause });
  }

  /** What the client reads; a refusal is in the runner's own words. */
  #bodyOf({ status, headers, body }: RunnerAnswer): Body {
    const translation = status < 400 ? this.#plan?.translation : undefined;
    return translation ? translation.body(body, isEventStream(headers)) : body;
  }

  #streamOf(body: Body): Body {
    return this.#plan?.translation?.body(body, true) ?? body;
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

  /** The credential was revoked, the runner is silent for too long, or the router ends. */
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
    this.share.end();
    this.#forget();
    this.#leave?.();
    this.#leaveHops?.();
    this.#silence?.end();
    // The answer is the client's, whatever happens to what is noted of it.
    safely('report', { user: this.who.user.id }, () => this.#report(ending, bytes, error));
  }

  #report(ending: Ending, bytes: number, error?: AppError): void {
    if (!this.#plan) return;
    const { call, path } = this.#plan;
    const totalMs = performance.now() - this.#startedMs;
    // A request that was stopped before its answer has no status: nobody was told one.
    const status = this.#answer?.status ?? (ending === 'failed' ? error?.status : undefined);
    this.deps.metrics.relayed(call.backend.name, ending, status, this.#answeredMs, totalMs);
    logRequest({
      user: this.who.user.id,
      agent: call.agent.id,
      path,
      status: this.#answer?.status ?? error?.status,
      answeredMs: this.#answeredMs && Math.round(this.#answeredMs),
      totalMs: Math.round(totalMs),
      bytes,
      ending,
      code: error?.code,
      event: 'request.relayed',
    });
  }

  #toError(thrown: unknown): AppError {
    const error = toAppError(thrown);
    if (error.code === 'internal' && !this.#abort.signal.aborted) relayLog.error({ err: thrown }, 'relay.broke');
    return error;
  }

  #progress(): string {
    const { state, progress } = this.deps.runners.status(this.#plan?.call.agent.id ?? '');
    if (state !== 'starting') return 'agent-stack: waiting for the agent';
    const words = progress.place === undefined ? `${progress.message} (${progress.percent}%)` : progress.message;
    return `agent-stack: ${words}`;
  }

  /** What is known of the answer by now, for its head. */
  #known(): Record<string, string> {
    return answerHeaders({
      startedMs: this.#startedMs,
      agentId: this.#plan?.call.agent.id,
      isCold: this.#isCold,
      runnerId: this.#answer?.lease.runner.id,
      conversationId: this.#plan?.turn?.conversation.id,
    });
  }

  #head(own: Record<string, string>): Record<string, string> {
    const { headers, isFinal = false } = this.options;
    // nginx keeps a stream back until its buffer is full, unless it is told not to.
    if (own['content-type']?.startsWith('text/event-stream')) own['x-accel-buffering'] = 'no';
    return Object.assign(isFinal ? { ...(headers as Record<string, string>) } : {}, this.#known(), own);
  }
}
