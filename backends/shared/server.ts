/** The HTTP server of a small agent: health, models and chat completions around one `answer` function. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Agent, BrokenConnection, chat } from './chat';
import { AgentError, errorBody } from './openai';
import { endOnSignal, log, readRunnerEnv } from './runner';
import { openSessions, type Sessions } from './sessions';

/** Enough for a few images as data URLs. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;

interface Serving {
  readonly agent: Agent;
  readonly sessions: Sessions;
  readonly keyHash: Buffer;
  isReady: boolean;
}

/** Serves the agent with the settings of the environment, until the process ends. */
export function serveAgent(agent: Agent): void {
  endOnSignal();
  const env = readRunnerEnv();
  const serving: Serving = { agent, sessions: openSessions(env.home), keyHash: hash(env.accessKey), isReady: false };
  const server = Bun.serve({
    hostname: env.host,
    port: env.port,
    // No idle timeout: an answer may be silent for long. The client decides how long to wait.
    idleTimeout: 0,
    maxRequestBodySize: BODY_BYTES_MAX,
    fetch: (request) => route(serving, request).catch((error) => errorResponse(error, request)),
  });
  log('agent.listening', { agent: agent.name, port: server.port ?? env.port });
  void agent.ready.then(() => {
    serving.isReady = true;
    log('agent.ready', { agent: agent.name });
  });
}

async function route(serving: Serving, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/healthz') return Response.json({ ok: serving.isReady }, { status: serving.isReady ? 200 : 503 });
  authorise(serving, request);
  if (!serving.isReady) throw new AgentError(503, 'The agent is starting.', { headers: { 'retry-after': '1' } });
  if (pathname === '/v1/models' && request.method === 'GET') return models(serving.agent.name);
  if (pathname === '/v1/chat/completions' && request.method === 'POST') {
    return chat(serving.agent, serving.sessions, request);
  }
  throw new AgentError(404, `${request.method} ${pathname} is not served here.`);
}

function authorise(serving: Serving, request: Request): void {
  const key = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  if (timingSafeEqual(hash(key), serving.keyHash)) return;
  throw new AgentError(401, 'Send the access key of this agent as "Authorization: Bearer <key>".', {
    type: 'authentication_error',
    code: 'invalid_api_key',
  });
}

/** Digests have equal lengths, so comparing them takes constant time. */
function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function models(name: string): Response {
  return Response.json({ object: 'list', data: [{ id: name, object: 'model', created: 0, owned_by: 'agent-stack' }] });
}

function errorResponse(error: unknown, request: Request): Response {
  // The client is gone and does not read this. Proxies log 499 for a client that disconnected.
  if (request.signal.aborted) return new Response(null, { status: 499 });
  if (error instanceof BrokenConnection) return new Response(broken());
  if (!(error instanceof AgentError)) return Response.json(errorBody(error), { status: 500 });
  return Response.json(errorBody(error), { status: error.status, headers: { ...error.options.headers } });
}

/** A body that ends with a reset of the connection. `controller.error` gets no reason, because Bun would print it. */
function broken(): ReadableStream {
  return new ReadableStream({ pull: (controller) => controller.error(undefined) });
}
