/**
 * The twin of Hermes Agent: imitates the API server of hermes-agent 0.19.0, with which `tests/real/hermes.test.ts` compares
 * it. It reads the rendered seed in its home.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunnerSpec } from '../../../drivers/driver';
import type { Program } from '../../../drivers/memory';
import * as twin from './twin';

/** A message with these words makes it use its terminal first. */
export const USES_TOOL = 'use your terminal';
const KEY_LENGTH_MIN = 8;
const SESSION_ID_LENGTH_MAX = 256;

interface Server {
  readonly spec: RunnerSpec;
  readonly model: string;
  readonly endpoint: twin.Endpoint;
  readonly sessions: twin.Sessions;
}

export const hermes: Program = (spec, runtime) => {
  const { API_SERVER_ENABLED, API_SERVER_HOST, API_SERVER_KEY = '', API_SERVER_MODEL_NAME } = spec.env;
  if (API_SERVER_ENABLED !== 'true' || API_SERVER_HOST !== '0.0.0.0' || API_SERVER_KEY.length < KEY_LENGTH_MIN) {
    runtime.say('[API Server] not started: it needs API_SERVER_ENABLED, API_SERVER_HOST and API_SERVER_KEY');
    return () => new Response(null, { status: 502 });
  }
  const home = spec.home.source;
  const file = join(home, 'config.yaml');
  const config = existsSync(file) ? Bun.YAML.parse(readFileSync(file, 'utf8')) : undefined;
  const server: Server = {
    spec,
    model: API_SERVER_MODEL_NAME ?? 'hermes-agent',
    endpoint: {
      baseUrl: String(twin.at(config, 'model.base_url')),
      apiKey: String(twin.at(config, 'model.api_key')),
      model: String(twin.at(config, 'model.default') ?? twin.at(config, 'model.model')),
    },
    sessions: new twin.Sessions(home, 'sessions.json'),
  };
  return (request) => answer(server, request);
};

async function answer(server: Server, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/health' || pathname === '/v1/health') {
    return Response.json({ status: 'ok', platform: 'hermes-agent', version: '0.19.0' });
  }
  if (request.headers.get('authorization') !== `Bearer ${server.spec.env.API_SERVER_KEY}`) {
    return bareRefusal(401, 'Invalid API key', { code: 'invalid_api_key' });
  }
  if (pathname === '/v1/models') return Response.json({ object: 'list', data: [{ id: server.model }] });
  if (pathname !== '/v1/chat/completions') return new Response('404: Not Found', { status: 404 });
  return chat(server, request);
}

/** Its refusals of a request without messages and without a key lack members that its others have. */
function bareRefusal(status: number, message: string, more: object = {}): Response {
  return Response.json({ error: { message, type: 'invalid_request_error', ...more } }, { status });
}

function refusal(status: number, message: string, code?: string): Response {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  return Response.json({ error: { message, type, param: null, code: code ?? null } }, { status });
}

interface Turn {
  readonly session: string;
  readonly history: readonly twin.TwinMessage[];
  readonly system: readonly twin.TwinMessage[];
  readonly text: string;
  readonly signal: AbortSignal;
}

async function chat(server: Server, request: Request): Promise<Response> {
  const body = await twin.jsonOf(request);
  if (!body) return refusal(400, 'Invalid JSON in request body');
  const messages = twin.messagesIn(body);
  if (messages.length === 0) return bareRefusal(400, "Missing or invalid 'messages' field");
  const talk = messages.filter(({ role }) => role === 'user' || role === 'assistant');
  const text = twin.textOf(talk.at(-1)?.content);
  if (text === '') return refusal(400, 'No user message found in messages');
  const id = request.headers.get('x-hermes-session-id')?.trim() ?? '';
  if (/[/\\]|\.\./.test(id)) return refusal(400, 'Invalid session ID');
  if (id.length > SESSION_ID_LENGTH_MAX) return refusal(400, 'Session ID too long');
  // The history of a named session is the server's own; the client's history is ignored.
  const turn: Turn = {
    session: id || `api-${Bun.hash(JSON.stringify(messages.find(({ role }) => role === 'user'))).toString(16)}`,
    history: id ? server.sessions.get(id) : talk.slice(0, -1),
    system: messages.filter(({ role }) => role === 'system'),
    text,
    signal: request.signal,
  };
  // The answer only repeats the requested model; the configuration decides which model is called.
  const model = String(body.model ?? server.model);
  const response = body.stream === true ? streamed(server, turn, model) : await unstreamed(server, turn, model);
  response.headers.set('x-hermes-session-id', turn.session);
  return response;
}

function run(server: Server, turn: Turn, say: (piece: string) => void): Promise<string> {
  const { sessions, endpoint } = server;
  return sessions.inTurn(turn.session, async () => {
    const system = ['You are Hermes Agent.', ...turn.system.map(({ content }) => twin.textOf(content))].join('\n');
    const asked = [{ role: 'system', content: system }, ...turn.history, { role: 'user', content: turn.text }];
    const text = await answerOf(endpoint, asked, turn.signal, say);
    sessions.append(turn.session, { role: 'user', content: turn.text }, { role: 'assistant', content: text });
    return text;
  });
}

/** An answer that breaks off is asked for once more. What was streamed of it stays, and the next one follows it. */
async function answerOf(
  endpoint: twin.Endpoint,
  asked: readonly twin.TwinMessage[],
  signal: AbortSignal,
  say: (piece: string) => void,
): Promise<string> {
  for (let call = 1; ; call += 1) {
    let text = '';
    try {
      for await (const piece of twin.complete(endpoint, asked, signal)) {
        text += piece;
        say(piece);
      }
      return text;
    } catch (error) {
      if (call > 1 || text === '' || !(error instanceof twin.UpstreamError)) throw error;
    }
  }
}

/** A failure is a 200 that ends in `error`, with the reason as its text. */
async function unstreamed(server: Server, turn: Turn, model: string): Promise<Response> {
  try {
    return Response.json(twin.whole(model, await run(server, turn, () => {})));
  } catch (error) {
    const message = messageOf(error);
    return Response.json(twin.whole(model, message, 'error', { hermes: extras(message) }));
  }
}

function messageOf(error: unknown): string {
  if (error instanceof twin.UpstreamError && error.status > 0) return `HTTP ${error.status}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

function extras(error: string): object {
  return { completed: false, partial: false, failed: true, error, error_code: 'agent_error' };
}

/** A failure is in the final chunk: `finish_reason` "error" with the reason beside it, then `[DONE]`. */
function streamed(server: Server, turn: Turn, model: string): Response {
  return twin.eventStream(async (send, gone) => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    send(twin.chunk(model, { role: 'assistant' }));
    if (turn.text.includes(USES_TOOL)) {
      progress(send, { tool: 'terminal', emoji: '💻', label: 'ls -la', toolCallId: 'call_1', status: 'running' });
      progress(send, { tool: 'terminal', toolCallId: 'call_1', status: 'completed' });
    }
    try {
      const signal = AbortSignal.any([turn.signal, gone]);
      await run(server, { ...turn, signal }, (content) => send(twin.chunk(model, { content })));
      send(twin.chunk(model, {}, 'stop', { usage }));
    } catch (error) {
      const message = messageOf(error);
      const told = { error: { message, type: 'agent_error' }, hermes: extras(message) };
      send(twin.chunk(model, {}, 'error', { usage, ...told }));
    }
    send(twin.DONE);
  });
}

function progress(send: (text: string) => void, data: object): void {
  send(`event: hermes.tool.progress\ndata: ${JSON.stringify(data)}\n\n`);
}
