/**
 * One relayed request of `/v1`, from its arrival to the end of the answer: the wait for a runner, the recording, the
 * answer to the client, and the one line in the log. When it ends is its life's (relay/lifecycle.ts).
 */

import type { Caller } from '../accounts/identify';
import { hopsIn } from '../broker/hops';
import type { Answer } from '../chat/generations/recorder';
import { Share } from '../lib/allowance';
import { type AppError, isLastingRefusal } from '../lib/errors';
import { logRequest } from '../lib/log';
import { type Soon, whenThere } from '../lib/lookup';
import { safely } from '../lib/safely';
import { within } from '../lib/time';
import { answerFacts } from '../lib/tracing';
import { isShort } from '../net/outgoing';
import { Lifecycle } from '../relay/lifecycle';
import { CLIENT_GONE, type Ending, type Relay } from '../relay/relay';
import { callRunner, type RunnerAnswer } from '../runners/call';
import { recordRefusal, refusalIn } from '../runners/refusals';
import { dataResponse, foreignHeaders, isEventStream } from '../web/answers/headers';
import { heldBody } from '../web/answers/held-body';
import type { ExchangeDeps, ExchangeOptions } from './deps';
import { type Known, knownHeaders, takeRequest } from './headers';
import { ENDS_WITH_DONE } from './paths';
import type { Plan } from './plan';
import { recorded } from './recording';
import { attachOutcome, type Outcome, START_PATIENCE_MS, WARM_PATIENCE_MS, Waiting } from './waiting';

/** Answers a request as planned. */
export function exchange(deps: ExchangeDeps, who: Caller, options: ExchangeOptions): Promise<Response> {
  return new Exchange(deps, who, options).respond();
}

/** The stream for the client, and what is written into it. */
interface Opened {
  readonly relay: Relay;
  readonly stream: ReadableStream<Uint8Array>;
  readonly waiting: Waiting;
}

class Exchange extends Lifecycle {
  /** The memory share that long requests, and long answers that are read whole, are charged to. */
  readonly share: Share;
  /** Ends the watch over the client's credential. */
  readonly #forget: () => void;
  /** How many routers it has come through. */
  #hops = 0;
  #plan: Plan | undefined;
  /** Whether a runner has to be started first. */
  #isCold = false;
  #runnerId: string | undefined;
  /** Where the answer is recorded. */
  #stored: Answer | undefined;

