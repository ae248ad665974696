/**
 * The twin of OpenClaw: imitates the gateway of openclaw 2026.9.6 with its chat completions endpoint, written from
 * measurements. It reads the rendered seed in its home and refuses what the real one refuses. Tests do not use what it
 * does not imitate.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunnerSpec } from '../../../drivers/driver';
import type { Program, ProgramRuntime } from '../../../drivers/memory';
import * as twin from './twin';

/** Number of probes of `/startupz` that are answered 503 while `/healthz` is 200 already. */
const STARTING_PROBES = 3;
/** How often the real one calls an upstream if `maxRetries` is not set. */
const CALLS_BY_DEFAULT = 7;
const FORBIDDEN_KEY = /^(subagent|cron|acp):/;
const MODELS = ['openclaw', 'openclaw/default', 'openclaw/main', 'openclaw:main', 'agent:main'];
const COOLED_DOWN =
  'Inline API key for provider "upstream" is temporarily disabled after a provider auth/billing failure.';
/** Words in a 400 for which the real one also assumes a refused key. */
const KEY_REFUSED = /\b401\b|incorrect api key|invalid api key/i;

interface Gateway {
  readonly spec: RunnerSpec;
  readonly config: unknown;
  readonly endpoint: twin.Endpoint;
  readonly callsMax: number;
  readonly sessions: twin.Sessions;
  /** After the upstream refused the key, it is not called for a while. The real one keeps this across restarts. */
  isCooledDown: boolean;
  probes: number;
}

export const openclaw: Program = (spec, runtime) => {
  const problem = startProblem(spec);
  if (problem) {
    runtime.say(problem.line);
    runtime.exit(problem.code);
    return () => new Response(null, { status: 503 });
  }
  const gateway = open(spec);
  holdLease(spec, runtime);
  return (request) => answer(gateway, request);
};

/** Why the gateway does not start, in the real one's words. */
function startProblem({ home, env, hostname, name }: RunnerSpec): { line: string; code: number } | undefined {
  const config = twin.readJson(home.source, 'openclaw.json');
  if (twin.at(config, 'gateway.mode') !== 'local') return { line: 'Missing config', code: 78 };
  if (twin.at(config, 'gateway.auth.mode') !== 'token' || !env.OPENCLAW_GATEWAY_TOKEN) {
    return { line: 'Refusing to bind gateway to lan without auth', code: 78 };
  }
  const owner = twin.at(twin.readJson(home.source, 'state/lease.json'), 'hostname');
  if (owner === undefined || owner === (hostname ?? name)) return undefined;
  return { line: 'Another Gateway owner lease is still active for this state directory', code: 1 };
}

/** The lease is never released here, because a runner of the memory driver ends like a killed process. */
function holdLease({ home, hostname, name }: RunnerSpec, runtime: ProgramRuntime): void {
  const file = join(home.source, 'state/lease.json');
  mkdirSync(join(home.source, 'state'), { recursive: true });
  writeFileSync(file, JSON.stringify({ hostname: hostname ?? name }));
  runtime.say('gateway: starting');
}

function open(spec: RunnerSpec): Gateway {
  const home = spec.home.source;
  const config = twin.readJson(home, 'openclaw.json');
  const retries = twin.at(twin.readJson(home, 'agents/main/agent/settings.json'), 'retry.provider.maxRetries');
  const primary = String(twin.at(config, 'agents.defaults.model.primary'));
  return {
    spec,
    config,
    endpoint: {
      baseUrl: String(twin.at(config, 'models.providers.upstream.baseUrl')),
      apiKey: String(twin.at(config, 'models.providers.upstream.apiKey')),
      model: primary.slice(primary.indexOf('/') + 1),
    },
    callsMax: typeof retries === 'number' ? retries + 1 : CALLS_BY_DEFAULT,
    sessions: new twin.Sessions(home, 'agents/main/agent/sessions.json'),
    isCooledDown: false,
    probes: 0,
  };
}

async function answer(gateway: Gateway, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/healthz') return Response.json({ ok: true, status: 'live' });
  if (pathname === '/startupz' || pathname === '/readyz') {
    gateway.probes += 1;
    return Response.json({}, { status: gateway.probes > STARTING_PROBES ? 200 : 503 });
  }
  if (request.headers.get('authorization') !== `Bearer ${gateway.spec.env.OPENCLAW_GATEWAY_TOKEN}`) {
    return Response.json({ error: { message: 'Unauthorized', type: 'unauthorized' } }, { status: 401 });
  }
  const isServed = twin.at(gateway.config, 'gateway.http.endpoints.chatCompletions.enabled') === true;
  if (!isServed || !pathname.startsWith('/v1/')) return new Response('Not Found', { status: 404 });
  if (gateway.probes <= STARTING_PROBES) return refusal(503, 'gateway is starting', 'unavailable');
  if (pathname === '/v1/models') return Response.json({ object: 'list', data: MODELS.map((id) => ({ id })) });
  if (pathname !== '/v1/chat/completions') return new Response('Not Found', { status: 404 });
  if (request.method !== 'POST') return new Response(null, { status: 405 });
  return chat(gateway, request);
}

function refusal(status: number, message: string, type = 'invalid_request_error'): Response {
  return Response.json({ error: { message, type } }, { status });
}

