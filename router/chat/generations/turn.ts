/** A turn as it comes, and as it is stored. */
import type { SentFile } from '../../backends/shape';
import type { Events } from '../../lib/events';
import { newTimeId } from '../../lib/ids';
import type { KeptFile } from '../attachments/store';
import { titleFrom } from '../conversations';
import type { Conversation, ToolResult } from '../store/conversations';
import type { Beginning, NewTurn, WrittenTurn } from '../store/turns';

/** An answer, where it is, and whose. */
export interface AnswerIds {
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
}

/** A turn that comes through `/v1`. Without the `text` that is answered, the answer goes on with the newest turn stored. */
export interface RecordedTurn {
  readonly conversation: Conversation;
  /** Where the conversation begins with this turn. */
  readonly beginning?: Beginning | undefined;
  readonly text?: string | undefined;
  /** Files of the text's message. */
  readonly files?: readonly KeptFile[];
  /** The same as a client of `/v1` sends them. They are stored with the turn. */
  readonly sent?: readonly SentFile[] | undefined;
  /** Results of the client's tools since the last answer. */
  readonly results?: readonly ToolResult[] | undefined;
  /** The answer's id, where it is told before it is stored. */
  readonly answerId?: string;
  /** The conversation's from this turn on. */
  readonly sessionFrom?: number;
  /** An answer that did not end well, which this one replaces. */
  readonly replacesId?: string | undefined;
  /** Position that the turn follows as another variant. */
  readonly after?: number;
  /** Until when the answer is kept, where nobody has asked for that. */
  readonly expiresAtMs?: number | undefined;
}

/** Returns a turn as it is stored. */
export function newTurn(conversation: Conversation, turn: Omit<RecordedTurn, 'conversation'>, nowMs: number): NewTurn {
  const { text, files = [], results, replacesId, after, answerId = newTimeId(), expiresAtMs, beginning } = turn;
  // What is as it was stays as it is: the conversation may have another runtime session by now.
  const sessionFrom = turn.sessionFrom === conversation.sessionFrom ? undefined : turn.sessionFrom;
  return {
    conversationId: conversation.id,
    beginning,
    user: text === undefined ? undefined : { id: newTimeId(), content: text, files },
    answerId,
    results,
    replacesId,
    after,
    sessionFrom,
    expiresAtMs,
    title: conversation.title === '' ? titleFrom(text ?? '') || titleFrom(files[0]?.name ?? '') : '',
    nowMs,
  };
}

/** Whether nothing that is stored can refuse the turn. */
export function addsOnly({ replacesId, after, beginning, sent }: RecordedTurn): boolean {
  return replacesId === undefined && after === undefined && beginning?.fork === undefined && !sent?.length;
}

/** Tells the watchers of a turn that is stored. */
export function tellTurn(
  events: Events,
  { id: conversationId, userId }: Conversation,
  { replacesId }: NewTurn,
  { gone, user, answer }: WrittenTurn,
): void {
  for (const messageId of replacesId === undefined ? gone : [...gone, replacesId]) {
    events.publish(userId, { kind: 'message.removed', conversationId, messageId });
  }
  if (user) events.publish(userId, { kind: 'message.added', conversationId, messageId: user.id });
  events.publish(userId, { kind: 'message.added', conversationId, messageId: answer.id });
  events.publish(userId, { kind: 'conversation', conversationId });
}
