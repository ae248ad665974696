/** What a request of `/v1` asks of which runner, and where its answer is kept. Nothing is stored or started here. */
import type { Who } from '../accounts/identify';
import {
  goesOnWithTurn,
  inputOf,
  type JsonBody,
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
import type { Conversation, Message } from '../chat/store';
import type { Beginning } from '../chat/store-turns';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { newTimeId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { requestHeaders } from '../net/outgoing';
import type { RunnerRequest } from '../runners/call';
import type { OpenaiDeps } from './deps';
import { type FailedTurn, failedTurn, keepingOf } from './kept';
import { type Routed, requireMethod, route } from './resolve';
import { withReferences } from './responses/references';
import { chatOf } from './responses/request';
import { responsesTranslation, type Translation } from './responses/translate';
import { bringsHistory, type Standing, standingOf, untold } from './session';

/** Paths whose requests are JSON, whatever else a runner may serve. */
const JSON_PATHS = new Set([
  ...['chat/completions', 'completions', 'responses', 'embeddings', 'moderations'],
  ...['images/generations', 'audio/speech'],
]);
/** Separators and dots that a runner may decode to another path than the one that was allowed. */
const HIDDEN_PATH = /%(2e|2f|5c|00)|\/\//i;

/** What the exchange does for a request. */
export interface Plan {
  readonly call: Omit<RunnerRequest, 'signal' | 'silence'>;
  /** Below `/v1/`. */
  readonly path: string;
  readonly wantsStream: boolean;
  /** Where the answer is recorded, and the message that it answers. */
  readonly turn: RecordedTurn | undefined;
  /** Makes the client's answer from the runner's, where the two differ. */
  readonly translation: Translation | undefined;
}

/** A request whose body has been read. */
export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** The answer goes on when the client leaves. */
  readonly detach: boolean;
  /** The request's body. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The part of the allowance that a long answer takes its bytes from. */
  readonly share: Share;
}

/**
 * Plans a request.
 * Throws what the client is told when the request cannot be served, such as `not_found`, `invalid_request`,
 * `backend_disabled` or `budget_exceeded`.
 */
export async function plan(deps: OpenaiDeps, who: Who, asked: Asked): Promise<Plan> {
  const { method, url, headers, bytes } = asked;
  const path = relayPath(url);
  requireMethod(path, method);
  const type = headers.get('content-type') ?? 'application/json';
  if (bytes.length > 0) checkType(path, type);
  const body = bytes.length > 0 && /json/i.test(type) ? parseBody(bytes) : undefined;

  const routed = await route(deps, who, { url, headers, path, body });
  const { agent, backend } = routed;
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  // A caller without a browser session has come with a key.
  const keyId = who.session ? undefined : who.credentialId;
  const runnerPath = runnerPathOf(routed, path);
  const isTranslated = runnerPath !== path;
  if (usesUpstream(backend)) deps.budgets.check({ userId: who.user.id, keyIds: keyId === undefined ? [] : [keyId] });

  const told = body && isTranslated ? await withReferences(deps, who, body) : body;
  const { chat, conversation, standing, turn } = await placeOf(deps, routed, {
    ...{ told, path, isTranslated, detach: asked.detach },
  });
  const session = sessionVariables(
    who.user.id,
    agent.id,
    conversation && standing?.isUntold !== true ? sessionName({ ...conversation, ...standing }) : undefined,
  );
  const shape = {
    session,
    isKnown: standing?.isKnown === true,
    model: backend.forwardModelEnv ? await deps.generations.modelOf(who.user.id, backend.name) : undefined,
  };
  const sent = chat && (shapeChatBody(backend, chat, shape) ?? chat);
  const answerId = newTimeId();
  return {
    path,
    wantsStream: body?.stream === true,
    turn: turn && { ...turn, answerId },
    translation:
      isTranslated && body
        ? responsesTranslation(
            {
              id: `resp_${answerId}`,
              createdAtMs: Date.now(),
              body: { ...body, model: body.model ?? backend.name },
              ...(conversation && { conversationId: conversation.id }),
            },
            { maxBytes: deps.config.maxAnswerBytes, share: asked.share },
          )
        : undefined,
    call: {
      agent,
      backend,
      work: { id: session.work, conversationId: conversation?.id, keyId },
      method,
      path: `/v1/${runnerPath}${url.search}`,
      headers: Object.assign(requestHeaders(headers), sessionHeaders(backend, session)),
      body: bytes.length === 0 ? undefined : sent === body ? bytes : JSON.stringify(sent),
    },
  };
}

/** How a request stands to the conversation that its answer is kept in. */
interface Place {
  /** The body for a runner that is asked for a chat, without what the router itself has read of it. */
  readonly chat: JsonBody | undefined;
  readonly conversation: Conversation | undefined;
  readonly standing: Standing | undefined;
  readonly turn: Omit<RecordedTurn, 'answerId'> | undefined;
}

interface Told {
  /** The body with the stored items that it names. */
  readonly told: JsonBody | undefined;
  readonly path: string;
  readonly isTranslated: boolean;
  readonly detach: boolean;
}

async function placeOf(deps: OpenaiDeps, routed: Routed, asked: Told): Promise<Place> {
  const { told, path, isTranslated, detach } = asked;
  const said = told && messagesAt(path, told);
  const keeping = said && keepingOf(deps, told, { detach, isTranslated });
  const failed = said && (await failedTurn(deps, routed, said, keeping));
  const stored = routed.conversation && said ? await storedBefore(deps, routed, said, failed) : [];
  const chat =
    told && (isTranslated ? chatOf(told, routed.goesOnFrom === undefined ? [] : stored) : withoutStorage(told));
  const messages = chat && messagesAt(path, chat);
  const isKept = messages !== undefined && keeping !== undefined;
  const expiresAtMs = keeping === 'asked' ? undefined : deps.now() + deps.config.responses.retentionMs;
  const isStored = routed.conversation !== undefined || isKept;
  const target = failed ?? (isStored ? await conversationFor(deps, routed, expiresAtMs) : undefined);
  const conversation = target?.conversation;
  if (!conversation || !messages) return { chat, conversation, standing: undefined, turn: undefined };
  const isUntold = keeping === 'unasked' && !routed.conversation && bringsHistory(messages);
  const standing = isUntold ? untold(conversation) : standingOf(routed.backend, conversation, stored, messages);
  const turn = {
    ...{ conversation, ...standing },
    ...('beginning' in target && { beginning: target.beginning }),
    ...(expiresAtMs !== undefined && { expiresAtMs }),
    ...(failed ? { replacesId: failed.answer.id } : { results: newestResults(messages) }),
    ...(!standing.isBegun && !failed && { text: newestUserText(messages) }),
  };
  return { chat, conversation, standing, turn };
}

function messagesAt(path: string, body: JsonBody) {
  return path === 'responses' ? (messagesOf(body) ?? inputOf(body)) : messagesOf(body);
}

/** Throws `unsupported_media_type` for a type that the path does not take: nearly all take JSON, the others forms with files. */
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
  // Every backend answers /v1/responses: without a path of its own for it, its chat is asked instead.
  if (path !== 'responses' || !serves(backend, 'chat/completions')) {
    throw new AppError('not_found', { message: `${backend.displayName} does not serve /v1/${path}.` });
  }
  return 'chat/completions';
}