  constructor(
    readonly deps: ExchangeDeps,
    readonly who: Caller,
    readonly options: ExchangeOptions,
  ) {
    const { user, credentialId } = who;
    super(options.detach ? 'detach' : 'cancel', { user: user.id });
    this.share = new Share(deps.held, user.id);
    this.#forget = deps.streams.add({ userId: user.id, credentialId }, (why) => this.close(why));
    this.hold(() => this.share.end());
    this.hold(this.#forget);
    this.hold(options.onEnd);
    this.follow(options.request.signal);
  }

  async respond(): Promise<Response> {
    const { hops, runners } = this.deps;
    const { options, share, signal } = this;
    try {
      this.#admit();
      const bytes = await options.read(share);
      const planned = await options.plan(bytes, share);
      signal.throwIfAborted();
      this.#plan = planned;
      const recording = planned.turn ? this.#recorded(planned, () => options.plan(bytes, share)) : planned;
      const plan = recording instanceof Promise ? await recording : recording;
      this.#plan = plan;
      const { call, wantsStream } = plan;
      this.hold(hops.enter(call.agent.id, this.#hops));
      this.#isCold = !runners.isWarm(call.agent.id);
      const silence = this.watch(call.backend.timeouts);
      const facts = answerFacts(call.agent, { path: plan.path, isCold: this.#isCold });
      const trace = this.trace('answer', 'server', () => options.request.headers, facts);
      const asked = callRunner(runners, { ...call, ...(trace && { work: { ...call.work, trace } }), signal, silence });
      // A stream is open for long, and would keep what was sent.
      call.body = undefined;
      const passed = wantsStream ? this.#passStream(plan, asked) : this.#pass(plan, this.#arrived(await asked));
      return passed instanceof Promise ? await passed : passed;
    } catch (thrown) {
      return this.#refuse(thrown);
    }
  }

  /** Throws `loop_detected` or `rate_limit_exceeded`. */
  #admit(): void {
    this.#hops = hopsIn(this.options.request.headers);
    if (this.who.key) this.hold(takeRequest(this.deps.rateLimits, this.who.key, this.options.headers));
  }

  async #passStream(plan: Plan, asked: Promise<RunnerAnswer>): Promise<Response> {
    const settled = asked.then(
      (answer): Outcome => ({ answer: this.#arrived(answer) }),
      (thrown): Outcome => ({ error: this.toError(thrown) }),
    );
    const outcome = await within(this.#isCold ? START_PATIENCE_MS : WARM_PATIENCE_MS, settled);
    if (!outcome) return this.#waitInStream(plan, settled);
    if ('answer' in outcome) return this.#pass(plan, outcome.answer);
    const { isLasting, status } = outcome.error;
    // Programs that know no x-should-retry go by the status, and try again without showing why. A failed response they show.
    if (plan.translation && isLasting && status >= 500) return this.#waitInStream(plan, settled);
    throw outcome.error;
  }

  /** @returns the plan that is recorded. */
  #recorded(planned: Plan, again: () => Promise<Plan>): Soon<Plan> {
    return recorded(this.deps.generations, planned, {
      options: {
        isStream: planned.wantsStream,
        stop: () => this.stop(),
        onTooLarge: (error) => this.unrecord(error),
      },
      onBegun: (answer) => {
        this.recorder = this.#stored = answer;
      },
      again,
      signal: this.signal,
    });
  }

  /** There is no answer. Throws what the client is told, if there still is one. */
  #refuse(thrown: unknown): Response {
    const error = this.toError(thrown);
    Object.assign(this.options.headers, knownHeaders(this.#known()));
    this.fail(error);
    if (this.options.request.signal.aborted) return new Response(null, { status: CLIENT_GONE });
    throw error;
  }

  /** The runner has answered, whatever comes of it. */
  #arrived(answer: RunnerAnswer): RunnerAnswer {
    this.answered(answer);
    this.#runnerId = answer.lease.runner.id;
    return answer;
  }

  /** The runner has answered in time: its status and headers are the client's. */
  #pass(plan: Plan, answer: RunnerAnswer): Soon<Response> {
    const { status, headers } = answer;
    const { translation } = plan;
    const isEvents = isEventStream(headers);
    if (plan.readsEvents && status < 400 && !isEvents) return this.#waitInStream(plan, Promise.resolve({ answer }));
    this.#stored?.comesAs({ isStream: isEvents });
    if (this.recorder && status >= 400) this.recorder = recordRefusal(this.recorder, answer);
    // The body for the client. A refusal is passed on in the runner's own words.
    const body = translation && status < 400 ? translation.body(answer.body, isEvents) : answer.body;
    const own = foreignHeaders(headers);
    // To serve a stream costs more than all the rest of a request. And what is translated in one piece can fail for what
    // is in it, which then is the request's error.
    if (isEvents || !(isShort(headers) || translation)) {
      return whenThere(this.#stream(plan, isEvents), ({ relay, stream }) => {
        relay.attach(body);
        return this.#answer(stream, status, own);
      });
    }
    return whenThere(this.whole(body), (bytes) => {
      const isLasting = status >= 400 && isLastingRefusal(refusalIn(status, Buffer.from(bytes).toString()));
      if (isLasting) own['x-should-retry'] = 'false';
      // Its share was given back with the end.
      return this.#answer(heldBody(bytes, this.deps.held, this.who.user.id), status, own);
    });
  }

  /** The client gets a stream now, comments while the runner starts or thinks, then the answer (law 11). */
  async #waitInStream(plan: Plan, settled: Promise<Outcome>): Promise<Response> {
    const { relay, stream, waiting } = await this.#stream(plan, true);
    const unsubscribe = waiting.tell(relay);
    const attached = settled.then((outcome) => attachOutcome(relay, outcome, plan, this.share));
    void attached.catch((thrown: unknown) => relay.fail(this.toError(thrown))).finally(unsubscribe);
    return this.#answer(stream, 200, { 'content-type': 'text/event-stream; charset=utf-8' });
  }

  /**
   * Opens the stream for the client when that can be told of its turn: a new conversation and the id of a response are stored
   * before. A turn in a stored conversation is waited for by whoever reads that (`generations.written`).
   */
  #stream(plan: Plan, events: boolean): Soon<Opened> {
    const { turn, translation } = plan;
    const stored = turn?.beginning || translation ? this.#stored?.begin() : undefined;
    return whenThere<unknown, Opened>(stored, () => this.#opened(plan, events));
  }

  #opened(plan: Plan, events: boolean): Opened {
    const { path, translation } = plan;
    const waiting = new Waiting(this.deps, this.who, plan);
    const relay = this.open({
      events,
      expectDone: ENDS_WITH_DONE.has(path),
      ending: translation?.ending,
      isWhole: translation?.isWhole,
      signOfLife: () => (this.answeredMs === undefined ? waiting.progress() : 'keep-alive'),
      aliveEvents: () => waiting.aliveEvents(),
    });
    return { relay, stream: this.streamOf(relay), waiting };
  }

  protected override gone(): void {
    // An answer that continues without its client does not end with the client's credential.
    if (this.options.detach) safely('forget', this.of, this.#forget);
    super.gone();
  }

  protected override report(ending: Ending, bytes: number, error?: AppError): void {
    if (!this.#plan) return;
    const { call, path } = this.#plan;
    const { answeredMs, status, elapsedMs: totalMs } = this;
    // A request that was stopped before its answer has no status: nobody was told one.
    const told = status ?? (ending === 'failed' ? error?.status : undefined);
    this.deps.metrics.relayed(call.backend.name, { ending, status: told, firstByteMs: answeredMs, totalMs });
    logRequest({
      user: this.who.user.id,
      agent: call.agent.id,
      path,
      status: told,
      answeredMs: answeredMs && Math.round(answeredMs),
      totalMs: Math.round(totalMs),
      bytes,
      ending,
      code: ending === 'failed' ? error?.code : undefined,
      event: 'request.relayed',
    });
  }

  /** The facts about the answer that are known when its head is sent. */
  #known(): Known {
    return {
      startedMs: this.startedMs,
      agentId: this.#plan?.call.agent.id,
      isCold: this.#isCold,
      runnerId: this.#runnerId,
      conversationId: this.#plan?.turn?.conversation.id,
    };
  }

  /** @param own headers of the answer itself. */
  #answer(body: BodyInit, status: number, own: Record<string, string>): Response {
    const { headers, onAnswer } = this.options;
    onAnswer?.();
    // nginx keeps a stream back until its buffer is full, unless it is told not to.
    if (own['content-type']?.startsWith('text/event-stream')) own['x-accel-buffering'] = 'no';
    return dataResponse(body, status, onAnswer ? headers : {}, knownHeaders(this.#known()), own);
  }
}
