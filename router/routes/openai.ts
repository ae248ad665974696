/** `/v1`: the router as if it were OpenAI. */
import { setTimeout as delay } from 'node:timers/promises';
import { Elysia } from 'elysia';
import type { Backend } from '../backends';
import type { Context } from '../context';
import { AppError, toAppError } from '../errors';
import { readBody } from '../http/limits';
import { isEventStream, Relay, requestHeaders, responseHeaders } from '../http/relay';
import type { SessionPlugin, Who } from '../http/session';
import { relayLog } from '../log';
import { type ChatBody, newestUserText, sessionHeaders, shapeChatBody } from '../services/chat-request';
import type { Recording } from '../services/generations';
import { callRunner, type RunnerAnswer, type RunnerRequest } from '../services/runner-call';
import type { Agent } from '../stores/agents';
import type { Conversation } from '../stores/conversations';

/** So long a streaming client waits for a status of its own; then it gets 200 and comments with progress (law 11). */
const STATUS_PATIENCE_MS = 2_000;
const PROGRESS_EVERY_MS = 4_000;
/** How the predecessor's clients name a conversation. */
const USER_CONVERSATION = /^agstack-([0-9a-f]{24})$/;
/** Bodies that close with `[DONE]`. */
const ENDS_WITH_DONE = new Set(['chat/completions', 'completions']);

export function openaiRoutes(context: Context, session: SessionPlugin) {
  return new Elysia({ name: 'openai' })
    .use(session)
    .get('/v1/models', ({ who }) => models(context, who), { caller: true })
    .get('/v1/models/*', ({ who, params }) => model(context, who, decodeURIComponent(params['*'])), { caller: true })
    .all(
      '/v1/*',
      ({ who, request, server }) => {
        server?.timeout(request, 0);
        return relayRequest(context, who, request);
      },
      { caller: true, parse: 'none' },
    );
}

async function models(context: Context, who: Who) {
  const agents = await context.stores.agents.list(who.user.id);
  const data = context.backends.models().map(({ id, backend, displayName }) => {
    const running = agents.some((agent) => agent.backend === backend && context.runners.isWarm(agent.id));
    // `created` is a fact of the catalogue, not of the moment: clients cache by it.
    const created = Math.floor(context.startedAtMs / 1000);
    const name = displayName === undefined ? {} : { display_name: displayName };
    return { id, object: 'model', created, owned_by: 'agent-stack', root: backend, running, ...name };
  });
  return { object: 'list', data };
}

async function model(context: Context, who: Who, id: string) {
  const found = (await models(context, who)).data.find((one) => one.id === id);
  if (!found) throw modelNotFound(context, id);
  return found;
}

interface Routed {
  readonly agent: Agent;
  readonly backend: Backend;
  readonly conversation: Conversation | undefined;
}

async function relayRequest(context: Context, who: Who, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = relayPath(request.url);
  const bytes = await readBody(request, context.config.maxBodyBytes);
  const body = bytes.length === 0 ? undefined : parseBody(bytes, request.headers.get('content-type'));
  const detach = request.headers.get('x-agent-stack-detach') === 'true';
  const routed = await route(context, who, { request, body, model: url.searchParams.get('model'), detach });
  const { agent, backend, conversation } = routed;
  requireAllowed(backend, path);

  const session = { user: who.user.id, agent: agent.id, ...(conversation && { conversation: conversation.id }) };
  const chosen = await context.generations.modelOf(who.user.id, backend.name);
  const shaped = body && shapeChatBody(backend, body, session, chosen);
  const abort = new AbortController();
  const wantsStream = body?.stream === true;
  const call: RunnerRequest = {
    agent,
    backend,
    method: request.method,
    path: `/v1/${path}${url.search}`,
    headers: { ...requestHeaders(request.headers), ...sessionHeaders(backend, session) },
    ...(bytes.length > 0 && { body: shaped ? JSON.stringify(shaped) : bytes }),
    signal: abort.signal,
  };
  return new Exchange(context, who, request, { call, path, wantsStream, detach, conversation, body, abort }).respond();
}

interface ExchangeOptions {
  readonly call: RunnerRequest;
  readonly path: string;
  readonly wantsStream: boolean;
  readonly detach: boolean;
  readonly conversation: Conversation | undefined;
  readonly body: ChatBody | undefined;
  readonly abort: AbortController;
}

