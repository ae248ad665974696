/** Plans a request of `/v1`: which runner it goes to, and where its answer is stored. Stores and starts nothing. */
import type { Caller } from '../accounts/identify';
import { backendHeaders, requestVariables, runtimeSessionName } from '../backends/runtime-session';
import { type JsonBody, shapeChatBody } from '../backends/shape';
import { usesUpstream } from '../backends/traits';
import type { ToldFiles } from '../chat/generations/told';
import type { RecordedTurn } from '../chat/generations/turn';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { newTimeId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { requestHeaders } from '../net/outgoing';
import type { UrlParts } from '../net/url-parts';
import type { RunnerRequest } from '../runners/call';
import type { OpenaiDeps } from './deps';
import { checkType, relayPath, runnerPathOf } from './paths';
import { placeOf } from './place';
import { type Routed, requireMethod, route } from './resolve';
import { responsesTranslation, type Translation } from './responses/answer-body';
import { withReferences } from './responses/references';

/** The work of the exchange for a request. */
export interface Plan {
  readonly call: Omit<RunnerRequest, 'signal' | 'silence' | 'body'> & { body?: RunnerRequest['body'] };
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

/** A request whose body has been read. */
interface RequestToPlan {
  readonly method: string;
  readonly url: UrlParts;
  readonly headers: Headers;
  /** Whether the answer goes on after the client disconnects. */
  readonly detach: boolean;
  /** The body of the request. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The share of the memory allowance from which a long answer takes its bytes. */
  readonly share: Share;
}

/**
 * Plans a request. Throws the error for the client if the request cannot be served, for example `not_found`,
 * `invalid_request`, `backend_disabled` or `insufficient_quota`.
 */
export async function plan(deps: OpenaiDeps, who: Caller, asked: RequestToPlan): Promise<Plan> {
  const { method, url, headers, bytes } = asked;
  const path = relayPath(url);
  requireMethod(path, method);
  const type = headers.get('content-type') || 'application/json';
  if (bytes.length > 0) checkType(path, type);
  const body = bytes.length > 0 && /json/i.test(type) ? parseBody(bytes) : undefined;
  if (body) requireBooleans(body);

  // Waits only for what is not there yet: each wait costs a promise, and its rest a turn.
  const routing = route(deps, who, { url, headers, path, body });
  const routed = routing instanceof Promise ? await routing : routing;
  const { agent, backend } = routed;
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  // A caller without a browser session has a key.
  const keyId = who.session ? undefined : who.credentialId;
  const runnerPath = runnerPathOf(backend, path);
  const isTranslated = runnerPath !== path;
  if (usesUpstream(backend))
    deps.budgets.refuseUsedUp({ userId: who.user.id, keyIds: keyId === undefined ? [] : [keyId] });

  const told = body && isTranslated ? await withReferences(deps, { who, share: asked.share }, body) : body;
  const placing = placeOf(deps, routed, { told, path, isTranslated, detach: asked.detach });
  const { chat, files, conversation, match, turn } = placing instanceof Promise ? await placing : placing;
  const variables = requestVariables(
    who.user.id,
    agent.id,
    conversation && match?.hasNoSession !== true
      ? runtimeSessionName({ id: conversation.id, sessionFrom: match?.sessionFrom ?? conversation.sessionFrom })
      : undefined,
  );
  const shape = {
    variables,
    isKnown: match?.isKnown === true,
    model: backend.forwardModelEnv ? await deps.generations.modelOf(agent) : undefined,
  };
  const sent = chat && (shapeChatBody(backend, chat, shape) ?? chat);
  // Another answer that is stored gets its id there.
  const answerId = isTranslated ? newTimeId() : '';
  return {
    path,
    wantsStream: body?.stream === true,
    readsEvents: body?.stream === true && (isTranslated || path === 'chat/completions'),
    wantsUsage: wantsUsage(chat),
    turn: turn && isTranslated ? { ...turn, answerId } : turn,
    goesOn: isTranslated && body?.previous_response_id != null,
    translation:
      isTranslated && body
        ? responsesTranslation(
            {
              id: `resp_${answerId}`,
              createdAtMs: Date.now(),
              body: { ...body, model: await modelFor(deps, who, routed, body.model) },
              ...(conversation && { conversationId: conversation.id }),
            },
            { maxBytes: deps.config.maxAnswerBytes, share: asked.share },
          )
        : undefined,
    call: {
      agent,
      backend,
      work: { id: variables.work, conversationId: conversation?.id, keyId },
      method,
      path: `/v1/${runnerPath}${url.search}`,
      headers: Object.assign(requestHeaders(headers), backendHeaders(backend, variables)),
      body: bytes.length === 0 ? undefined : sent === body ? bytes : await written(sent, files, asked.share),
    },
  };
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
