/** Resolves the conversation, the agent and the backend of a request of `/v1`. */

import type { Caller } from '../accounts/identify';
import { opens } from '../accounts/keys/keys';
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import { conversationIn, type JsonBody } from '../backends/shape';
import { serves } from '../backends/traits';
import type { Conversation } from '../chat/store/conversations';
import type { Newest } from '../chat/store/messages';
import { AppError } from '../lib/errors';
import { type Soon, whenThere } from '../lib/lookup';
import type { Asked, Requested } from './asked';
import type { OpenaiDeps } from './deps';
import { notServed } from './paths';

/** The form in which clients of the predecessor name a conversation. */
const USER_CONVERSATION = /^agstack-([0-9a-f]{24})$/;
const RESPONSE_ID = /^resp_([0-9a-f]{24})$/;

export interface Routed {
  readonly agent: Agent;
  readonly backend: Backend;
  readonly conversation?: Conversation;
  /**
   * The newest message of the conversation, where it was looked for with it. Its value is undefined where there is none, or
   * it is an answer that ended well.
   */
  readonly newest?: Newest | undefined;
  /**
   * Position of the message that the request continues from. The messages up to there belong to the request's history.
   */
  readonly goesOnFrom?: number;
  /** Positions of the messages up to there, where that message is in a variant that is not shown. */
  readonly path?: readonly number[] | undefined;
}

/**
 * Resolves the agent: that of the conversation, the user's own agent `@slug`, or the default agent of a backend. Nothing to
 * wait for if the request names a backend or a conversation, like most requests.
 */
export function route(request: Requested): Soon<Routed> {
  return whenThere(namedConversation(request), routeIn, request);
}

function routeIn(named: Named | undefined, request: Requested): Soon<Routed> {
  if (!named) return routeByModel(request);
  const { deps, who } = request.asked;
  return whenThere(deps.agents.get(who.user.id, named.conversation.agentId), routeNamed, {
    asked: request.asked,
    named,
  });
}

function routeNamed(agent: Agent, { asked, named }: { readonly asked: Asked; readonly named: Named }): Routed {
  const backend = asked.deps.backends.find(agent.backend);
  if (!backend) throw new AppError('not_found', { message: 'The agent of that conversation no longer exists.' });
  requireOpened(asked.who, agent, backend);
  return { agent, backend, ...named };
}

function routeByModel({ asked, url, path, body }: Requested): Soon<Routed> {
  const { deps, who } = asked;
  const model = body?.model ?? new URLSearchParams(url.search).get('model');
  if (typeof model !== 'string' || model === '') {
    if (!isServed(deps, path)) throw notServed(path);
    throw new AppError('invalid_request', {
      message: 'Name an agent in "model". GET /v1/models lists them.',
      param: 'model',
    });
  }
  const own = model.startsWith('@') ? deps.agents.findBySlug(who.user.id, model.slice(1)) : undefined;
  return whenThere(own, routeTo, { asked, model, path });
}

/** @param own the user's agent that `model` names. */
function routeTo(
  own: Agent | undefined,
  { asked, model, path }: { readonly asked: Asked; readonly model: string; readonly path: string },
): Soon<Routed> {
  const { deps, who } = asked;
  const backend = own ? deps.backends.find(own.backend) : deps.backends.forModel(model);
  if (!backend && !isServed(deps, path)) throw notServed(path);
  if (!backend) {
    return modelNotFound(deps, who, model).then((error) => {
      throw error;
    });
  }
  // Checked before a missing agent is created.
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  if (!own && who.key?.agents.length === 0) requireOpened(who, { backend: backend.name }, backend);
  return whenThere(own ?? deps.agents.defaultOf(who.user.id, backend), opened, { who, backend });
}

function opened(agent: Agent, { who, backend }: { readonly who: Caller; readonly backend: Backend }): Routed {
  requireOpened(who, agent, backend);
  return { agent, backend };
}

/** Whether any backend serves the path. Every backend with a chat answers `responses`. */
function isServed({ backends }: OpenaiDeps, path: string): boolean {
  return path === 'responses' || backends.all().some((backend) => serves(backend, path));
}

/** Throws `forbidden` for an agent that the request's key does not allow. */
function requireOpened(
  { key }: Caller,
  agent: Pick<Agent, 'backend'> & { readonly id?: string },
  backend: Backend,
): void {
  if (opens(key, agent)) return;
  throw new AppError('forbidden', {
    message: `The key "${key?.name}" is not for ${backend.displayName}. Use another key, or an agent that GET /v1/models lists.`,
    param: 'model',
  });
}

type Named = Pick<Routed, 'goesOnFrom' | 'path' | 'newest'> & { readonly conversation: Conversation };

/** Nothing to wait for if the request names no conversation, like most requests, or one in which nothing is ending. */
function namedConversation({ asked, path, body }: Requested): Soon<Named | undefined> {
  const user = typeof body?.user === 'string' ? USER_CONVERSATION.exec(body.user)?.[1] : undefined;
  const id = asked.request.headers.get('x-conversation-id') ?? (body && conversationIn(body)) ?? user;
  const goneOn = path === 'responses' && body ? goneOnFrom(asked.deps, asked.who, body) : undefined;
  return whenThere(goneOn, orById, { asked, id });
}

function orById(
  goneOn: Named | undefined,
  { asked, id }: { readonly asked: Asked; readonly id: string | undefined },
): Soon<Named | undefined> {
  return goneOn || id === undefined ? goneOn : byId(asked, id);
}

