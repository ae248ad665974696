/** One call of a runner to its upstream, from its arrival to the end of the answer. */
import { readRefusal } from '../../backends/shared/upstream-errors';
import { Share } from '../lib/allowance';
import { AppError, toAppError } from '../lib/errors';
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import { type Body, readBytes } from '../net/body';
import { isShort, requestHeaders } from '../net/outgoing';
import { CLIENT_GONE, type Ending, Relay } from '../relay/relay';
import type { HeldRunner } from '../runners/slot';
import { foreignHeaders, isEventStream } from '../web/headers';
import { readBody } from '../web/read-body';
import { addressHint, isElsewhere } from './address-hint';
import { CallUse } from './call-use';
import type { BrokerDeps } from './deps';
import { hopsIn } from './hops';
import { refusalText } from './refusals';
import { UPSTREAM_PATHS, upstreamBody } from './request';
import type { UpstreamAnswer } from './upstreams';
import { withoutUsage } from './usage-filter';

/** As much of a body as has an error in it. */
const SAID_BYTES_MAX = 2_000;
const utf8 = new TextDecoder();

/** The caller answers with `respond`, and with `refuse` when `respond` throws. */
export class BrokerCall {
  readonly #startedMs = performance.now();
  readonly #abort = new AbortController();
  /** The part of the allowance that a long request takes its bytes from. */
  readonly #share: Share;
  /** Ends the watch for the router's end. */
  readonly #forget: () => void;
  #path = '';
  /** Undefined until the request has been read. */
  #use: CallUse | undefined;
  #relay: Relay | undefined;
  /** Of the upstream. */
  #status: number | undefined;
  #firstByteMs: number | undefined;

