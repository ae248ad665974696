/**
 * The broker, on the internal listener: a runner's own LLM endpoint. It knows the runner by its key, resolves its
 * owner's credentials at that moment, and passes the call on, so that no runner ever holds them (laws 14 to 16).
 */
import { Elysia } from 'elysia';
import { readRefusal } from '../../backends/shared/upstream-errors';
import type { Context } from '../context';
import type { Upstream } from '../credentials/credentials';
import { Share } from '../lib/allowance';
import { AppError, toAppError } from '../lib/errors';
import { sha256 } from '../lib/ids';
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import { type Body, readBytes } from '../net/body';
import { isShort, requestHeaders } from '../net/outgoing';
import { CLIENT_GONE, type Ending, Relay } from '../relay/relay';
import type { HeldRunner } from '../runners/slot';
import { NO_TOKENS } from '../usage/tokens';
import { foreignHeaders, isEventStream } from '../web/headers';
import { readBody } from '../web/read-body';
import { addressHint, isElsewhere } from './address-hint';
import { AnswerTail, tokensOfAnswer } from './answer-usage';
import { hopsIn } from './hops';
import { UPSTREAM_PATHS, type UpstreamBody, type UpstreamPath, upstreamBody } from './request';
import { refusalText, type UpstreamAnswer } from './upstreams';
import { withoutUsage } from './usage-filter';

/** What a call has used whose answer could not be looked at. */
const UNKNOWN = { tokens: NO_TOKENS, calls: 1, isEstimated: true };
/** As much of a body as has an error in it. */
const SAID_BYTES_MAX = 2_000;
const utf8 = new TextDecoder();

export function brokerRoutes(context: Context) {
  return new Elysia({ name: 'broker' }).all(
    '/upstream/v1/*',
    async ({ request, params, server }) => {
      server?.timeout(request, 0);
      const held = holdRunner(context, request);
      let call: BrokerCall;
      try {
        call = new BrokerCall(context, held, request);
      } catch (thrown) {
        held.release();
        throw thrown;
      }
      try {
        return await call.respond(params['*']);
      } catch (thrown) {
        return call.refuse(thrown);
      }
    },
    { parse: 'none' },
  );
}

/** A lease on the runner that shows its key: it is at work while its upstream answers (law 4). */
function holdRunner(context: Context, request: Request): HeldRunner {
  const key = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  const workId = request.headers.get('x-agent-work');
  const held = key === undefined ? undefined : context.runners.holdByKey(sha256(key), workId);
  if (held) return held;
  throw new AppError('signed_out', {
    message: 'That runner key is not known. A runner gets its key when it starts.',
  });
}

/** One call of a runner from its arrival to the end of the answer, and to its row of usage. */
class BrokerCall {
  readonly #startedMs = performance.now();
  readonly #abort = new AbortController();
  readonly #tail = new AnswerTail();
  /** What a long request is held of. */
  readonly #share: Share;
  /** Ends the watch for the router's end. */
  readonly #forget: () => void;
  #path = '';
  #body: UpstreamBody | undefined;
  /** Whose credentials the last try was made with. Before there is one, nothing was used. */
  #upstream: Upstream | undefined;
  /** Gives back what is held of budgets and limits. */
  #settle: (() => void) | undefined;
  #relay: Relay | undefined;
  #status: number | undefined;
  #firstByteMs: number | undefined;