function byId({ deps, who }: Asked, id: string): Soon<Named> {
  return afterEnding(deps, id, () => deps.conversations.getWithNewest(who.user.id, id));
}

/** Resolves `previous_response_id` or `conversation`. A backend that serves responses itself knows its own ids. */
async function goneOnFrom(deps: OpenaiDeps, who: Caller, body: JsonBody): Promise<Named | undefined> {
  const { previous_response_id: previous, conversation: member, model } = body;
  const backend = typeof model === 'string' ? deps.backends.forModel(model) : undefined;
  if (backend && serves(backend, 'responses')) return undefined;
  const named = typeof member === 'object' && member !== null && 'id' in member ? member.id : member;
  if (previous != null && named != null) {
    const message = 'Send either "previous_response_id" or "conversation".';
    throw new AppError('invalid_request', { message, param: 'previous_response_id' });
  }
  if (previous != null) {
    const responseId = idIn(previous, 'previous_response_id');
    const find = () => answerOf(deps, who, { responseId, param: 'previous_response_id' });
    const found = await find();
    const isOpen = found.message.status === 'streaming';
    const answer = isOpen ? await afterEnding(deps, found.conversation.id, find) : found;
    if (answer.message.status === 'streaming') throw new AppError('answer_running');
    const path = await deps.conversations.hiddenPath(answer.message);
    return { conversation: answer.conversation, goesOnFrom: answer.message.position, path };
  }
  if (named == null) return undefined;
  const id = idIn(named, 'conversation');
  const conversation = await afterEnding(deps, id, () => deps.conversations.find(who.user.id, id));
  if (!conversation) throw deps.conversations.notFound(who.user.id, id, 'conversation');
  return { conversation, goesOnFrom: conversation.lastPosition };
}

/** Reads what is stored of a conversation, with the end of an answer that its client has read already. */
export function afterEnding<T>({ generations }: OpenaiDeps, conversationId: string, read: () => Soon<T>): Soon<T> {
  return whenThere(generations.ending(conversationId), read);
}

/** Converting a client's object to a text could call its `toString`. */
function idIn(value: unknown, param: string): string {
  if (typeof value === 'string') return value;
  throw new AppError('invalid_request', { message: `"${param}" must be the text of an id.`, param });
}

/** Whether an id may be one of ours. A backend that serves responses itself has other ids. */
export function isResponseId(id: string): boolean {
  return RESPONSE_ID.test(id);
}

/**
 * Returns the answer with this response id. Throws `not_found` in OpenAI's shape, with the member of the request that
 * named it, and `storage_failed` while the answer is in memory only.
 */
export async function answerOf(
  deps: OpenaiDeps,
  who: Caller,
  { responseId, param }: { responseId: string; param: string },
) {
  const answerId = RESPONSE_ID.exec(responseId)?.[1];
  const answer = answerId === undefined ? undefined : await deps.conversations.findAnswer(who.user.id, answerId);
  if (answer) return answer;
  const isUnsaved = answerId !== undefined && deps.generations.isUnsavedAnswer(who.user.id, answerId);
  throw isUnsaved ? unsavedResponse() : responseNotFound(responseId, param);
}

export function responseNotFound(id: string, param: string): AppError {
  const message = `No response "${id.slice(0, 100)}" is stored. Send "store": true with a request to store its answer.`;
  return new AppError('not_found', { message, param });
}

function unsavedResponse(): AppError {
  const message = 'This response is in memory only: the database refuses it. It is stored as soon as that is possible.';
  return new AppError('storage_failed', { message });
}

/** Paths that only have a POST in OpenAI's API. A GET by a browser's navigation must not reach a runner. */
const POSTED = new Set([
  ...['chat/completions', 'completions', 'responses', 'embeddings', 'moderations', 'edits'],
  ...['audio/speech', 'audio/transcriptions', 'audio/translations'],
  ...['images/generations', 'images/edits', 'images/variations'],
]);
/** The router's own list of models. */
const READ = /^models(\/|$)/;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Throws `method_not_allowed`. A backend lists other paths, such as `files/*`, for all methods. */
export function requireMethod(path: string, method: string): void {
  const allow = POSTED.has(path.replace(/\/$/, '')) ? ['POST'] : READ.test(path) ? ['GET', 'HEAD'] : METHODS;
  if (allow.includes(method)) return;
  throw new AppError('method_not_allowed', { message: `Send a ${allow[0]} to /v1/${path}.`, allow });
}

/** The ids that a caller may use as model: those of the backends, and those of the caller's own agents. */
export async function modelsFor(deps: OpenaiDeps, who: Caller) {
  const agents = await deps.agents.list(who.user.id);
  const defaultOf = (backend: string) => agents.find((agent) => agent.backend === backend) ?? { backend };
  return {
    shared: deps.backends
      .models()
      .filter(({ backend }) => deps.agents.allows(who.user.id, backend) && opens(who.key, defaultOf(backend))),
    own: agents.filter((agent) => opens(who.key, agent)),
  };
}

export async function modelNotFound(deps: OpenaiDeps, who: Caller, name: string): Promise<AppError> {
  const { shared, own } = await modelsFor(deps, who);
  const available = [...shared.map(({ id }) => id), ...own.map(({ slug }) => `@${slug}`)];
  return new AppError('model_not_found', {
    message: `No agent serves model "${name.slice(0, 100)}". Available: ${available.join(', ')}.`,
    param: 'model',
  });
}