/** The stored messages before the request's turn. Empty where the request does not need them. */
async function storedBefore(
  deps: OpenaiDeps,
  { conversation, backend, goesOnFrom }: Routed,
  said: readonly unknown[],
  failed: FailedTurn | undefined,
): Promise<readonly Message[]> {
  if (!conversation) return [];
  const isOfUse = backend.history !== 'full' || goesOnFrom !== undefined || goesOnWithTurn(said);
  if (!isOfUse) return [];
  const before = (failed?.before ?? goesOnFrom ?? conversation.lastPosition) + 1;
  return deps.conversations.history(conversation.id, before);
}

type Target = Pick<RecordedTurn, 'conversation' | 'beginning'>;

/** Where the answer is kept. A request that goes on from an earlier answer forks. Nothing is stored here. */
async function conversationFor(deps: OpenaiDeps, routed: Routed, expiresAtMs: number | undefined): Promise<Target> {
  const { conversation, goesOnFrom, agent } = routed;
  if (!conversation) return beginningWith(deps.conversations.begin(agent, expiresAtMs));
  // Newer ones may have been deleted.
  const isNewest =
    goesOnFrom === undefined ||
    goesOnFrom === conversation.lastPosition ||
    (await deps.conversations.after(conversation.id, goesOnFrom)).length === 0;
  return isNewest ? { conversation } : beginningWith(deps.conversations.fork(conversation, goesOnFrom));
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