/** One relayed request from the call to its end. */
class Exchange {
  readonly #startedMs = performance.now();
  #firstByteMs: number | undefined;
  #release: (() => void) | undefined;
  #recording: Recording | undefined;
  #forget: (() => void) | undefined;
  #relay: Relay | undefined;

  constructor(
    readonly context: Context,
    readonly who: Who,
    readonly request: Request,
    readonly options: ExchangeOptions,
  ) {}

  async respond(): Promise<Response> {
    const { call, conversation, body, wantsStream, detach, abort } = this.options;
    const clientGone = () => (this.#relay ? this.#relay.clientGone() : detach || abort.abort());
    this.request.signal.addEventListener('abort', clientGone, { once: true });
    if (conversation && body) {
      const stop = () =>
        this.#relay
          ? this.#relay.stop()
          : abort.abort(new AppError('runner_lost', { message: 'The answer was stopped.' }));
      const text = newestUserText(body);
      this.#recording = await this.context.generations.record(conversation, { text, isStream: wantsStream, stop });
    }
    const answered = callRunner(this.context.runners, call);
    const settled = answered.then(
      (answer) => ({ answer }),
      (thrown: unknown) => ({ error: this.#failure(thrown) }),
    );
    const first = wantsStream
      ? await Promise.race([settled, delay(STATUS_PATIENCE_MS, undefined, { ref: false })])
      : await settled;
    if (!first) return this.#waitInStream(settled);
    if ('error' in first) {
      this.#recording?.answer.end(abort.signal.aborted ? 'stopped' : 'failed', first.error);
      throw first.error;
    }
    return this.#pass(first.answer);
  }

  /** The runner has answered in time: its status and headers are the client's. */
  #pass(answer: RunnerAnswer): Response {
    const events = isEventStream(answer.headers);
    const relay = this.#open(events);
    this.#attach(relay, answer);
    if (this.request.signal.aborted) relay.clientGone();
    return new Response(relay.body, {
      status: answer.status,
      headers: { ...responseHeaders(answer.headers), ...this.#headers() },
    });
  }

  /** The runner is still starting: the client gets a stream now, comments while it waits, then the answer. */
  #waitInStream(settled: Promise<{ answer: RunnerAnswer } | { error: AppError }>): Response {
    const relay = this.#open(true);
    const { agent } = this.options.call;
    const tell = () => relay.comment(`agent-stack: ${progressLine(this.context, agent.id)}`);
    const timer = setInterval(tell, PROGRESS_EVERY_MS);
    queueMicrotask(tell);
    void settled
      .then(async (outcome) => {
        if ('error' in outcome) relay.fail(outcome.error);
        else if (isEventStream(outcome.answer.headers)) this.#attach(relay, outcome.answer);
        else await this.#failLate(relay, outcome.answer);
      })
      .finally(() => clearInterval(timer));
    return new Response(relay.body, {
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', ...this.#headers() },
    });
  }

  /** The status is out already, so what is not a stream becomes an error event. */
  async #failLate(relay: Relay, answer: RunnerAnswer): Promise<void> {
    const text = await new Response(answer.body).text();
    answer.lease.release();
    const message = answer.status >= 400 ? errorMessage(text) : undefined;
    relay.fail(
      new AppError('runner_lost', { message: message ?? `The agent answered ${answer.status} and no stream.` }),
    );
  }

  #open(events: boolean): Relay {
    const { path, detach, abort } = this.options;
    const relay = new Relay({
      events,
      expectDone: ENDS_WITH_DONE.has(path),
      onClientGone: detach ? 'detach' : 'cancel',
      abort,
      ...(this.#recording && { recorder: this.#recording.answer }),
      onEnd: (ending, bytes) => this.#end(ending, bytes),
    });
    this.#relay = relay;
    this.#forget = this.context.streams.add({ userId: this.who.user.id, credentialId: this.who.credentialId }, () =>
      relay.stop(),
    );
    return relay;
  }

