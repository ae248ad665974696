/** Plans a request of `/v1`: which runner it goes to, and where its answer is stored. Stores and starts nothing. */
import type { Caller } from '../accounts/identify';
import { backendHeaders, requestVariables, runtimeSessionName } from '../backends/runtime-session';
import {
  goesOnWithTurn,
  inputOf,
  type JsonBody,
  messagesOf,
  newestResults,
  newestUserFiles,
  newestUserText,
  shapeChatBody,
  withoutStorage,
} from '../backends/shape';
import { serves, usesUpstream } from '../backends/traits';
import type { RecordedTurn } from '../chat/generations';
import type { Conversation, Message } from '../chat/store';
import type { Beginning } from '../chat/store-turns';
import { type ToldFiles, toldContents } from '../chat/told';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { newTimeId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { requestHeaders } from '../net/outgoing';
import type { RunnerRequest } from '../runners/call';
import type { OpenaiDeps } from './deps';
import { bringsHistory, type HistoryMatch, matchHistory, withoutSession } from './history-match';
import { fitsInStore, keepingOf, tooLongToStore, turnThere } from './kept';
import { type Routed, requireMethod, route } from './resolve';
import { responsesTranslation, type Translation } from './responses/answer-body';
import { withReferences } from './responses/references';
import { chatOf } from './responses/request';

/** Paths whose requests are JSON. Other paths of a backend may have any type. */
const JSON_PATHS = new Set([
  ...['chat/completions', 'completions', 'responses', 'embeddings', 'moderations'],
  ...['images/generations', 'audio/speech'],
]);
/** Encoded separators and dots. A runner may decode them to a path that is not allowed. */
const HIDDEN_PATH = /%(2e|2f|5c|00)|\/\//i;

/** The work of the exchange for a request. */
export interface Plan {
  readonly call: Omit<RunnerRequest, 'signal' | 'silence'>;
  /** Below `/v1/`. */
  readonly path: string;
  readonly wantsStream: boolean;
  /** Where the answer is recorded, and the message that it answers. */
  readonly turn: RecordedTurn | undefined;
  /** Translates the runner's answer for the client, if the two APIs differ. */
  readonly translation: Translation | undefined;
}

/** A request whose body has been read. */
export interface RequestToPlan {
  readonly method: string;
  readonly url: URL;
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
  const type = headers.get('content-type') ?? 'application/json';
  if (bytes.length > 0) checkType(path, type);
  const body = bytes.length > 0 && /json/i.test(type) ? parseBody(bytes) : undefined;

  const routed = await route(deps, who, { url, headers, path, body });
  const { agent, backend } = routed;
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  // A caller without a browser session has a key.
  const keyId = who.session ? undefined : who.credentialId;
  const runnerPath = runnerPathOf(routed, path);
  const isTranslated = runnerPath !== path;
  if (usesUpstream(backend))
    deps.budgets.refuseUsedUp({ userId: who.user.id, keyIds: keyId === undefined ? [] : [keyId] });

  const told = body && isTranslated ? await withReferences(deps, who, body) : body;
  const { chat, files, conversation, match, turn } = await placeOf(deps, routed, {
    ...{ told, path, isTranslated, detach: asked.detach },
  });
  const variables = requestVariables(
    who.user.id,
    agent.id,
    conversation && match?.hasNoSession !== true ? runtimeSessionName({ ...conversation, ...match }) : undefined,
  );
  const shape = {
    variables,
    isKnown: match?.isKnown === true,
    model: backend.forwardModelEnv ? await deps.generations.modelOf(agent) : undefined,
  };
  const sent = chat && (shapeChatBody(backend, chat, shape) ?? chat);
  // Only of an answer that is stored, or that is told its id.
  const answerId = turn || isTranslated ? newTimeId() : '';
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
      work: { id: variables.work, conversationId: conversation?.id, keyId },
      method,
      path: `/v1/${runnerPath}${url.search}`,
      headers: Object.assign(requestHeaders(headers), backendHeaders(backend, variables)),
      body: bytes.length === 0 ? undefined : sent === body ? bytes : await written(sent, files, asked.share),
    },
  };
}

/** The body for the runner, with the files of stored messages. */
function written(sent: JsonBody | undefined, files: ToldFiles | undefined, share: Share) {
  return files && sent ? files.write(sent, share) : JSON.stringify(sent);
}

/** Where the request belongs in the conversation that stores its answer. */
interface Place {
  /** Returns the body for a chat of the runner, without the members that only the router reads. */
  readonly chat: JsonBody | undefined;
  /** Those of the stored messages in it. */
  readonly files: ToldFiles | undefined;
  readonly conversation: Conversation | undefined;
  readonly match: HistoryMatch | undefined;
  readonly turn: Omit<RecordedTurn, 'answerId'> | undefined;
}

interface Told {
  /** Returns the body with the stored items in place of their references. */
  readonly told: JsonBody | undefined;
  readonly path: string;
  readonly isTranslated: boolean;
  readonly detach: boolean;
}

