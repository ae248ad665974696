/** One call of a runner to its upstream, from its arrival to the end of the answer. `Lifecycle` orders its events. */
import { readRefusal } from '../../backends/shared/upstream-errors';
import { Share } from '../lib/allowance';
import { AppError, toAppError } from '../lib/errors';
import { logRequest, relayLog } from '../lib/log';
import { type Soon, whenThere } from '../lib/lookup';
import { safely } from '../lib/safely';
import { answerFacts, type Caller, callerWith, isTracing } from '../lib/tracing';
import { isShort, requestHeaders } from '../net/outgoing';
import { Lifecycle } from '../relay/lifecycle';
import { CLIENT_GONE, type Ending } from '../relay/relay';
import type { HeldRunner } from '../runners/slots/slot';
import { dataResponse, foreignHeaders, isEventStream } from '../web/answers/headers';
import { readBody } from '../web/bodies/read';
import { type Listener, waitNoLonger } from '../web/patience';
import { addressHint, isElsewhere } from './address-hint';
import { CallUse } from './call-use';
import type { BrokerDeps } from './deps';
import { hopsIn } from './hops';
import { refusalText } from './refusals';
import { UPSTREAM_PATHS, UpstreamBody } from './request';
import type { UpstreamAnswer } from './upstreams';
import { withoutUsage } from './usage-filter';

/** As much of a body as has an error in it. */
const SAID_BYTES_MAX = 2_000;
const utf8 = new TextDecoder();
const NOTHING = () => undefined;

/** The caller answers with `respond`, and with `refuse` when `respond` throws. */
export class BrokerCall extends Lifecycle {
  /** The part of the allowance that a long request takes its bytes from. */
  readonly #share: Share;
  #path = '';
  /** Undefined until the request has been read. */
  #use: CallUse | undefined;
  /** Milliseconds until the first byte of the upstream's answer. */
  #firstByteMs: number | undefined;

  /**
   * Holds the lease `held` from here on, unless it throws: when too many calls are open.
   * @param headers those of every answer of the listener.
   */
  constructor(
    readonly deps: BrokerDeps,
    readonly held: HeldRunner,
    readonly request: Request,
    readonly headers: Record<string, string>,
  ) {
    const { agent } = held;
    super('cancel', { agent: agent.id });
    this.#share = new Share(deps.held, agent.userId);
    // Counted apart from what users ask for themselves, each of which may make a runner call.
    const holder = { userId: agent.userId, credentialId: agent.id, countedAs: `runners of ${agent.userId}` };
    this.hold(deps.streams.add(holder, this));
    this.hold(this.#share);
    this.hold(held.hold);
    this.follow(request.signal);
  }

  /** @param listener The one that the request came to. */
  async respond(path: string, listener: Listener): Promise<Response> {
    const { deps, held, request } = this;
    const { agent } = held;
    const allowed = UPSTREAM_PATHS.get(path);
    if (!allowed) throw new AppError('not_found', { message: `The broker does not serve /${path}.` });
    if (request.method !== allowed.method) throw new AppError('method_not_allowed', { allow: [allowed.method] });
    this.#path = path;
    const hops = Math.max(hopsIn(request.headers), deps.hops.of(agent.id));
    const bytes = await readBody(request, {
      maxBytes: deps.config.maxBodyBytes,
      share: this.#share,
      listener,
      isPatient: true,
    });
    this.hold({ end: () => waitNoLonger(listener, request) });
    const body = new UpstreamBody(path, bytes, request.headers.get('content-type') ?? '');
    const use = new CallUse(deps, held, { path, allowed, body });
    this.#use = use;
    const backend = deps.backends.of(agent);
    const trace = isTracing()
      ? this.trace('llm call', 'client', callerOf(request.headers, held), answerFacts(agent, { path }))
      : undefined;
    const { signal } = this;
    const answer = await deps.upstreams.call({
      ...{ agent, backend, path, method: allowed.method, body, hops },
      headers: { ...requestHeaders(request.headers), ...trace },
      signal,
      allow: (upstream) => use.admit(upstream, signal),
    });
    this.answered({ status: answer.response.status, lost });
    return answer.response.status >= 400 ? this.#refused(answer) : this.#pass(answer);
  }

  /** Ends a call that has no answer. Throws the error that the runner is told, unless the runner has left. */
  refuse(thrown: unknown): Response {
    const error = toAppError(thrown);
    this.fail(error);
    if (this.request.signal.aborted) return new Response(null, { status: CLIENT_GONE });
    throw error;
  }

  /**
   * The upstream's refusal, as it is but for the key. One that is about the key is the owner's to mend, and put in
   * neutral words: from a 401, or from the upstream's own words for it, a runtime may take that its key is of no use and
   * call nobody for a while, also when the owner has mended it by then (law 16).
   */
  async #refused({ upstream, response }: UpstreamAnswer): Promise<Response> {
    const { status, headers } = response;
    const text = await refusalText(response, upstream.apiKey);
    if (status === 401 || status === 403) {
      relayLog.warn({ agent: this.held.agent.id, status, said: text.slice(0, 300) }, 'upstream.key_refused');
      throw new AppError('upstream_credentials_refused');
    }
    this.end('failed', text.length);
    const hint = isElsewhere(status, text) ? addressHint(upstream.baseUrl) : undefined;
    if (hint !== undefined) return this.#misplaced(text, status, hint);
    return dataResponse(text, status, this.headers, foreignHeaders(headers));
  }