  #attach(relay: Relay, answer: RunnerAnswer): void {
    this.#firstByteMs = performance.now() - this.#startedMs;
    this.#release = answer.lease.release;
    if (relay.hasEnded) answer.lease.release();
    relay.attach(answer.body);
  }

  #end(ending: string, bytes: number): void {
    this.#release?.();
    this.#forget?.();
    relayLog.info(
      {
        user: this.who.user.id,
        agent: this.options.call.agent.id,
        path: this.options.path,
        firstByteMs: this.#firstByteMs && Math.round(this.#firstByteMs),
        totalMs: Math.round(performance.now() - this.#startedMs),
        bytes,
        ending,
      },
      'request.relayed',
    );
  }

  #headers(): Record<string, string> {
    const { conversation } = this.options;
    return conversation ? { 'x-conversation-id': conversation.id } : {};
  }

  #failure(thrown: unknown): AppError {
    const error = toAppError(thrown);
    if (error.code === 'internal' && !this.options.abort.signal.aborted) relayLog.error({ err: thrown }, 'relay.broke');
    return error;
  }
}

/** The path below `/v1/` as it was sent. Throws on anything that could be read as another path (law 12). */
function relayPath(rawUrl: string): string {
  const path = rawUrl.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/[?#].*$/s, '');
  const below = path.replace(/^\/v1\//, '');
  const refused =
    /%2e|%2f|%5c|%00|\\|\/\//i.test(below) || below.split('/').some((part) => part === '.' || part === '..');
  if (refused || below === path) throw new AppError('not_found', { message: 'That path is not served.' });
  return below;
}

function parseBody(bytes: Uint8Array, contentType: string | null): ChatBody | undefined {
  if (contentType !== null && !/json/i.test(contentType)) return undefined;
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as ChatBody;
  } catch (cause) {
    throw new AppError('invalid_request', {
      message: `The body is not valid JSON: ${(cause as Error).message}`,
      cause,
    });
  }
  throw new AppError('invalid_request', { message: 'The body must be a JSON object.' });
}

/** Whose runner is meant: the conversation's agent, else the default agent of the model's backend. */
async function route(
  context: Context,
  who: Who,
  asked: { request: Request; body: ChatBody | undefined; model: string | null; detach: boolean },
): Promise<Routed> {
  const { request, body, detach } = asked;
  const user = typeof body?.user === 'string' ? USER_CONVERSATION.exec(body.user)?.[1] : undefined;
  const conversationId = request.headers.get('x-conversation-id') ?? user;
  if (conversationId !== undefined) {
    const conversation = await context.conversations.get(who.user.id, conversationId);
    const agent = await context.stores.agents.find(conversation.agentId);
    const backend = agent && context.backends.find(agent.backend);
    if (!agent || !backend) throw new AppError('not_found', { message: 'The agent of that conversation is gone.' });
    return { agent, backend, conversation };
  }
  const name = body?.model ?? asked.model;
  if (typeof name !== 'string' || name === '') {
    throw new AppError('invalid_request', {
      message: 'Name an agent in "model". GET /v1/models lists them.',
      param: 'model',
    });
  }
  const backend = context.backends.forModel(name);
  if (!backend) throw modelNotFound(context, name);
  const agent = await context.agentOf(who.user.id, backend);
  // What goes on without its client must be kept somewhere (law 9).
  const conversation = detach && body?.messages ? await context.conversations.create(agent) : undefined;
  return { agent, backend, conversation };
}

function requireAllowed(backend: Backend, path: string): void {
  const allowed = backend.paths.some((one) => (one.endsWith('/*') ? path.startsWith(one.slice(0, -1)) : path === one));
  if (!allowed) throw new AppError('not_found', { message: `${backend.displayName} does not serve /v1/${path}.` });
}

function modelNotFound(context: Context, name: string): AppError {
  const available = context.backends.models().map(({ id }) => id);
  return new AppError('model_not_found', {
    message: `No agent serves model "${name}". Available: ${available.join(', ')}.`,
    param: 'model',
  });
}

function progressLine(context: Context, agentId: string): string {
  const { state, progress } = context.runners.status(agentId);
  return state === 'starting' ? `${progress.message} (${progress.percent}%)` : 'waiting for the agent';
}

function errorMessage(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { error?: { message?: unknown } };
    return typeof body.error?.message === 'string' ? body.error.message : undefined;
  } catch {
    return undefined;
  }
}