async function chat(gateway: Gateway, request: Request): Promise<Response> {
  const body = await twin.jsonOf(request);
  if (!body) return refusal(400, 'Unexpected token in JSON');
  const model = String(body.model ?? 'openclaw');
  if (!MODELS.includes(model)) {
    const [, agent] = /^openclaw\/(.+)$/.exec(model) ?? [];
    if (agent !== undefined) return refusal(400, `Unknown agent '${agent}'.`);
    return refusal(400, 'Invalid `model`. Use `openclaw` or `openclaw/<agentId>`.');
  }
  const key = request.headers.get('x-openclaw-session-key') ?? undefined;
  if (key !== undefined && FORBIDDEN_KEY.test(key)) return refusal(400, `Session key '${key}' is reserved.`);
  if (key !== undefined && /^agent:(?!main:)/.test(key)) return refusal(500, 'internal error', 'api_error');
  const messages = twin.messagesIn(body);
  const last = messages.findLastIndex(({ role }) => role === 'user');
  if (last < 0) return refusal(400, "Missing user message in 'messages'.");
  const turn = {
    session: sessionKey(key, body.user),
    system: messages.filter(({ role }) => role === 'system').map(({ content }) => twin.textOf(content)),
    text: textWithContext(messages.slice(0, last), twin.textOf(messages[last]?.content)),
    signal: request.signal,
  };
  const tellsUsage = twin.at(body, 'stream_options.include_usage') === true;
  return body.stream === true ? streamed(gateway, turn, model, tellsUsage) : unstreamed(gateway, turn, model);
}

/** Without a header and without a user, each call is a session of its own. Keys are stored in lower case. */
function sessionKey(header: string | undefined, user: unknown): string {
  if (header !== undefined) return (header.startsWith('agent:') ? header : `agent:main:${header}`).toLowerCase();
  if (typeof user === 'string' && user !== '') return `agent:main:openai-user:${user.toLowerCase()}`;
  return `agent:main:openai:${crypto.randomUUID()}`;
}

/**
 * A client's history is not compared with the session's own, so the model gets it again. Instructions are no history.
 */
function textWithContext(messages: readonly twin.TwinMessage[], text: string): string {
  const history = messages.filter(({ role }) => role !== 'system');
  if (history.length === 0) return text;
  const told = history.map(({ role, content }) => `${role}: ${twin.textOf(content)}`).join('\n');
  return `[Chat messages since your last reply - for context]\n${told}\n\n[Current message - respond to this]\n${text}`;
}

interface Turn {
  readonly session: string;
  /** From the request: part of this turn's system prompt, and not stored in the session. */
  readonly system: readonly string[];
  readonly text: string;
  readonly signal: AbortSignal;
}

/** One run of the agent in its session. */
function run(gateway: Gateway, turn: Turn, say: (piece: string) => void): Promise<string> {
  const { sessions, endpoint } = gateway;
  return sessions.inTurn(turn.session, async () => {
    if (gateway.isCooledDown) throw new twin.UpstreamError(500, COOLED_DOWN);
    const messages = [
      { role: 'system', content: ['You are a personal assistant running inside OpenClaw.', ...turn.system].join('\n') },
      ...sessions.get(turn.session),
      { role: 'user', content: `[Sun 2026-11-22 06:54 UTC] ${turn.text}\n\nRuntime: agent=main` },
      { role: 'user', content: '<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>' },
    ];
    for (let call = 1; ; call += 1) {
      let text = '';
      try {
        for await (const piece of twin.complete(endpoint, messages, turn.signal)) {
          text += piece;
          say(piece);
        }
        sessions.append(turn.session, { role: 'user', content: turn.text }, { role: 'assistant', content: text });
        return text;
      } catch (error) {
        if (!(error instanceof twin.UpstreamError)) throw error;
        if (error.status === 401 || KEY_REFUSED.test(error.message)) gateway.isCooledDown = true;
        if ([401, 404, 429].includes(error.status) || call >= gateway.callsMax) throw error;
      }
    }
  });
}

/** The status and type with which the real one reports a failed upstream. */
function failure(error: unknown): { status: number; message: string; type: string } {
  const { status, message } = error instanceof twin.UpstreamError ? error : { status: 500, message: String(error) };
  if (message === COOLED_DOWN) return { status: 500, message, type: 'api_error' };
  if (status === 0 && message === twin.BROKEN_OFF) {
    return { status: 408, message: 'upstream provider timeout', type: 'timeout_error' };
  }
  if (status === 401) return { status, message, type: 'authentication_error' };
  if (status === 429) return { status, message, type: 'rate_limit_error' };
  if (status === 0 || status >= 500) return { status: 502, message: 'upstream provider error', type: 'api_error' };
  return { status, message, type: 'api_error' };
}

/** A failure before the answer has a status; the real one hides the words of the cool-down here. */
async function unstreamed(gateway: Gateway, turn: Turn, model: string): Promise<Response> {
  try {
    return Response.json(twin.whole(model, (await run(gateway, turn, () => {})).trim()));
  } catch (error) {
    const { status, message, type } = failure(error);
    return refusal(status, message === COOLED_DOWN ? 'internal error' : message, type);
  }
}

/** The role chunk is sent before the upstream is called, so every failure is an event in a 200, and then `[DONE]`. */
function streamed(gateway: Gateway, turn: Turn, model: string, tellsUsage: boolean): Response {
  return twin.eventStream(async (send, gone) => {
    send(twin.chunk(model, { role: 'assistant' }));
    try {
      const signal = AbortSignal.any([turn.signal, gone]);
      await run(gateway, { ...turn, signal }, (content) => send(twin.chunk(model, { content })));
      send(twin.chunk(model, {}, 'stop'));
      if (tellsUsage) send(twin.event({ ...twin.whole(model, ''), object: 'chat.completion.chunk', choices: [] }));
    } catch (error) {
      const { message, type } = failure(error);
      send(twin.event({ error: { message, type } }));
    }
    send(twin.DONE);
  });
}