  #pass({ upstream, response, addedUsage }: UpstreamAnswer): Soon<Response> {
    const { status, headers, body } = response;
    const events = isEventStream(headers);
    const own = foreignHeaders(headers);
    const isFiltered = events && addedUsage;
    // A filtered answer is seen before the filter.
    this.recorder = { chunk: isFiltered ? NOTHING : (bytes) => this.#see(bytes), end: NOTHING };
    if (!events && isShort(headers)) {
      // Before the runner is answered: when the body breaks off, the runner gets an error status.
      return whenThere(this.whole(body), (bytes) => {
        const text = utf8.decode(bytes.subarray(0, SAID_BYTES_MAX));
        // An API's answer never begins so. Some servers send it with the status 200.
        const isError = /^\s*(<|\{\s*"error")/.test(text) && isElsewhere(status, text);
        const hint = isError ? addressHint(upstream.baseUrl) : undefined;
        return hint === undefined ? dataResponse(bytes, status, this.headers, own) : this.#misplaced(text, 502, hint);
      });
    }
    // Not every API closes with [DONE]; one that is cut breaks its connection.
    const relay = this.open({ events, expectDone: false });
    const stream = this.streamOf(relay);
    relay.attach(isFiltered ? withoutUsage(body, (bytes) => this.#see(bytes)) : body);
    return dataResponse(stream, status, this.headers, own);
  }

  /** The server at LLM_BASE_URL is no API: its words and the hint are for the user who has set the address. */
  #misplaced(text: string, status: number, hint: string): Response {
    const said = readRefusal(text)?.message ?? 'What answers at LLM_BASE_URL sent a web page.';
    const message = `${said}${/[.!?]$/.test(said) ? '' : '.'} ${hint}`;
    const error = { message, type: 'invalid_request_error', param: null, code: 'upstream_address' };
    return dataResponse(JSON.stringify({ error }), status, this.headers, { 'content-type': 'application/json' });
  }

  #see(bytes: Uint8Array): void {
    this.#firstByteMs ??= this.elapsedMs;
    this.#use?.see(bytes);
  }

  protected override report(told: Ending, bytes: number, error?: AppError): void {
    const { agent } = this.held;
    const { of } = this;
    const use = this.#use;
    // A stream of `responses` has no [DONE] by which the relay would know that it is whole.
    const mayBeWhole = told === 'stopped' && this.isRelayed && use !== undefined;
    const ending = mayBeWhole && safely('tokens', of, () => use.isWhole) ? 'done' : told;
    const upstreamStatus = this.status;
    const hasLeft = ending === 'stopped' && !this.isRelayed;
    const status = hasLeft ? CLIENT_GONE : (upstreamStatus ?? error?.status ?? 0);
    const ended = { ending, status, upstreamStatus, firstByteMs: this.#firstByteMs, totalMs: this.elapsedMs };
    logRequest({ ...of, path: this.#path, status, bytes, ending, event: 'upstream.called' });
    safely('metrics', of, () => this.deps.metrics.upstreamCalled(agent.backend, ended));
    use?.end(ended);
  }
}

/** A runner may pass its trace on. If it does not, the call belongs to the answer that it serves, where that is certain. */
function callerOf(headers: Headers, { work }: HeldRunner): Caller {
  return headers.has('traceparent') || !work ? headers : callerWith(work.trace);
}

function lost(cause: unknown): AppError {
  return new AppError('upstream_unreachable', { message: 'The LLM API ended in the middle of its answer.', cause });
}
