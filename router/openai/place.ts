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
interface Place {
  /** Returns the body for a chat of the runner, without the members that only the router reads. */
  readonly chat: JsonBody | undefined;
  /** The files of the stored messages in the body. */
  readonly files: ToldFiles | undefined;
  readonly conversation: Conversation | undefined;
  readonly match: HistoryMatch | undefined;
  readonly turn: Omit<RecordedTurn, 'answerId'> | undefined;
}

const NOTHING_STORED = { stored: [], contents: new Map(), thoughts: new Map() };

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

async function placeIn(deps: OpenaiDeps, routed: Routed, asked: Kept): Promise<Place> {
  const { told, path, isTranslated, said, keeping } = asked;
  const { failed, posted } = said ? await turnThere(deps, routed, said, keeping) : {};
  const before = failed?.before ?? (posted && posted.position - 1);
  const stored = routed.conversation && said ? await storedBefore(deps, routed, said, before) : [];
  const goesOn = isTranslated && routed.goesOnFrom !== undefined ? stored : [];
  const { contents = new Map(), files } = goesOn.length > 0 ? await toldContents(deps.attachments, goesOn) : {};
  const thoughts = await toldThoughts(deps.conversations, routed.backend, goesOn, routed.path);
  const chat =
    told &&
    (isTranslated ? chatOf(told, { stored: goesOn, contents, thoughts }, routed.backend) : withoutStorage(told));
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

function messagesAt(path: string, body: JsonBody) {
  return path === 'responses' ? (messagesOf(body) ?? inputOf(body)) : messagesOf(body);
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