  constructor(
    readonly deps: BrokerDeps,
    readonly held: HeldRunner,
    readonly request: Request,
  ) {
    const { agent } = held;
    this.#share = new Share(deps.held, agent.userId);
    // Counted apart from what users ask for themselves, each of which may make a runner call.
    const holder = { userId: agent.userId, credentialId: agent.id, countedAs: `runners of ${agent.userId}` };
    this.#forget = deps.streams.add(holder, (why) => {
      if (this.#relay) this.#relay.fail(why);
      else this.#abort.abort(why);
    });
    request.signal.addEventListener('abort', () => safely('abort', {}, () => this.#runnerGone()), { once: true });
    if (request.signal.aborted) this.#runnerGone();
  }

  async respond(path: string): Promise<Response> {
    const { deps, held, request } = this;
    const { agent } = held;
    const allowed = UPSTREAM_PATHS.get(path);
    if (!allowed) throw new AppError('not_found', { message: `The broker does not serve /${path}.` });
    if (request.method !== allowed.method) throw new AppError('method_not_allowed');
    this.#path = path;
    const hops = Math.max(hopsIn(request.headers), deps.hops.of(agent.id));
    const bytes = await readBody(request, { maxBytes: deps.config.maxBodyBytes, share: this.#share });
    const body = upstreamBody(path, bytes, request.headers.get('content-type') ?? '');
    const use = new CallUse(deps, held, path, allowed, body);
    this.#use = use;
    const backend = deps.backends.find(agent.backend);
    if (!backend) {
      throw new AppError('not_found', { message: `The backend "${agent.backend}" is no longer configured.` });
    }
    const answer = await deps.upstreams.call({
      ...{ userId: agent.userId, backend, path, method: allowed.method, body, hops },
      headers: requestHeaders(request.headers),
      signal: this.#abort.signal,
      allow: (upstream) => use.admit(upstream, this.#abort.signal),
    });
    this.#status = answer.response.status;
    return answer.response.status >= 400 ? this.#refused(answer) : this.#pass(answer);
  }

  /** Ends a call that has no answer. Throws the error that the runner is told, unless the runner has left. */
  refuse(thrown: unknown): Response {
    const error = toAppError(thrown);
    const isGone = this.request.signal.aborted;
    // A relay ends by itself.
    if (!this.#relay)
      this.#end(isGone ? 'stopped' : 'failed', 0, isGone ? CLIENT_GONE : (this.#status ?? error.status));
    if (isGone) return new Response(null, { status: CLIENT_GONE });
    throw error;
  }

  /**
   * The upstream's refusal, as it is but for the key. One that is about the key is the owner's to mend, and put in
   * neutral words: from a 401, or from the upstream's own words for it, a runtime may take that its key is of no use and
   * call nobody for a while, also when the owner has mended it by then (law 16; OpenClaw does, reference/runtimes.md 2).
   */
  async #refused({ upstream, response }: UpstreamAnswer): Promise<Response> {
    const { status, headers } = response;
    const text = await refusalText(response, upstream.apiKey);
    if (status === 401 || status === 403) {
      relayLog.warn({ agent: this.held.agent.id, status, said: text.slice(0, 300) }, 'upstream.key_refused');
      throw new AppError('upstream_credentials_refused');
    }
    this.#end('failed', text.length, status);
    const hint = isElsewhere(status, text) ? addressHint(upstream.baseUrl) : undefined;
    if (hint !== undefined) return misplaced(text, status, hint);
    return new Response(text, { status, headers: foreignHeaders(headers) });
  }

  async #pass({ upstream, response, addedUsage }: UpstreamAnswer): Promise<Response> {
    const { status, headers, body } = response;
    const events = isEventStream(headers);
    const init = { status, headers: foreignHeaders(headers) };
    if (!events && isShort(headers)) {
      const bytes = await this.#whole(body, status);
      const text = utf8.decode(bytes.subarray(0, SAID_BYTES_MAX));
      // An API's answer never begins so. Some servers send it with the status 200.
      const isError = /^\s*(<|\{\s*"error")/.test(text) && isElsewhere(status, text);
      const hint = isError ? addressHint(upstream.baseUrl) : undefined;
      return hint === undefined ? new Response(bytes, init) : misplaced(text, 502, hint);
    }
    const isFiltered = events && addedUsage;
    const relay = new Relay({
      ...{ events, onClientGone: 'cancel', abort: this.#abort, lost },
      // Not every API closes with [DONE]; one that is cut breaks its connection.
      expectDone: false,
      // A filtered answer is seen before the filter.
      recorder: { chunk: (bytes) => !isFiltered && this.#see(bytes), end: () => undefined },
      onEnd: (ending, bytes) => this.#end(ending, bytes, status),
    });
    this.#relay = relay;
    const stream = relay.stream();
    relay.attach(isFiltered ? withoutUsage(body, (bytes) => this.#see(bytes)) : body);
    if (this.request.signal.aborted) relay.clientGone();
    return new Response(stream, init);
  }

  /** Reads a short answer before the runner is answered: when its body breaks off, the runner gets an error status. */
  async #whole(body: Body, status: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await readBytes(body).catch((cause: unknown) => {
      this.#abort.signal.throwIfAborted();
      throw lost(cause);
    });
    this.#see(bytes);
    this.#end('done', bytes.length, status);
    return bytes;
  }

  #see(bytes: Uint8Array): void {
    this.#firstByteMs ??= performance.now() - this.#startedMs;
    this.#use?.see(bytes);
  }

  #runnerGone(): void {
    if (this.#relay) this.#relay.clientGone();
    else this.#abort.abort();
  }

  #end(told: Ending, bytes: number, status: number): void {
    this.held.release();
    this.#share.end();
    this.#forget();
    const { agent } = this.held;
    const ending = told === 'stopped' && this.#relay && this.#use?.isWhole ? 'done' : told;
    const totalMs = performance.now() - this.#startedMs;
    relayLog.info({ agent: agent.id, path: this.#path, status, bytes, ending }, 'upstream.called');
    const of = { agent: agent.id };
    safely('metrics', of, () => {
      this.deps.metrics.upstreamCalled(agent.backend, ending, status, this.#firstByteMs, totalMs);
    });
    const upstreamStatus = this.#status;
    this.#use?.end({ ending, status, upstreamStatus, firstByteMs: this.#firstByteMs, totalMs });
  }
}

/** The server at LLM_BASE_URL is no API: its words and the hint are for the user who has set the address. */
function misplaced(text: string, status: number, hint: string): Response {
  const said = readRefusal(text)?.message ?? 'What answers at LLM_BASE_URL sent a web page.';
  const message = `${said}${/[.!?]$/.test(said) ? '' : '.'} ${hint}`;
  const error = { message, type: 'invalid_request_error', param: null, code: 'upstream_address' };
  return Response.json({ error }, { status });
}

function lost(cause: unknown): AppError {
  return new AppError('upstream_unreachable', { message: 'The LLM API ended in the middle of its answer.', cause });
}
