/**
 * The broker, on the internal listener: a runner's own LLM endpoint. It knows the runner by its key, resolves its
 * owner's credentials at that moment, and passes the call on, so that no runner ever holds them (laws 14 to 16).
 */
import { Elysia } from 'elysia';
import type { Context } from '../context';
import { AppError } from '../errors';
import { readBody } from '../http/limits';
import {
  isEventStream,
  isShort,
  open,
  readText,
  requestHeaders,
  responseHeaders,
  UnreachableError,
} from '../http/outgoing';
import { CLIENT_GONE, Relay } from '../http/relay';
import { sha256 } from '../ids';
import { relayLog } from '../log';
import { parseBody } from '../services/chat-request';
import { baseUrlProblem, type Upstream } from '../services/credentials';
import type { Agent } from '../stores/agents';

/** What runners may call, and whether the owner's model is put into the body. */
const PATHS: ReadonlyMap<string, { readonly method: string; readonly hasModel: boolean }> = new Map([
  ['chat/completions', { method: 'POST', hasModel: true }],
  ['completions', { method: 'POST', hasModel: true }],
  ['responses', { method: 'POST', hasModel: true }],
  ['embeddings', { method: 'POST', hasModel: false }],
  ['models', { method: 'GET', hasModel: false }],
]);
const REFUSAL_BYTES_MAX = 65_536;

export function brokerRoutes(context: Context) {
  return new Elysia({ name: 'broker' }).all(
    '/upstream/v1/*',
    async ({ request, params, server }) => {
      server?.timeout(request, 0);
      const { agent, release } = holdRunner(context, request);
      try {
        const upstream = await upstreamOf(context, agent);
        const call = await toCall(context, request, params['*'], upstream);
        return await passOn(upstream, call, { request, agent, release });
      } catch (error) {
        release();
        if (request.signal.aborted) return new Response(null, { status: CLIENT_GONE });
        throw error;
      }
    },
    { parse: 'none' },
  );
}

/** A lease on the runner that shows its key: it is at work while its upstream answers (law 4). */
function holdRunner(context: Context, request: Request) {
  const key = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  const held = key === undefined ? undefined : context.runners.holdByKey(sha256(key));
  if (held) return held;
  throw new AppError('signed_out', {
    message: 'That runner key is not known. A runner gets its key when it starts.',
  });
}

async function upstreamOf(context: Context, agent: Agent): Promise<Upstream> {
  const backend = context.backends.find(agent.backend);
  if (!backend) throw new AppError('not_found', { message: `The backend "${agent.backend}" is no longer configured.` });
  const upstream = await context.credentials.upstreamOf(agent.userId, backend);
  // Checked again at the call: what was allowed when it was set need not be any more.
  const refused = baseUrlProblem(upstream.baseUrl);
  if (refused) throw new AppError('invalid_request', { message: `LLM_BASE_URL: ${refused}.` });
  return upstream;
}

interface UpstreamCall {
  readonly path: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

async function toCall(context: Context, request: Request, path: string, upstream: Upstream): Promise<UpstreamCall> {
  const allowed = PATHS.get(path);
  if (!allowed) throw new AppError('not_found', { message: `The broker does not serve /${path}.` });
  if (request.method !== allowed.method) throw new AppError('method_not_allowed');
  const bytes = await readBody(request, context.config.maxBodyBytes);
  if (!allowed.hasModel) return { path, body: bytes };
  // URL, key and model belong together, and a runner may have started with an older model.
  const body = parseBody(bytes);
  return { path, body: body.model === upstream.model ? bytes : JSON.stringify({ ...body, model: upstream.model }) };
}

async function passOn(
  upstream: Upstream,
  call: UpstreamCall,
  from: { request: Request; agent: Agent; release: () => void },
): Promise<Response> {
  const { request, agent, release } = from;
  const abort = new AbortController();
  let relay: Relay | undefined;
  const runnerGone = () => (relay ? relay.clientGone() : abort.abort());
  request.signal.addEventListener('abort', runnerGone, { once: true });
  if (request.signal.aborted) runnerGone();
  const answer = await ask(upstream, call, request, abort.signal);
  const onEnd = (ending: string, bytes: number) => {
    release();
    relayLog.info({ agent: agent.id, path: call.path, status: answer.status, bytes, ending }, 'upstream.called');
  };
  if (answer.status >= 400) {
    const refusal = await refusalWithout(upstream.apiKey, answer);
    onEnd('failed', 0);
    return refusal;
  }
  const events = isEventStream(answer.headers);
  // Not every API closes with [DONE]; one that is cut breaks its connection.
  relay = new Relay({ events, expectDone: false, onClientGone: 'cancel', abort, lost, onEnd });
  relay.attach(answer.body);
  if (request.signal.aborted) relay.clientGone();
  const body = !events && isShort(answer.headers) ? await relay.whole() : relay.body;
  return new Response(body, { status: answer.status, headers: responseHeaders(answer.headers) });
}

function lost(cause: unknown): AppError {
  return new AppError('upstream_unreachable', { message: 'The LLM API ended in the middle of its answer.', cause });
}

async function ask(upstream: Upstream, call: UpstreamCall, request: Request, signal: AbortSignal): Promise<Response> {
  const answer = await open({
    url: `${upstream.baseUrl.replace(/\/+$/, '')}/${call.path}`,
    method: request.method,
    headers: { ...requestHeaders(request.headers), authorization: `Bearer ${upstream.apiKey}` },
    ...(call.body.length > 0 && { body: call.body }),
    signal,
  }).catch((error: unknown) => {
    if (error instanceof UnreachableError) throw new AppError('upstream_unreachable', { cause: error });
    throw error;
  });
  if (answer.status < 300 || answer.status > 399) return answer;
  await answer.body?.cancel();
  // It would take the key to another address.
  throw new AppError('upstream_unreachable', {
    message: 'LLM_BASE_URL answers with a redirect. Set the address it redirects to.',
  });
}

/** An upstream's refusal, as it is but for the key, which some APIs repeat. */
async function refusalWithout(apiKey: string, answer: Response): Promise<Response> {
  const text = await readText(answer.body, REFUSAL_BYTES_MAX);
  return new Response(text.replaceAll(apiKey, '[key]'), {
    status: answer.status,
    headers: responseHeaders(answer.headers),
  });
}