  constructor(
    readonly context: Context,
    readonly held: HeldRunner,
    readonly request: Request,
  ) {
    const { agent } = held;
    this.#share = new Share(context.held, agent.userId);
    // Counted apart from what users ask for themselves, each of which may make a runner call.
    const holder = { userId: agent.userId, credentialId: agent.id, countedAs: `runners of ${agent.userId}` };
    this.#forget = context.streams.add(holder, (why) => {
      if (this.#relay) this.#relay.fail(why);
      else this.#abort.abort(why);
    });
    request.signal.addEventListener('abort', () => safely('abort', {}, () => this.#runnerGone()), { once: true });
    if (request.signal.aborted) this.#runnerGone();
  }

  async respond(path: string): Promise<Response> {
    const { context, held, request } = this;
    const { agent } = held;
    const allowed = UPSTREAM_PATHS.get(path);
    if (!allowed) throw new AppError('not_found', { message: `The broker does not serve /${path}.` });
    if (request.method !== allowed.method) throw new AppError('method_not_allowed');
    this.#path = path;
    const hops = Math.max(hopsIn(request.headers), context.hops.of(agent.id));
    const bytes = await readBody(request, { maxBytes: context.config.maxBodyBytes, share: this.#share });
    const body = upstreamBody(path, bytes, request.headers.get('content-type') ?? '');
    this.#body = body;
    const backend = context.backends.find(agent.backend);
    if (!backend) {
      throw new AppError('not_found', { message: `The backend "${agent.backend}" is no longer configured.` });
    }
    const answer = await context.upstreams.call({
      ...{ userId: agent.userId, backend, path, method: allowed.method, body, hops },
      headers: requestHeaders(request.headers),
      signal: this.#abort.signal,
      allow: (upstream) => this.#allow(upstream, allowed, body),
    });
    this.#status = answer.response.status;
    return answer.response.status >= 400 ? this.#refused(answer) : this.#pass(answer);
  }

  /** Each try, as another one may be made with another model or another key. What a runner asks for at its start is free. */
  async #allow(upstream: Upstream, { method, isCountable }: UpstreamPath, body: UpstreamBody): Promise<void> {
    const earlier = this.#upstream;
    const isSame = earlier?.model === upstream.model && earlier.source === upstream.source;
    if (method === 'POST' && !isSame) {
      this.#settle?.();
      this.#settle = undefined;
      const { isBackground } = body;
      const call = {
        ...{ userId: this.held.agent.userId, keyIds: this.#keyIds, path: this.#path, isCountable, isBackground },
        ...{ model: body.modelAt(upstream.model), source: upstream.source },
        most: () => ({ tokens: body.mostTokens(), calls: body.calls }),
      };
      this.#settle = await this.context.limits.admit(call, this.#abort.signal);
    }
    this.#upstream = upstream;
  }

  /** The keys whose requests this may serve. */
  get #keyIds(): readonly string[] {
    return [...new Set(this.held.works.flatMap(({ keyId }) => keyId ?? []))];
  }

  /** There is no answer. Throws what the runner is told, if it is still there. */
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
      // No answer of an API begins so. Some servers have a status of 200 for it.
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

  /** A short answer is part of the call, and ends as that does. */
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
    this.#tail.push(bytes);
  }

  #runnerGone(): void {
    if (this.#relay) this.#relay.clientGone();
    else this.#abort.abort();
  }

  #end(told: Ending, bytes: number, status: number): void {
    this.held.release();
    this.#share.end();
    this.#forget();
    const { agent, works } = this.held;
    const ending = told === 'stopped' && this.#isWhole ? 'done' : told;
    const totalMs = performance.now() - this.#startedMs;
    relayLog.info({ agent: agent.id, path: this.#path, status, bytes, ending }, 'upstream.called');
    const of = { agent: agent.id };
    safely('metrics', of, () => {
      this.context.metrics.upstreamCalled(agent.backend, ending, status, this.#firstByteMs, totalMs);
    });
    const body = this.#body;
    if (this.#upstream && body) {
      // Whatever an upstream has written: the call was made, and has its row.
      const used = safely('tokens', of, () => this.#used(body, ending)) ?? UNKNOWN;
      const { tokens, calls, isEstimated } = used;
      this.context.metering.record({
        ...{ userId: agent.userId, agentId: agent.id, backend: agent.backend, path: this.#path },
        ...{ keyIds: this.#keyIds, conversationId: works.length === 1 ? works[0]?.conversationId : undefined },
        ...{ model: body.modelAt(this.#upstream.model), source: this.#upstream.source },
        ...{ tokens, calls, estimated: isEstimated, status, ending, firstByteMs: this.#firstByteMs, totalMs },
      });
    }
    // After what was used is counted: between the two there is nothing to spend.
    this.#settle?.();
  }

  /** Whether the last event was there, of a stream that tells its usage in it and has no `[DONE]`. */
  get #isWhole(): boolean {
    return this.#path === 'responses' && this.#relay !== undefined && this.#tail.tokens() !== undefined;
  }

  #used(body: UpstreamBody, ending: Ending) {
    const allowed = UPSTREAM_PATHS.get(this.#path);
    // A refusal has used nothing. An upstream that was left before it had answered has begun to read.
    const isRefused = this.#status === undefined ? ending !== 'stopped' : this.#status >= 400;
    if (isRefused || allowed?.method === 'GET') return { tokens: NO_TOKENS, calls: 0, isEstimated: false };
    const guess = { prompt: () => body.promptTokens(), isText: allowed?.isText === true };
    return { ...tokensOfAnswer(this.#tail, guess), calls: body.calls };
  }
}

/** What answered is no API, and its words are for the person who has set its address. */
function misplaced(text: string, status: number, hint: string): Response {
  const said = readRefusal(text)?.message ?? 'What answers at LLM_BASE_URL sent a web page.';
  const message = `${said}${/[.!?]$/.test(said) ? '' : '.'} ${hint}`;
  const error = { message, type: 'invalid_request_error', param: null, code: 'upstream_address' };
  return Response.json({ error }, { status });
}

function lost(cause: unknown): AppError {
  return new AppError('upstream_unreachable', { message: 'The LLM API ended in the middle of its answer.', cause });
}
