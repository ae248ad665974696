/**
 * One relayed request of `/v1`, from its arrival to the end of the answer: the wait for a runner, the recording, the
 * answer to the client, and the one line in the log. When it ends is its life's (relay/lifecycle.ts).
 */

import { hopsIn } from '../broker/hops';
import type { Answer } from '../chat/generations/recorder';
import { Share } from '../lib/allowance';
import type { AppError } from '../lib/errors';
import { logRequest } from '../lib/log';
import { type Soon, whenThere } from '../lib/lookup';
import { safely } from '../lib/safely';
import { answerFacts, isTracing } from '../lib/tracing';
import { isShort } from '../net/outgoing';
import { Lifecycle } from '../relay/lifecycle';
import { CLIENT_GONE, type Ending } from '../relay/relay';
import type { Relayed } from '../relay/relayed';
import { callRunner, type RunnerAnswer } from '../runners/call';
import { recordRefusal } from '../runners/refusals';
import { dataResponse, foreignHeaders, isEventStream } from '../web/answers/headers';
import { isLong } from '../web/answers/held-body';
import type { OpenStream } from '../web/streams/open-streams';
import type { Asked, Bytes } from './asked';
import { knownHeaders, takeRequest } from './headers';
import { type Passed, passStream, passWhole } from './passed';
import { ENDS_WITH_DONE } from './paths';
import { type Plan, plan as planOf } from './plan';
import { recorded } from './recording';
import { attachOutcome, inTime, type Outcome, Waiting } from './waiting';

/** Answers a request. */
export function exchange(asked: Asked): Promise<Response> {
  return new Exchange(asked).respond();
}

export class Exchange extends Lifecycle implements Relayed {
  /** The memory share that long requests, and long answers that are read whole, are charged to. */
  readonly share: Share;
  /** The share of a long body, until its client has read it. */
  forBody: Share | undefined;
  /** Its place among the open streams, which ends it when the client's credential is revoked. */
  readonly #open: OpenStream;
  /** How many routers it has come through. */
  #hops = 0;
  plan: Plan | undefined;
  /** Whether a runner has to be started first. */
  isCold = false;
  runnerId: string | undefined;
  /** Where the answer is recorded. */
  #stored: Answer | undefined;
  /** What the client of a waiting stream is told. Made when it is needed, because hardly any stream waits for so long. */
  #waiting: Waiting | undefined;

  constructor(readonly asked: Asked) {
    const { deps, who, detach, request } = asked;
    const { user, credentialId } = who;
    super(detach ? 'detach' : 'cancel', { user: user.id });
    this.share = new Share(deps.held, user.id);
    this.#open = deps.streams.add({ userId: user.id, credentialId }, this);
    this.hold(this.share);
    this.hold(this.#open);
    this.hold(asked);
    this.follow(request.signal);
  }

  async respond(): Promise<Response> {
    try {
      this.#admit();
      const reading = this.asked.read(this.share);
      const bytes = reading instanceof Promise ? await reading : reading;
      const planning = planOf(this.asked, bytes, this.share);
      const planned = planning instanceof Promise ? await planning : planning;
      this.signal.throwIfAborted();
      this.plan = planned;
      const recording = planned.turn ? this.#recorded(planned, bytes) : planned;
      const plan = recording instanceof Promise ? await recording : recording;
      this.plan = plan;
      const asking = this.#ask(plan);
      const answer = await (plan.wantsStream ? inTime(asking, plan, this.isCold) : asking);
      const passed = answer ? this.#pass(plan, this.#arrived(answer)) : this.#waitInStream(plan, asking);
      return passed instanceof Promise ? await passed : passed;
    } catch (thrown) {
      return this.#refuse(thrown);
    }
  }

  /** Throws `loop_detected` or `rate_limit_exceeded`. */
  #admit(): void {
    const { deps, request, set, who } = this.asked;
    this.#hops = hopsIn(request.headers);
    if (who.key) this.hold(takeRequest(deps.rateLimits, who.key, set.headers));
  }

  #ask({ call, path }: Plan): Promise<RunnerAnswer> {
    const { deps, request } = this.asked;
    this.hold(deps.hops.enter(call.agent.id, this.#hops));
    this.isCold = !deps.runners.isWarm(call.agent.id);
    this.watch(call.backend.timeouts);
    if (isTracing()) {
      const facts = answerFacts(call.agent, { path, isCold: this.isCold });
      call.work.trace = this.trace('answer', 'server', request.headers, facts);
    }
    return callRunner(deps.runners, call, this);
  }

  /** @returns the plan that is recorded. */
  #recorded(planned: Plan, bytes: Bytes): Soon<Plan> {
    return recorded(this.asked.deps.generations, planned, {
      options: {
        isStream: planned.wantsStream,
        stop: () => this.stop(),
        onTooLarge: (error) => this.unrecord(error),
      },
      onBegun: (answer) => {
        this.recorder = this.#stored = answer;
      },
      again: () => planOf(this.asked, bytes, this.share),
      signal: this.signal,
    });
  }

