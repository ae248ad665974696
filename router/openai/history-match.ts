/** Compares a request of `/v1` with its stored conversation, and with the runtime session of it. */
import type { Backend } from '../backends/backends';
import { goesOnWithTurn, isTalk, newestUserText, trimmedText, turnStart } from '../backends/shape';
import { spoken } from '../chat/generations/spoken';
import type { Conversation, Message } from '../chat/store/conversations';

export interface HistoryMatch {
  /** The conversation's `sessionFrom` from this turn on. */
  readonly sessionFrom: number;
  /** Whether the runtime session knows the messages before the newest turn. */
  readonly isKnown: boolean;
  /** Whether the user message of the newest turn is stored already, so that the answer continues the turn. */
  readonly isBegun: boolean;
  /** The request to the runner names no runtime session. */
  readonly hasNoSession?: true;
}

/** Whether the client sends the earlier messages itself. */
export function bringsHistory(messages: readonly unknown[]): boolean {
  return messages.slice(0, turnStart(messages)).some(isTalk);
}

/**
 * For an answer that is stored without being requested, and whose client sends its own history: the runtime gets that
 * history. A request that continues from the answer begins a runtime session, which does not know the two messages of this
 * turn.
 */
export function withoutSession({ lastPosition }: Conversation): HistoryMatch {
  return { sessionFrom: lastPosition + 2, isKnown: false, isBegun: false, hasNoSession: true };
}

/**
 * Compares the history that a client sends with that of the runtime session, from the newest message back. If they
 * differ, the client has rewound or edited the conversation, which needs a new session that is sent everything. A
 * client that sends only its new message relies on the session. A runtime that is always sent everything has no such
 * session.
 * @param stored Messages of the conversation up to its newest, oldest first.
 */
export function matchHistory(
  { history }: Pick<Backend, 'history'>,
  { sessionFrom, lastPosition }: Conversation,
  stored: readonly Message[],
  messages: readonly unknown[],
): HistoryMatch {
  const begun = begunTurn(stored, messages);
  const isBegun = begun !== -1;
  if (history === 'full') return { sessionFrom, isKnown: false, isBegun };
  // The agent knows what it said unasked, and only some clients have it.
  const unasked = new Set(stored.filter(isCallback).map(saidText));
  const isOfTurn = (text: string) => text !== '' && !unasked.has(text);
  const told = messages.slice(0, turnStart(messages)).filter(isTalk).map(saidText).filter(isOfTurn);
  if (told.length === 0) return { sessionFrom, isKnown: true, isBegun };
  const before = isBegun ? stored.slice(0, begun) : stored;
  const known = answeredTexts(before.filter((one) => one.position > sessionFrom && !isCallback(one))).filter(isOfTurn);
  if (known.length === 0) return { sessionFrom, isKnown: false, isBegun };
  const count = Math.min(told.length, known.length);
  const isKnown = Bun.deepEquals(told.slice(-count), known.slice(-count));
  return { sessionFrom: isKnown ? sessionFrom : lastPosition, isKnown, isBegun };
}

/** Position in `stored` at which the turn begins that the request continues; -1 if it is not the newest turn. */
function begunTurn(stored: readonly Message[], messages: readonly unknown[]): number {
  if (!goesOnWithTurn(messages)) return -1;
  const newest = stored.findLastIndex(({ role }) => role === 'user');
  const text = newestUserText(messages);
  // A client may send only the outputs of its tools.
  return text === '' || text === stored[newest]?.content ? newest : -1;
}

function isCallback({ callbackId }: Message): boolean {
  return callbackId !== null;
}

/** What was said, alike for an answer as it is stored and as its client has it. */
function saidText(message: Parameters<typeof trimmedText>[0]): string {
  return spoken(trimmedText(message));
}

/** Texts of the turns that have an answer. Turns without one may be unknown to the runtime, and clients omit them. */
function answeredTexts(stored: readonly Message[]): string[] {
  const texts: string[] = [];
  let isAnswered = false;
  for (const message of stored.toReversed()) {
    const text = saidText(message);
    const isUser = message.role === 'user';
    if (text !== '' && (isAnswered || !isUser)) texts.push(text);
    // A turn with tool calls has several answers; answers with only calls have no text.
    isAnswered = isUser ? false : isAnswered || text !== '';
  }
  return texts.reverse();
}
