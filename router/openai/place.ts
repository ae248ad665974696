/** Finds the place of a request of `/v1`: the conversation that stores its answer, what was said before, and its turn there. */
import {
  goesOnWithTurn,
  inputOf,
  type JsonBody,
  messagesOf,
  newestResults,
  newestUserFiles,
  newestUserText,
  withoutStorage,
} from '../backends/shape';
import { type ToldFiles, toldContents, toldThoughts } from '../chat/generations/told';
import type { RecordedTurn } from '../chat/generations/turn';
import type { Conversation, Message } from '../chat/store/conversations';
import type { Beginning } from '../chat/store/turns';
import type { Soon } from '../lib/lookup';
import type { OpenaiDeps } from './deps';
import { bringsHistory, type HistoryMatch, matchHistory, withoutSession } from './history-match';
import { fitsInStore, type Keeping, keepingOf, tooLongToStore, turnThere } from './kept';
import type { Routed } from './resolve';
import { chatOf } from './responses/request';

/** Where the request belongs in the conversation that stores its answer. */
export interface Place {
  /** Returns the body for a chat of the runner, without the members that only the router reads. */
  readonly chat: JsonBody | undefined;
  /** The files of the stored messages in the body. */
  readonly files: ToldFiles | undefined;
  readonly conversation: Conversation | undefined;
  readonly match: HistoryMatch | undefined;
  readonly turn: Omit<RecordedTurn, 'answerId'> | undefined;
}

const NOTHING_STORED = { stored: [], contents: new Map(), thoughts: new Map(), files: undefined };

interface Told {
  /** Returns the body with the stored items in place of their references. */
  readonly told: JsonBody | undefined;
  readonly path: string;
  readonly isTranslated: boolean;
  readonly detach: boolean;
}

/**
 * Stores nothing. Throws `too_large` for a turn that must be stored and is too long for that. Nothing to wait for outside
 * conversations if the answer is not kept.
 */
export function placeOf(deps: OpenaiDeps, routed: Routed, asked: Told): Soon<Place> {
  const { told, path, isTranslated, detach } = asked;
  const said = told && messagesAt(path, told);
  const keeping = said && keepingOf(deps, told, { detach, isTranslated });
  if (routed.conversation || keeping) return placeIn(deps, routed, { ...asked, said, keeping });
  const chat = told && (isTranslated ? chatOf(told, NOTHING_STORED, routed.backend) : withoutStorage(told));
  return { chat, files: undefined, conversation: undefined, match: undefined, turn: undefined };
}

interface Kept extends Told {
  readonly said: readonly unknown[] | undefined;
  readonly keeping: Keeping;
}

/** Waits only for what is not there: as a rule for nothing, where a chat goes on in its conversation. */
async function placeIn(deps: OpenaiDeps, routed: Routed, asked: Kept): Promise<Place> {
  const { told, path, isTranslated, said, keeping } = asked;
  const there = said ? turnThere(deps, routed, said, keeping) : {};
  const { failed, posted } = there instanceof Promise ? await there : there;
  const before = failed?.before ?? (posted && posted.position - 1);
  const history = routed.conversation && said ? storedBefore(deps, routed, said, before) : [];
  const stored = history instanceof Promise ? await history : history;
  const goesOn = isTranslated && routed.goesOnFrom !== undefined ? stored : [];
  const toldBefore = goesOn.length > 0 ? await toldBy(deps, routed, goesOn) : NOTHING_STORED;
  const chat = told && (isTranslated ? chatOf(told, toldBefore, routed.backend) : withoutStorage(told));
  const { files } = toldBefore;
  const messages = chat && messagesAt(path, chat);
  const isKept = messages !== undefined && keeping !== undefined;
  const expiresAtMs = keeping === 'asked' ? undefined : deps.now() + deps.config.responses.retentionMs;
  const isStored = routed.conversation !== undefined || isKept;
  const finding = failed ?? (isStored ? conversationFor(deps, routed, expiresAtMs) : undefined);
  const target = finding instanceof Promise ? await finding : finding;
  const conversation = target?.conversation;
  if (!conversation || !messages) return { chat, files, conversation, match: undefined, turn: undefined };
  const hasNoSession = keeping === 'unasked' && !routed.conversation && bringsHistory(messages);
  const match = hasNoSession
    ? withoutSession(conversation)
    : matchHistory(routed.backend, conversation, stored, messages);
  const isNew = !match.isBegun && !failed && !posted;
  const turn = {
    conversation,
    sessionFrom: match.sessionFrom,
    beginning: 'beginning' in target ? target.beginning : undefined,
    expiresAtMs,
    replacesId: failed?.answer.id,
    results: failed ? undefined : newestResults(messages),
    text: isNew ? newestUserText(messages) : undefined,
    sent: isNew ? newestUserFiles(messages) : undefined,
  };
  if (fitsInStore(turn)) return { chat, files, conversation, match, turn };
  if (keeping !== 'unasked' || routed.conversation) throw tooLongToStore();
  return { chat, files, conversation: undefined, match: undefined, turn: undefined };
}

/** What a runtime is told of the stored messages from which a response goes on. */
async function toldBy(deps: OpenaiDeps, { backend, path }: Routed, stored: readonly Message[]) {
  const { contents, files } = await toldContents(deps.attachments, stored);
  return { stored, contents, files, thoughts: await toldThoughts(deps.conversations, backend, stored, path) };
}

function messagesAt(path: string, body: JsonBody) {
  return path === 'responses' ? (messagesOf(body) ?? inputOf(body)) : messagesOf(body);
}

/** Returns the stored messages before the request's turn. Empty, at once, if the request does not need them. */
function storedBefore(
  deps: OpenaiDeps,
  { conversation, backend, goesOnFrom, path }: Routed,
  said: readonly unknown[],
  before: number | undefined,
): Soon<readonly Message[]> {
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
function conversationFor(deps: OpenaiDeps, routed: Routed, expiresAtMs: number | undefined): Soon<Target> {
  const { conversation, goesOnFrom, path, agent } = routed;
  if (!conversation) return beginningWith(deps.conversations.begin(agent, expiresAtMs));
  if (goesOnFrom === undefined) return { conversation };
  return continuedFrom(deps, conversation, { goesOnFrom, path });
}

async function continuedFrom(
  { conversations }: OpenaiDeps,
  conversation: Conversation,
  { goesOnFrom, path }: { readonly goesOnFrom: number; readonly path: Routed['path'] },
): Promise<Target> {
  // The newer messages may have been deleted.
  const isNewest =
    !path &&
    (goesOnFrom === conversation.lastPosition ||
      (await conversations.heads(conversation.id, { after: goesOnFrom, limit: 1, ofTurns: true })).length === 0);
  return isNewest ? { conversation } : beginningWith(await conversations.fork(conversation, goesOnFrom, path));
}

function beginningWith(beginning: Beginning): Target {
  return { conversation: beginning.conversation, beginning };
}