  /** There is no answer. Throws what the client is told, if there still is one. */
  #refuse(thrown: unknown): Response {
    const { request, set } = this.asked;
    const error = this.toError(thrown);
    Object.assign(set.headers, knownHeaders(this));
    this.fail(error);
    this.forBody?.end();
    if (request.signal.aborted) return new Response(null, { status: CLIENT_GONE });
    throw error;
  }

  /** The runner has answered, whatever comes of it. */
  #arrived(answer: RunnerAnswer): RunnerAnswer {
    this.answered(answer);
    this.runnerId = answer.lease.runner.id;
    // Otherwise a stream would keep the body of its request in memory until its end.
    if (this.plan) this.plan.call.body = undefined;
    return answer;
  }

  /** The runner has answered in time: its status and headers are the client's. */
  #pass(plan: Plan, answer: RunnerAnswer): Soon<Response> {
    const { status, headers } = answer;
    const { translation } = plan;
    const isEvents = isEventStream(headers);
    if (plan.readsEvents && status < 400 && !isEvents) return this.#waitInStream(plan, Promise.resolve(answer));
    this.#stored?.comesAs({ isStream: isEvents });
    if (this.recorder && status >= 400) this.recorder = recordRefusal(this.recorder, answer);
    // The body for the client. A refusal is passed on in the runner's own words.
    const body = translation && status < 400 ? translation.body(answer.body, isEvents) : answer.body;
    const passed: Passed = { by: this, plan, status, own: foreignHeaders(headers), body, isEvents };
    // To serve a stream costs more than all the rest of a request. And what is translated in one piece can fail for what
    // is in it, which then is the request's error.
    const isStream = isEvents || !(isShort(headers) || translation);
    return isStream ? whenThere(this.#told(plan), passStream, passed) : whenThere(this.whole(body), passWhole, passed);
  }

  /** The client gets a stream now, comments while the runner starts or thinks, then the answer (law 11). */
  async #waitInStream(plan: Plan, asking: Promise<RunnerAnswer>): Promise<Response> {
    const settled = asking.then(
      (answer): Outcome => ({ answer: this.status === undefined ? this.#arrived(answer) : answer }),
      (thrown): Outcome => ({ error: this.toError(thrown) }),
    );
    await this.#told(plan);
    const { relay, stream } = this.opened(plan, true);
    const unsubscribe = this.#waits(plan).tell(relay);
    const attached = settled.then((outcome) => attachOutcome(relay, outcome, plan, this.share));
    void attached.catch((thrown: unknown) => relay.fail(this.toError(thrown))).finally(unsubscribe);
    return this.answer(stream, 200, { 'content-type': 'text/event-stream; charset=utf-8' });
  }

  /**
   * Waits until the client of a stream can be told of its turn: a new conversation and the id of a response are stored
   * before. A turn in a stored conversation is waited for by whoever reads that (`generations.written`).
   */
  #told({ turn, translation }: Plan): Promise<void> | undefined {
    return turn?.beginning || translation ? this.#stored?.begin() : undefined;
  }

  /** Takes the share before the answer is stored: refused after that, the client would send the request again. */
  protected override hasRead(bytes: number): void {
    if (isLong(bytes)) this.forBody = this.share.handOn(bytes);
  }

  opened({ path, translation }: Plan, events: boolean) {
    this.ownEnd = translation;
    const relay = this.open({ events, expectDone: ENDS_WITH_DONE.has(path) });
    return { relay, stream: this.streamOf(relay) };
  }

  #waits(plan: Plan): Waiting {
    this.#waiting ??= new Waiting(this.asked.deps, this.asked.who, plan);
    return this.#waiting;
  }

  signOfLife(): string {
    return this.answeredMs === undefined && this.plan ? this.#waits(this.plan).progress() : 'keep-alive';
  }

  aliveEvents(): string {
    return this.plan ? this.#waits(this.plan).aliveEvents() : '';
  }

  protected override gone(): void {
    // An answer that continues without its client does not end with the client's credential.
    if (this.asked.detach) safely('forget', this.of, () => this.#open.end());
    super.gone();
  }

  protected override report(ending: Ending, bytes: number, error?: AppError): void {
    if (!this.plan) return;
    const { call, path } = this.plan;
    const { answeredMs, status, elapsedMs: totalMs } = this;
    // A request that was stopped before its answer has no status: nobody was told one.
    const told = status ?? (ending === 'failed' ? error?.status : undefined);
    this.asked.deps.metrics.relayed(call.backend.name, { ending, status: told, firstByteMs: answeredMs, totalMs });
    logRequest({
      user: this.asked.who.user.id,
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

  /** @param own headers of the answer itself. */
  answer(body: BodyInit, status: number, own: Record<string, string>): Response {
    // nginx keeps a stream back until its buffer is full, unless it is told not to.
    if (own['content-type']?.startsWith('text/event-stream')) own['x-accel-buffering'] = 'no';
    return dataResponse(body, status, this.asked.takeHeaders(), knownHeaders(this), own);
  }
}
