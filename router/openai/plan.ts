/** Plans a request of `/v1`: which runner it goes to, and where its answer is stored. Stores and starts nothing. */
import type { Caller } from '../accounts/identify';
import {
  backendHeaders,
  type RequestVariables,
  requestVariables,
  runtimeSessionName,
} from '../backends/runtime-session';
import { type JsonBody, shapeChatBody } from '../backends/shape';
import { usesUpstream } from '../backends/traits';
import type { ToldFiles } from '../chat/generations/told';
import type { RecordedTurn } from '../chat/generations/turn';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { newTimeId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { type Soon, whenThere } from '../lib/lookup';
import { requestHeaders } from '../net/outgoing';
import { urlParts } from '../net/url-parts';
import type { RunnerRequest } from '../runners/call';
import type { Asked, Bytes, Requested } from './asked';
import type { OpenaiDeps } from './deps';
import { checkType, relayPath, runnerPathOf } from './paths';
import { type Place, placeOf } from './place';
import { type Routed, requireMethod, route } from './resolve';
import { responsesTranslation, type Translation } from './responses/answer-body';
import { withReferences } from './responses/references';

/** The work of the exchange for a request. */
export interface Plan {
  readonly call: RunnerRequest;
  /** Below `/v1/`. */
  readonly path: string;
  readonly wantsStream: boolean;
  /** Whether the client reads events only: it asked for the stream of a chat, or of what is translated from one. */
  readonly readsEvents: boolean;
  /** Whether a stream of the chat reports its usage at its end. */
  readonly wantsUsage: boolean;
  /** Where the answer is recorded, and the message that it answers. */
  readonly turn: RecordedTurn | undefined;
  /** Whether the request goes on from an answer that it names, after which there may be several branches. */
  readonly goesOn: boolean;
  /** Translates the runner's answer for the client, if the two APIs differ. */
  readonly translation: Translation | undefined;
}

type Sent = RunnerRequest['body'];

/** A request whose agent is known. */
interface Bound {
  readonly request: Requested;
  readonly routed: Routed;
  /** The path on the runner. */
  readonly runnerPath: string;
  readonly isTranslated: boolean;
}

/** A request whose place in a conversation is known as well: where its answer is stored. */
interface Placed extends Bound {
  readonly place: Place;
  readonly variables: RequestVariables;
  /** Id of a translated answer, whose client is told it; otherwise empty, and an answer gets its id when it is stored. */
  readonly answerId: string;
}

/**
 * Plans a request, for most requests without waiting (lib/lookup.ts). Throws the error for the client if the request cannot be
 * served, for example `not_found`, `invalid_request`, `backend_disabled` or `insufficient_quota`. May be called twice.
 * @param bytes the body of the request.
 * @param share is charged for stored files that the body refers to, and later for a long answer. The caller ends it.
 */
export function plan(asked: Asked, bytes: Bytes, share: Share): Soon<Plan> {
  const { method, headers } = asked.request;
  const url = urlParts(asked.request.url);
  const path = relayPath(url);
  requireMethod(path, method);
  const type = headers.get('content-type') || 'application/json';
  if (bytes.length > 0) checkType(path, type);
  const body = bytes.length > 0 && /json/i.test(type) ? parseBody(bytes) : undefined;
  if (body) requireBooleans(body);
  const request: Requested = { asked, bytes, share, url, path, body };
  return whenThere(route(request), bind, request);
}

function bind(routed: Routed, request: Requested): Soon<Plan> {
  const { asked, body, path, share } = request;
  const { deps, who } = asked;
  const { backend } = routed;
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  const runnerPath = runnerPathOf(backend, path);
  const isTranslated = runnerPath !== path;
  const keyId = keyIdOf(who);
  if (usesUpstream(backend))
    deps.budgets.refuseUsedUp({ userId: who.user.id, keyIds: keyId === undefined ? [] : [keyId] });
  const bound: Bound = { request, routed, runnerPath, isTranslated };
  return whenThere(body && isTranslated ? withReferences(deps, { who, share }, body) : body, placeTold, bound);
}

function placeTold(told: JsonBody | undefined, bound: Bound): Soon<Plan> {
  const { request, routed, isTranslated } = bound;
  const { deps, detach } = request.asked;
  return whenThere(placeOf(deps, routed, { told, path: request.path, isTranslated, detach }), settle, bound);
}

function settle(place: Place, bound: Bound): Soon<Plan> {
  const { request, routed, isTranslated } = bound;
  const { deps, who } = request.asked;
  const { agent, backend } = routed;
  const { conversation, match } = place;
  const session =
    conversation && match?.hasNoSession !== true
      ? runtimeSessionName({ id: conversation.id, sessionFrom: match?.sessionFrom ?? conversation.sessionFrom })
      : undefined;
  const placed: Placed = {
    ...bound,
    place,
    variables: requestVariables(who.user.id, agent.id, session),
    answerId: isTranslated ? newTimeId() : '',
  };
  return whenThere(backend.forwardModelEnv ? deps.generations.modelOf(agent) : undefined, shapeBody, placed);
}

/** @param model the model for the runner, if its backend has `forward_model_env`. */
function shapeBody(model: string | undefined, placed: Placed): Soon<Plan> {
  const { request, routed, variables } = placed;
  const { chat, files, match } = placed.place;
  const shape = { variables, isKnown: match?.isKnown === true, model };
  const sent = chat && (shapeChatBody(routed.backend, chat, shape) ?? chat);
  if (request.bytes.length === 0) return planned(undefined, placed);
  return whenThere(sent === request.body ? request.bytes : written(sent, files, request.share), planned, placed);
}

function planned(sent: Sent, placed: Placed): Soon<Plan> {
  const { isTranslated } = placed;
  return whenThere(isTranslated ? translationOf(placed) : undefined, finish, { placed, sent });
}

/** Makes the plan. @param of.sent the body for the runner. */
function finish(translation: Translation | undefined, { placed, sent }: { placed: Placed; sent: Sent }): Plan {
  const { request, routed, runnerPath, isTranslated, place, variables, answerId } = placed;
  const { asked, body, path, url } = request;
  const { agent, backend } = routed;
  const { chat, conversation, turn } = place;
  return {
    path,
    wantsStream: body?.stream === true,
    readsEvents: body?.stream === true && (isTranslated || path === 'chat/completions'),
    wantsUsage: wantsUsage(chat),
    turn: turn && isTranslated ? { ...turn, answerId } : turn,
    goesOn: isTranslated && body?.previous_response_id != null,
    translation,
    call: {
      agent,
      backend,
      work: { id: variables.work, conversationId: conversation?.id, keyId: keyIdOf(asked.who) },
      method: asked.request.method,
      path: `/v1/${runnerPath}${url.search}`,
      headers: Object.assign(requestHeaders(asked.request.headers), backendHeaders(backend, variables)),
      body: sent,
    },
  };
}

/** The id of the caller's key; a caller without a browser session has one. */
function keyIdOf({ session, credentialId }: Caller): string | undefined {
  return session ? undefined : credentialId;
}

async function translationOf({ request, routed, place, answerId }: Placed): Promise<Translation | undefined> {
  const { asked, body, share } = request;
  const { deps, who } = asked;
  const { conversation } = place;
  if (!body) return undefined;
  const requested = {
    id: `resp_${answerId}`,
    createdAtMs: Date.now(),
    body: { ...body, model: await modelFor(deps, who, routed, body.model) },
    ...(conversation && { conversationId: conversation.id }),
  };
  return responsesTranslation(requested, { maxBytes: deps.config.maxAnswerBytes, share });
}

/** A client that says "true" would wait for events and get none, or for an answer that is not stored. */
function requireBooleans(body: JsonBody): void {
  for (const param of ['stream', 'store']) {
    const value = body[param];
    if (value == null || typeof value === 'boolean') continue;
    throw new AppError('invalid_request', { message: `"${param}" must be true or false.`, param });
  }
}

/** The model that the answer names: the client's name for it, unless the agent of a conversation answers in its place. */
async function modelFor(deps: OpenaiDeps, who: Caller, routed: Routed, model: unknown): Promise<string> {
  const { agent, backend, conversation } = routed;
  if (typeof model !== 'string') return backend.name;
  if (!conversation) return model;
  const own = model.startsWith('@') ? await deps.agents.findBySlug(who.user.id, model.slice(1)) : undefined;
  return (own ? own.id === agent.id : deps.backends.forModel(model) === backend) ? model : backend.name;
}

/** OpenAI ends a stream with a chunk without choices only for clients that ask for it; others read the first choice. */
function wantsUsage(chat: JsonBody | undefined): boolean {
  const { include_usage: usage } = (chat?.stream_options ?? {}) as { readonly include_usage?: unknown };
  return usage === true;
}

/** The body for the runner, with the files of stored messages. */
function written(sent: JsonBody | undefined, files: ToldFiles | undefined, share: Share) {
  return files && sent ? files.write(sent, share) : JSON.stringify(sent);
}
