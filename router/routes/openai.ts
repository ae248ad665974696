/** `/v1`: the router as if it were OpenAI. */
import { Elysia } from 'elysia';
import type { Backend } from '../backends';
import type { Context } from '../context';
import { AppError } from '../errors';
import { exchange, type Plan } from '../http/exchange';
import { readBody } from '../http/limits';
import { requestHeaders } from '../http/outgoing';
import type { SessionPlugin, Who } from '../http/session';
import {
  type JsonBody,
  messagesOf,
  newestUserText,
  parseBody,
  sessionHeaders,
  sessionVariables,
  shapeChatBody,
} from '../services/chat-request';
import { usesUpstream } from '../services/upstream-call';
import type { Agent } from '../stores/agents';
import type { Conversation } from '../stores/conversations';

/** How the predecessor's clients name a conversation. */
const USER_CONVERSATION = /^agstack-([0-9a-f]{24})$/;
/** Separators and dots that a runner may decode to another path than the one that was allowed. */
const HIDDEN_PATH = /%(2e|2f|5c|00)|\/\//i;

export function openaiRoutes(context: Context, session: SessionPlugin) {
  return new Elysia({ name: 'openai' })
    .use(session)
    .get('/v1/models', ({ who }) => models(context, who), { caller: true })
    .get('/v1/models/*', ({ who, params }) => model(context, who, params['*']), { caller: true })
    .all(
      '/v1/*',
      ({ who, request, server }) => {
        server?.timeout(request, 0);
        const detach = request.headers.get('x-agent-stack-detach') === 'true';
        return exchange(context, who, { request, detach, plan: () => plan(context, who, request, detach) });
      },
      { caller: true, parse: 'none' },
    );
}

async function models(context: Context, who: Who) {
  const agents = await context.agents.list(who.user.id);
  const data = context.backends.models().map(({ id, backend, displayName }) => {
    const running = agents.some((agent) => agent.backend === backend && context.runners.isWarm(agent.id));
    // `created` is a fact of the catalogue, not of the moment: clients cache by it.
    const created = Math.floor(context.startedAtMs / 1000);
    const name = displayName === undefined ? {} : { display_name: displayName };
    return { id, object: 'model', created, owned_by: 'agent-stack', root: backend, running, ...name };
  });
  return { object: 'list', data };
}

/** @param path a model id, as a URL has it. */
async function model(context: Context, who: Who, path: string) {
  const id = decoded(path);
  const found = (await models(context, who)).data.find((one) => one.id === id);
  if (!found) throw modelNotFound(context, id);
  return found;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** What a request asks of which runner. */
async function plan(context: Context, who: Who, request: Request, detach: boolean): Promise<Plan> {
  const url = new URL(request.url);
  const path = relayPath(url);
  const bytes = await readBody(request, context.config.maxBodyBytes);
  const type = request.headers.get('content-type') ?? 'application/json';
  const body = bytes.length > 0 && /json/i.test(type) ? parseBody(bytes) : undefined;
  const messages = body && messagesOf(body);

  const routed = await route(context, who, { request, body, model: url.searchParams.get('model') });
  const { agent, backend } = routed;
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  requireAllowed(backend, path);
  // Who has no browser session has come with a key.
  const keyId = who.session ? undefined : who.credentialId;
  if (usesUpstream(backend)) context.budgets.check({ userId: who.user.id, keyId });
  // What goes on without its client must be kept somewhere (law 9).
  const conversation =
    routed.conversation ?? (detach && messages ? await context.conversations.create(agent) : undefined);

  const session = sessionVariables(who.user.id, agent.id, conversation?.id);
  const shaped =
    body && shapeChatBody(backend, body, session, await context.generations.modelOf(who.user.id, backend.name));
  return {
    path,
    wantsStream: body?.stream === true,
    ...(conversation && messages && { turn: { conversation, text: newestUserText(messages) } }),
    call: {
      agent,
      backend,
      work: { ...(conversation && { conversationId: conversation.id }), ...(keyId !== undefined && { keyId }) },
      method: request.method,
      path: `/v1/${path}${url.search}`,
      headers: { ...requestHeaders(request.headers), ...sessionHeaders(backend, session) },
      ...(bytes.length > 0 && { body: shaped ? JSON.stringify(shaped) : bytes }),
    },
  };
}

/** The path below `/v1/` as it was sent. Throws on anything that a runner could read as another path (law 12). */
function relayPath({ pathname }: URL): string {
  // The server has resolved dot segments before it chose this route; these it does not see.
  if (HIDDEN_PATH.test(pathname)) throw new AppError('not_found', { message: 'That path is not served.' });
  return pathname.slice('/v1/'.length);
}

/** Whose runner is meant: the conversation's agent, else the default agent of the model's backend. */
async function route(
  context: Context,
  who: Who,
  asked: { request: Request; body: JsonBody | undefined; model: string | null },
): Promise<{ agent: Agent; backend: Backend; conversation?: Conversation }> {
  const { request, body } = asked;
  const user = typeof body?.user === 'string' ? USER_CONVERSATION.exec(body.user)?.[1] : undefined;
  const conversationId = request.headers.get('x-conversation-id') ?? user;
  if (conversationId !== undefined) {
    const conversation = await context.conversations.get(who.user.id, conversationId);
    const agent = await context.agents.get(who.user.id, conversation.agentId);
    const backend = context.backends.find(agent.backend);
    if (!backend) throw new AppError('not_found', { message: 'The agent of that conversation is gone.' });
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
  return { agent: await context.agents.defaultOf(who.user.id, backend), backend };
}

function requireAllowed(backend: Backend, path: string): void {
  const allowed = backend.paths.some((one) => (one.endsWith('/*') ? path.startsWith(one.slice(0, -1)) : path === one));
  if (!allowed) throw new AppError('not_found', { message: `${backend.displayName} does not serve /v1/${path}.` });
}

function modelNotFound(context: Context, name: string): AppError {
  const available = context.backends.models().map(({ id }) => id);
  return new AppError('model_not_found', {
    message: `No agent serves model "${name.slice(0, 100)}". Available: ${available.join(', ')}.`,
    param: 'model',
  });
}
