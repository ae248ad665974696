/**
 * The twin of nanobot: imitates `nanobot serve` of nanobot-ai 0.3.5, with which `tests/real/nanobot.test.ts` compares it. It
 * reads the rendered seed in its home.
 */
import type { RunnerSpec } from '../../../drivers/driver';
import type { Program } from '../../../drivers/memory';
import * as twin from './twin';

/** A message with these words causes an internal failure, which ends a stream without an error. */
export const BREAKS = 'raise an exception';
const ROOT_KEYS = ['agents', 'channels', 'transcription', 'providers', 'api', 'gateway', 'tools', 'modelPresets'];

interface Server {
  readonly apiKey: string;
  readonly model: string;
  readonly endpoint: twin.Endpoint;
  readonly sessions: twin.Sessions;
}

export const nanobot: Program = (spec, runtime) => {
  const config = twin.readJson(spec.home.source, 'config.json');
  const problem = configProblem(config);
  if (problem !== undefined) {
    runtime.say(`Error: ${problem}`);
    runtime.exit(1);
    return () => new Response(null, { status: 503 });
  }
  const server = open(spec, config);
  return (request) => answer(server, request);
};

function configProblem(config: unknown): string | undefined {
  const unknown = Object.keys((config ?? {}) as object).filter((key) => !ROOT_KEYS.includes(key));
  if (unknown.length > 0) return `Failed to load config: ${unknown.join(', ')}: Extra inputs are not permitted`;
  if (twin.at(config, 'api.host') !== '0.0.0.0') return 'premise: it must be reached from outside its container';
  if (twin.at(config, 'api.apiKey')) return undefined;
  return 'host is 0.0.0.0 (all interfaces) but api_key is not set';
}

function open(spec: RunnerSpec, config: unknown): Server {
  const provider = String(twin.at(config, 'agents.defaults.provider'));
  const model = String(twin.at(config, 'agents.defaults.model'));
  return {
    apiKey: String(twin.at(config, 'api.apiKey')),
    model,
    endpoint: {
      baseUrl: String(twin.at(config, `providers.${provider}.apiBase`)),
      apiKey: String(twin.at(config, `providers.${provider}.apiKey`)),
      model,
    },
    sessions: new twin.Sessions(spec.home.source, 'workspace/sessions.json'),
  };
}

async function answer(server: Server, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/health') return Response.json({ status: 'ok' });
  const credential = request.headers.get('authorization') ?? '';
  if (!credential.startsWith('Bearer ')) return refusal(401, 'Missing Authorization header. Use: Bearer <api_key>');
  if (credential !== `Bearer ${server.apiKey}`) return refusal(401, 'Invalid API key');
  if (pathname === '/v1/models') return Response.json({ object: 'list', data: [{ id: server.model }] });
  if (pathname !== '/v1/chat/completions') return new Response('404: Not Found', { status: 404 });
  if (request.method !== 'POST') return new Response('405: Method Not Allowed', { status: 405 });
  return chat(server, request);
}

function refusal(code: number, message: string, type = 'invalid_request_error'): Response {
  return Response.json({ error: { message, type, code } }, { status: code });
}

interface Turn {
  readonly session: string;
  readonly text: string;
  readonly signal: AbortSignal;
}

async function chat(server: Server, request: Request): Promise<Response> {
  const body = await twin.jsonOf(request);
  if (!body) return refusal(400, 'Invalid JSON body');
  const [message, ...more] = twin.messagesIn(body);
  if (message?.role !== 'user' || more.length > 0) return refusal(400, 'Only a single user message is supported');
  if (typeof message.content !== 'string' && !Array.isArray(message.content)) {
    return refusal(400, 'Invalid content format');
  }
  if (body.model && body.model !== server.model) {
    return refusal(400, `Only configured model '${server.model}' is available`);
  }
  const session = body.session_id ? `api:${body.session_id}` : 'api:default';
  const turn = { session, text: twin.textOf(message.content), signal: request.signal };
  return body.stream ? streamed(server, turn) : unstreamed(server, turn);
}

/** The real one makes four calls, after pauses of one, two and four seconds; here there are no pauses. */
const CALLS_MAX = 4;
const RETRIED_WORDS = /connection|timeout|overloaded|rate limit/i;

function isRetried({ status, message }: twin.UpstreamError): boolean {
  return status >= 500 || [408, 409, 429].includes(status) || RETRIED_WORDS.test(message);
}

/**
 * An upstream's refusal or failure becomes the text of the answer, unless a part was sent already (`say`); then that part
 * is the answer.
 */
function run(server: Server, turn: Turn, say?: (piece: string) => void): Promise<string> {
  const { sessions, endpoint } = server;
  return sessions.inTurn(turn.session, async () => {
    if (turn.text.includes(BREAKS)) throw new Error('broken on request');
    const user = { role: 'user', content: turn.text };
    const messages = [{ role: 'system', content: '# nanobot' }, ...sessions.get(turn.session), user];
    const text = await answerOf(endpoint, messages, turn.signal, say);
    sessions.append(turn.session, user, { role: 'assistant', content: text });
    return text;
  });
}

async function answerOf(
  endpoint: twin.Endpoint,
  messages: readonly twin.TwinMessage[],
  signal: AbortSignal,
  say?: (piece: string) => void,
): Promise<string> {
  for (let call = 1; ; call += 1) {
    let text = '';
    try {
      for await (const piece of twin.complete(endpoint, messages, signal)) {
        text += piece;
        say?.(piece);
      }
      return text;
    } catch (error) {
      if (!(error instanceof twin.UpstreamError)) throw error;
      // What was sent cannot be taken back.
      if (text !== '' && say) return text;
      if (call < CALLS_MAX && (text !== '' || isRetried(error))) continue;
      // The error object of the upstream, as Python prints it.
      const told = `Error: {'message': '${error.message}', 'type': 'upstream_error', 'param': None, 'code': None}`;
      say?.(told);
      return told;
    }
  }
}

async function unstreamed(server: Server, turn: Turn): Promise<Response> {
  try {
    return Response.json(twin.whole(server.model, await run(server, turn)));
  } catch {
    return refusal(500, 'Internal server error', 'server_error');
  }
}

/** There is no role chunk and no usage. After an internal failure the body simply ends. */
function streamed(server: Server, turn: Turn): Response {
  return twin.eventStream(async (send, gone) => {
    try {
      const signal = AbortSignal.any([turn.signal, gone]);
      await run(server, { ...turn, signal }, (content) => send(twin.chunk(server.model, { content })));
    } catch {
      return;
    }
    send(twin.chunk(server.model, {}, 'stop') + twin.DONE);
  });
}
