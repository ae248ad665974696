/** `/v1`: the router as if it were OpenAI. */
import { Elysia } from 'elysia';
import type { Server } from 'elysia/universal';
import type { CallerPlugin, Who } from '../accounts/identify';
import {
  goesOnWithTurn,
  inputOf,
  messagesOf,
  newestResults,
  newestUserText,
  sessionHeaders,
  sessionName,
  sessionVariables,
  shapeChatBody,
  withoutStorage,
} from '../backends/shape';
import { serves, usesUpstream } from '../backends/traits';
import type { RecordedTurn } from '../chat/generations';
import type { Message } from '../chat/store';
import type { Beginning } from '../chat/store-turns';
import type { Context } from '../context';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { newId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { requestHeaders } from '../net/outgoing';
import { readBody } from '../web/read-body';
import { exchange, type Plan } from './exchange';
import { answerOnce } from './idempotency';
import { type FailedTurn, failedTurn, keepingOf } from './kept';
import { isResponseId, modelNotFound, modelsFor, type Routed, requireMethod, route } from './resolve';
import { withReferences } from './responses/references';
import { chatOf } from './responses/request';
import { storedResponse } from './responses/stored';
import { responsesTranslation } from './responses/translate';
import { bringsHistory, standingOf, untold } from './session';

/** Paths whose requests are JSON, whatever else a runner may serve. */
const JSON_PATHS = new Set([
  ...['chat/completions', 'completions', 'responses', 'embeddings', 'moderations'],
  ...['images/generations', 'audio/speech'],
]);
/** Separators and dots that a runner may decode to another path than the one that was allowed. */
const HIDDEN_PATH = /%(2e|2f|5c|00)|\/\//i;

/** @param serverOf the listener; to ask Elysia for it costs each request a property of its own. */
export function openaiRoutes(context: Context, caller: CallerPlugin, serverOf: () => Server | null) {
  return new Elysia({ name: 'openai' })
    .use(caller)
    .get('/v1/models', ({ who }) => models(context, who), { caller: true })
    .get('/v1/models/*', ({ who, params }) => model(context, who, params['*']), { caller: true })
    .all(
      '/v1/*',
      async ({ who, request, params, set }) => {
        const [noun, id, part] = params['*'].split('/');
        if (noun === 'responses' && id !== undefined && isResponseId(id)) {
          return storedResponse(context, who, { request, id, part });
        }
        serverOf()?.timeout(request, 0);
        const detach = request.headers.get('x-agent-stack-detach') === 'true';
        const asked = { request, headers: set.headers, detach };
        const planned = (bytes: Bytes, share: Share) => plan(context, who, { request, detach, bytes, share });
        const key = request.method === 'POST' ? request.headers.get('idempotency-key') : null;
        if (key !== null) {
          const answer = (bytes: Bytes) => exchange(context, who, { ...asked, plan: (share) => planned(bytes, share) });
          return answerOnce(context, who, { request, key, answer });
        }
        const { maxBodyBytes: maxBytes } = context.config;
        const answer = await exchange(context, who, {
          ...asked,
          isFinal: true,
          plan: async (share) => planned(await readBody(request, { maxBytes, share }), share),
        });
        // They are in the answer: where Elysia adds them, it makes a stream of a body that is there already.
        set.headers = {};
        return answer;
      },
      { caller: true, parse: 'none' },
    );
}

async function models(context: Context, who: Who) {
  const { shared: backends, own: agents } = await modelsFor(context, who);
  // `created` is a fact of the catalogue, not of the moment: clients cache by it.
  const created = Math.floor(context.startedAtMs / 1000);
  const one = (id: string, backend: string, running: boolean, displayName?: string) => {
    const { contextWindow, maxTokens } = context.backends.find(backend) ?? {};
    return {
      ...{ id, object: 'model', created, owned_by: 'agent-stack', root: backend, running },
      ...(displayName !== undefined && { display_name: displayName }),
      ...(contextWindow !== undefined && { context_window: contextWindow }),
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    };
  };
  const shared = backends.map(({ id, backend, displayName }) => {
    const running = agents.some((agent) => agent.backend === backend && context.runners.isWarm(agent.id));
    return one(id, backend, running, displayName);
  });
  const own = agents.map(({ id, slug, backend, name }) => one(`@${slug}`, backend, context.runners.isWarm(id), name));
  return { object: 'list', data: [...shared, ...own] };
}

/** @param path a model id, as a URL has it. */
async function model(context: Context, who: Who, path: string) {
  const id = decoded(path);
  const found = (await models(context, who)).data.find((one) => one.id === id);
  if (!found) throw await modelNotFound(context, who, id);
  return found;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

type Bytes = Uint8Array<ArrayBuffer>;

interface Planned {
  readonly request: Request;
  readonly detach: boolean;
  /** The request's body. */
  readonly bytes: Bytes;
  /** What a long answer is held of. */
  readonly share: Share;
}

/** What a request asks of which runner. */
async function plan(context: Context, who: Who, { request, detach, bytes, share }: Planned): Promise<Plan> {
  const url = new URL(request.url);
  const path = relayPath(url);
  requireMethod(path, request.method);
  const type = request.headers.get('content-type') ?? 'application/json';
  if (bytes.length > 0) checkType(path, type);
  const body = bytes.length > 0 && /json/i.test(type) ? parseBody(bytes) : undefined;

  const routed = await route(context, who, { request, path, body });
  const { agent, backend } = routed;
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  // Who has no browser session has come with a key.
  const keyId = who.session ? undefined : who.credentialId;
  const runnerPath = runnerPathOf(routed, path);
  const isTranslated = runnerPath !== path;
  if (usesUpstream(backend)) context.budgets.check({ userId: who.user.id, keyIds: keyId === undefined ? [] : [keyId] });

  const told = body && isTranslated ? await withReferences(context, who, body) : body;
  const said = told && (path === 'responses' ? (messagesOf(told) ?? inputOf(told)) : messagesOf(told));
  const keeping = said && keepingOf(context, told, { detach, isTranslated });
  const failed = said && (await failedTurn(context, routed, said, keeping));
  const stored = routed.conversation && said ? await storedBefore(context, routed, said, failed) : [];
  const asked =
    told && (isTranslated ? chatOf(told, routed.goesOnFrom === undefined ? [] : stored) : withoutStorage(told));
  const messages = asked && (path === 'responses' ? (messagesOf(asked) ?? inputOf(asked)) : messagesOf(asked));
  const isKept = messages !== undefined && keeping !== undefined;
  const expiresAtMs = keeping === 'asked' ? undefined : context.now() + context.config.responses.retentionMs;
  const isStored = routed.conversation !== undefined || isKept;
  const target = failed ?? (isStored ? await conversationFor(context, routed, expiresAtMs) : undefined);
  const conversation = target?.conversation;
  const isUntold = keeping === 'unasked' && !routed.conversation && messages !== undefined && bringsHistory(messages);
  const standing =
    conversation && messages && (isUntold ? untold(conversation) : standingOf(backend, conversation, stored, messages));

  const session = sessionVariables(
    who.user.id,
    agent.id,
    conversation && standing?.isUntold !== true ? sessionName({ ...conversation, ...standing }) : undefined,
  );
  const shape = {
    session,
    isKnown: standing?.isKnown === true,
    model: backend.forwardModelEnv ? await context.generations.modelOf(who.user.id, backend.name) : undefined,
  };
  const sent = asked && (shapeChatBody(backend, asked, shape) ?? asked);
  const answerId = newId();
  return {
    path,
    wantsStream: body?.stream === true,
    turn:
      conversation && messages
        ? {
            ...{ conversation, answerId, ...standing },
            ...(target && 'beginning' in target && { beginning: target.beginning }),
            ...(expiresAtMs !== undefined && { expiresAtMs }),
            ...(failed ? { replacesId: failed.answer.id } : { results: newestResults(messages) }),
            ...(!standing?.isBegun && !failed && { text: newestUserText(messages) }),
          }
        : undefined,
    translation:
      isTranslated && body
        ? responsesTranslation(
            {
              id: `resp_${answerId}`,
              createdAtMs: Date.now(),
              body: { ...body, model: body.model ?? backend.name },
              ...(conversation && { conversationId: conversation.id }),
            },
            { maxBytes: context.config.maxAnswerBytes, share },
          )
        : undefined,
    call: {
      agent,
      backend,
      work: { id: session.work, conversationId: conversation?.id, keyId },
      method: request.method,
      path: `/v1/${runnerPath}${url.search}`,
      headers: Object.assign(requestHeaders(request.headers), sessionHeaders(backend, session)),
      body: bytes.length === 0 ? undefined : sent === body ? bytes : JSON.stringify(sent),
    },
  };
}

/** Throws `unsupported_media_type` for what a path has no use for: nearly all take JSON, and the others forms with files. */
function checkType(path: string, type: string): void {
  const isForm = /^\s*application\/x-www-form-urlencoded/i.test(type);
  if (!isForm && (/json/i.test(type) || !JSON_PATHS.has(path))) return;
  const sent = type.split(';')[0]?.trim().slice(0, 100);
  const message = `/v1/${path} takes JSON, and this is "${sent}". Send the header "Content-Type: application/json".`;
  throw new AppError('unsupported_media_type', { message });
}

/** Where on the runner a path is served. Throws `not_found`. */
function runnerPathOf({ backend }: Routed, path: string): string {
  if (serves(backend, path)) return path;
  // One surface for all backends: what says the same is asked instead.
  if (path !== 'responses' || !serves(backend, 'chat/completions')) {
    throw new AppError('not_found', { message: `${backend.displayName} does not serve /v1/${path}.` });
  }
  return 'chat/completions';
}

/** What was said before in the request's conversation, as far as the request needs it. */
async function storedBefore(
  context: Context,
  { conversation, backend, goesOnFrom }: Routed,
  said: readonly unknown[],
  failed: FailedTurn | undefined,
): Promise<readonly Message[]> {
  if (!conversation) return [];
  const isOfUse = backend.history !== 'full' || goesOnFrom !== undefined || goesOnWithTurn(said);
  if (!isOfUse) return [];
  const before = (failed?.before ?? goesOnFrom ?? conversation.lastPosition) + 1;
  return context.conversations.history(conversation.id, before);
}

type Target = Pick<RecordedTurn, 'conversation' | 'beginning'>;

/** Where the answer is kept. A request that goes on from an earlier answer forks. Nothing is stored here. */
async function conversationFor(context: Context, routed: Routed, expiresAtMs: number | undefined): Promise<Target> {
  const { conversation, goesOnFrom, agent } = routed;
  if (!conversation) return beginningWith(context.conversations.begin(agent, expiresAtMs));
  // Newer ones may have been deleted.
  const isNewest =
    goesOnFrom === undefined ||
    goesOnFrom === conversation.lastPosition ||
    (await context.conversations.after(conversation.id, goesOnFrom)).length === 0;
  return isNewest ? { conversation } : beginningWith(context.conversations.fork(conversation, goesOnFrom));
}

function beginningWith(beginning: Beginning): Target {
  return { conversation: beginning.conversation, beginning };
}

/** The path below `/v1/` as it was sent. Throws on anything that a runner could read as another path (law 12). */
function relayPath({ pathname }: URL): string {
  // The server has resolved dot segments before it chose this route; these it does not see.
  if (HIDDEN_PATH.test(pathname)) throw new AppError('not_found', { message: 'That path is not served.' });
  return pathname.slice('/v1/'.length);
}
