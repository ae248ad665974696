/**
 * The broker, on the internal listener: a runner's own LLM endpoint. It knows the runner by its key, resolves its
 * owner's credentials at that moment, and passes the call on, so that no runner ever holds them (laws 14 to 16).
 */
import { Elysia } from 'elysia';
import type { Context } from '../context';
import { AppError } from '../errors';
import { readBody } from '../http/limits';
import { isEventStream, open, Relay, requestHeaders, responseHeaders, UnreachableError } from '../http/relay';
import { sha256 } from '../ids';
import { relayLog } from '../log';
import { baseUrlProblem, type Upstream } from '../services/credentials';

/** What runners may call, and whether the owner's model is put into the body. */
const PATHS: Readonly<Record<string, { readonly method: string; readonly model: boolean }>> = {
  'chat/completions': { method: 'POST', model: true },
  completions: { method: 'POST', model: true },
  responses: { method: 'POST', model: true },
  embeddings: { method: 'POST', model: false },
  models: { method: 'GET', model: false },
};
const ENDS_WITH_DONE = new Set(['chat/completions', 'completions']);

export function brokerRoutes(context: Context) {
  return new Elysia({ name: 'broker' }).all(
    '/upstream/v1/*',
    async ({ request, params, server }) => {
      server?.timeout(request, 0);
      const held = holdRunner(context, request);
      try {
        return await passOn(context, request, params['*'], held);
      } catch (error) {
        held.release();
        throw error;
      }
    },
    { parse: 'none' },
  );
}

type Held = NonNullable<ReturnType<Context['runners']['holdByKey']>>;

function holdRunner(context: Context, request: Request): Held {
  const key = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  const held = key === undefined ? undefined : context.runners.holdByKey(sha256(key));
  if (!held)
    throw new AppError('signed_out', {
      message: 'That runner key is not known. A runner gets its key when it starts.',
    });
  return held;
}

async function passOn(context: Context, request: Request, path: string, held: Held): Promise<Response> {
  const allowed = PATHS[path];
  if (!allowed) throw new AppError('not_found', { message: `The broker does not serve /${path}.` });
  if (request.method !== allowed.method) throw new AppError('method_not_allowed');
  const { agent } = held;
  const backend = context.backends.find(agent.backend);
  if (!backend) throw new AppError('not_found');
  const upstream = await context.credentials.upstreamOf(agent.userId, backend);
  // Checked again at the call: what was allowed when it was set need not be any more.
  const refused = baseUrlProblem(upstream.baseUrl);
  if (refused) throw new AppError('invalid_request', { message: `LLM_BASE_URL: ${refused}.` });

  const bytes = await readBody(request, context.config.maxBodyBytes);
  const body = allowed.model ? withModel(bytes, upstream) : bytes;
  const abort = new AbortController();
  request.signal.addEventListener('abort', () => abort.abort(), { once: true });
  const answer = await callUpstream(upstream, path, { request, body, signal: abort.signal });
  const relay = new Relay({
    events: isEventStream(answer.headers),
    expectDone: ENDS_WITH_DONE.has(path),
    onClientGone: 'cancel',
    abort,
    onEnd: (ending, count) => {
      held.release();
      relayLog.info({ agent: agent.id, path, status: answer.status, bytes: count, ending }, 'upstream.called');
    },
  });
  relay.attach(answer.body);
  if (request.signal.aborted) relay.clientGone();
  return new Response(relay.body, { status: answer.status, headers: responseHeaders(answer.headers) });
}

async function callUpstream(
  upstream: Upstream,
  path: string,
  call: { request: Request; body: string | Uint8Array<ArrayBuffer>; signal: AbortSignal },
): Promise<Response> {
  const { request, body, signal } = call;
  try {
    const answer = await open({
      url: `${upstream.baseUrl.replace(/\/+$/, '')}/${path}`,
      method: request.method,
      headers: { ...requestHeaders(request.headers), authorization: `Bearer ${upstream.apiKey}` },
      ...(body.length > 0 && { body }),
      signal,
    });
    // A redirect would take the key to another address.
    if (answer.status < 300 || answer.status > 399) return answer;
    throw new AppError('upstream_unreachable', {
      message: 'LLM_BASE_URL answers with a redirect. Set the address it redirects to.',
    });
  } catch (error) {
    if (error instanceof UnreachableError) throw new AppError('upstream_unreachable', { cause: error });
    throw error;
  }
}

/** The body with the owner's model: URL, key and model belong together, and a runner may have started with an older one. */
function withModel(bytes: Uint8Array, upstream: Upstream): string {
  try {
    const body = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return JSON.stringify({ ...body, model: upstream.model });
  } catch (cause) {
    throw new AppError('invalid_request', { message: 'The body is not valid JSON.', cause });
  }
}
