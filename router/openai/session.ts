/** How a request of `/v1` stands to what is stored of its conversation, and to the session that a runtime keeps of it. */
import type { Backend } from '../backends/backends';
import { goesOnWithTurn, isTalk, newestUserText, trimmedText, turnStart } from '../backends/shape';
import type { Conversation, Message } from '../chat/store';

export interface Standing {
  /** The conversation's `sessionFrom` from this turn on. */
  readonly sessionFrom: number;
  /** Whether the session has been told what came before the newest turn. */
  readonly isKnown: boolean;
  /** Whether the user's message of the newest turn is stored: the answer to it goes on. */
  readonly isBegun: boolean;
  /** The runtime is given no session. */
  readonly isUntold?: true;
}

/** Whether a client says what came before itself. */
export function bringsHistory(messages: readonly unknown[]): boolean {
  return messages.slice(0, turnStart(messages)).some(isTalk);
}

/**
 * Of a conversation that an answer is kept in unasked and whose client brings its own history: the runtime is told that as
 * it is. Whoever goes on from the answer begins a session, which knows nothing of this turn's two messages.
 */
export function untold({ lastPosition }: Conversation): Standing {
  return { sessionFrom: lastPosition + 2, isKnown: false, isBegun: false, isUntold: true };
}

/**
 * Compares what a client says came before with what the session was told, from the newest message back. Where they
 * differ the client has rewound or edited the conversation: that is another session, which must be told everything. A
 * client that sends nothing but its new message leaves it to the session to know the rest.
 * A runtime that is told everything each time has no such session.
 * @param stored the conversation's messages, oldest first, up to its newest.
 */
export function standingOf(
  { history }: Pick<Backend, 'history'>,
  { sessionFrom, lastPosition }: Conversation,
  stored: readonly Message[],
  messages: readonly unknown[],
): Standing {
  const begun = begunTurn(stored, messages);
  const isBegun = begun !== -1;
  if (history === 'full') return { sessionFrom, isKnown: false, isBegun };
  const told = messages.slice(0, turnStart(messages)).filter(isTalk).map(trimmedText).filter(Boolean);
  if (told.length === 0) return { sessionFrom, isKnown: true, isBegun };
  const before = isBegun ? stored.slice(0, begun) : stored;
  const known = answeredTexts(before.filter(({ position }) => position > sessionFrom));
  if (known.length === 0) return { sessionFrom, isKnown: false, isBegun };
  const count = Math.min(told.length, known.length);
  const isKnown = Bun.deepEquals(told.slice(-count), known.slice(-count));
  return { sessionFrom: isKnown ? sessionFrom : lastPosition, isKnown, isBegun };
}

/** Where the turn that a request goes on with begins in `stored`, -1 when it is not the newest there. */
function begunTurn(stored: readonly Message[], messages: readonly unknown[]): number {
  if (!goesOnWithTurn(messages)) return -1;
  const newest = stored.findLastIndex(({ role }) => role === 'user');
  const text = newestUserText(messages);
  // A client may send no more than what its tools have found.
  return text === '' || text === stored[newest]?.content ? newest : -1;
}

/** The texts of the turns that came to an answer: of others a runtime may know or not, and clients leave them out. */
function answeredTexts(stored: readonly Message[]): string[] {
  const texts: string[] = [];
  let isAnswered = false;
  for (const message of stored.toReversed()) {
    const text = trimmedText(message);
    const isUser = message.role === 'user';
    if (text !== '' && (isAnswered || !isUser)) texts.push(text);
    // A turn in which tools were called has several answers, and those that only call have no text.
    isAnswered = isUser ? false : isAnswered || text !== '';
  }
  return texts.reverse();
}