async function placeOf(deps: OpenaiDeps, routed: Routed, asked: Told): Promise<Place> {
  const { told, path, isTranslated, detach } = asked;
  const said = told && messagesAt(path, told);
  const keeping = said && keepingOf(deps, told, { detach, isTranslated });
  // A request outside conversations whose answer is not kept has no turn.
  const { failed, posted } =
    said && (routed.conversation || keeping) ? await turnThere(deps, routed, said, keeping) : {};
  const before = failed?.before ?? (posted && posted.position - 1);
  const stored = routed.conversation && said ? await storedBefore(deps, routed, said, before) : [];
  const goesOn = isTranslated && routed.goesOnFrom !== undefined ? stored : [];
  const { contents = new Map(), files } = goesOn.length > 0 ? await toldContents(deps.attachments, goesOn) : {};
  const chat = told && (isTranslated ? chatOf(told, goesOn, contents) : withoutStorage(told));
  const messages = chat && messagesAt(path, chat);
  const isKept = messages !== undefined && keeping !== undefined;
  const expiresAtMs = keeping === 'asked' ? undefined : deps.now() + deps.config.responses.retentionMs;
  const isStored = routed.conversation !== undefined || isKept;
  const target = failed ?? (isStored ? await conversationFor(deps, routed, expiresAtMs) : undefined);
  const conversation = target?.conversation;
  if (!conversation || !messages) return { chat, files, conversation, match: undefined, turn: undefined };
  const hasNoSession = keeping === 'unasked' && !routed.conversation && bringsHistory(messages);
  const match = hasNoSession
    ? withoutSession(conversation)
    : matchHistory(routed.backend, conversation, stored, messages);
  const turn = {
    ...{ conversation, ...match },
    ...('beginning' in target && { beginning: target.beginning }),
    ...(expiresAtMs !== undefined && { expiresAtMs }),
    ...(failed ? { replacesId: failed.answer.id } : { results: newestResults(messages) }),
    ...(!match.isBegun && !failed && !posted && { text: newestUserText(messages), sent: newestUserFiles(messages) }),
  };
  if (fitsInStore(turn)) return { chat, files, conversation, match, turn };
  if (keeping !== 'unasked' || routed.conversation) throw tooLongToStore();
  return { chat, files, conversation: undefined, match: undefined, turn: undefined };
}

function messagesAt(path: string, body: JsonBody) {
  return path === 'responses' ? (messagesOf(body) ?? inputOf(body)) : messagesOf(body);
}

/**
 * Throws `unsupported_media_type` for a type that the path does not accept. Nearly all paths accept JSON, the others
 * forms with files.
 */
function checkType(path: string, type: string): void {
  const isForm = /^\s*application\/x-www-form-urlencoded/i.test(type);
  if (!isForm && (/json/i.test(type) || !JSON_PATHS.has(path))) return;
  const sent = type.split(';')[0]?.trim().slice(0, 100);
  const message = `/v1/${path} takes JSON, and this is "${sent}". Send the header "Content-Type: application/json".`;
  throw new AppError('unsupported_media_type', { message });
}

/** Returns the path on the runner. Throws `not_found`. */
function runnerPathOf({ backend }: Routed, path: string): string {
  if (serves(backend, path)) return path;
  // Every backend answers /v1/responses: if it has no such path, the router uses its chat.
  if (path !== 'responses' || !serves(backend, 'chat/completions')) {
    throw new AppError('not_found', { message: `${backend.displayName} does not serve /v1/${path}.` });
  }
  return 'chat/completions';
}

/** Returns the stored messages before the request's turn. Empty if the request does not need them. */
async function storedBefore(
  deps: OpenaiDeps,
  { conversation, backend, goesOnFrom, path }: Routed,
  said: readonly unknown[],
  before: number | undefined,
): Promise<readonly Message[]> {
  if (!conversation) return [];
  const isOfUse = backend.history !== 'full' || goesOnFrom !== undefined || goesOnWithTurn(said);
  if (!isOfUse) return [];
  const upTo = before ?? goesOnFrom ?? conversation.lastPosition;
  return deps.conversations.history(conversation.id, upTo + 1, path);
}

type Target = Pick<RecordedTurn, 'conversation' | 'beginning'>;

/**
 * Decides where the answer is stored. A request that continues an earlier answer forks the conversation. Stores
 * nothing.
 */
async function conversationFor(deps: OpenaiDeps, routed: Routed, expiresAtMs: number | undefined): Promise<Target> {
  const { conversation, goesOnFrom, path, agent } = routed;
  if (!conversation) return beginningWith(deps.conversations.begin(agent, expiresAtMs));
  // The newer messages may have been deleted.
  const isNewest =
    goesOnFrom === undefined ||
    (!path &&
      (goesOnFrom === conversation.lastPosition ||
        (await deps.conversations.heads(conversation.id, { after: goesOnFrom, limit: 1, ofTurns: true })).length ===
          0));
  return isNewest ? { conversation } : beginningWith(await deps.conversations.fork(conversation, goesOnFrom, path));
}

function beginningWith(beginning: Beginning): Target {
  return { conversation: beginning.conversation, beginning };
}

/** Returns the path below `/v1/`, as sent. Throws for a path that a runner could decode to another one (law 12). */
function relayPath({ pathname }: URL): string {
  // The server has resolved plain dot segments before it chose this route, but not encoded ones.
  if (HIDDEN_PATH.test(pathname)) throw new AppError('not_found', { message: 'This path does not exist.' });
  return pathname.slice('/v1/'.length);
}
