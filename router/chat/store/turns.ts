/** Writes and deletes the turns of a conversation. */
import { and, eq, inArray } from 'drizzle-orm';
import type { Incomplete } from '../../../backends/shared/finishes';
import type { Db } from '../../database/database';
import {
  conversations,
  type MessageFailure,
  messages,
  type Step,
  type ToolCall,
  type ToolResult,
} from '../../database/schema/chat';
import { newTimeId } from '../../lib/ids';
import type { KeptFile } from '../attachments/store';
import type { Conversation, Message, MessageStatus } from './conversations';
import { parentOf, treeOf } from './message-tree';
import { json, jsonList, type Statements } from './statements';
import { type TextPart, textsOf } from './texts';
import { goOn, hideAfter, reattach, show } from './tree';

/** A conversation that begins with a turn. */
export interface Beginning {
  readonly conversation: Conversation;
  /** The one that it goes on from, with copies of its messages from a position up to `lastPosition`, on a path of it. */
  readonly fork?: { readonly of: string; readonly from: number; readonly path?: readonly number[] | undefined };
}

export interface NewTurn {
  readonly conversationId: string;
  /** Absent for a conversation that is stored. */
  readonly beginning?: Beginning | undefined;
  /** Absent when an answer is asked for again. */
  readonly user?: { readonly id: string; readonly content: string; readonly files?: readonly KeptFile[] } | undefined;
  readonly answerId: string;
  /** Kept with the first message of the turn. */
  readonly results?: readonly ToolResult[] | undefined;
  /** An answer that this one replaces; its results are those of the new one. */
  readonly replacesId?: string | undefined;
  /** Position that the turn follows as another variant: what is shown after it is hidden, and a runtime session begins. */
  readonly after?: number | undefined;
  /** `sessionFrom` of the conversation from this turn on. */
  readonly sessionFrom?: number | undefined;
  /** Until when the conversation is kept, unless it stays anyway; absent: it stays. */
  readonly expiresAtMs?: number | undefined;
  /** Title to take when the conversation has none. */
  readonly title: string;
  readonly nowMs: number;
}

/** How an answer ended, with what is not stored of it. */
export interface AnswerEnd {
  readonly status: Exclude<MessageStatus, 'streaming'>;
  /** The last part of its text. */
  readonly text?: TextPart;
  readonly failure?: MessageFailure | undefined;
  /** Why the model ended it before it was whole. */
  readonly incomplete?: Incomplete | undefined;
  readonly calls: readonly ToolCall[];
  readonly steps?: readonly Step[];
  readonly nowMs: number;
  /** Whether its owner sees the ending. Otherwise the conversation is unread. */
  isSeen?(): boolean;
}

export interface WrittenTurn {
  readonly user?: Message;
  readonly answer: Message;
  /** Messages that are hidden from this turn on. */
  readonly gone: readonly string[];
  readonly sessionFrom: number;
}

/**
 * Writes a turn. Writes nothing and returns `undefined` when an answer is being written there, or the conversation, the
 * one that it goes on from or the replaced answer is gone.
 * @param so what there is of the answer: the beginning of its text, which fits into the row, or all of it and its end.
 */
export function insertTurn(
  tx: Db,
  write: Statements,
  turn: NewTurn,
  so: Partial<AnswerEnd> = {},
): WrittenTurn | undefined {
  const { nowMs } = turn;
  const stored = turn.beginning ? undefined : write.findForTurn.get(turn.conversationId);
  const conversation = turn.beginning?.conversation ?? stored;
  if (!conversation || stored?.isStreaming === 1) return undefined;
  const { fork } = turn.beginning ?? {};
  if (fork && !write.find.get(fork.of)) return undefined;
  if (turn.beginning) begin(tx, write, turn.beginning);
  let { results = [] } = turn;
  // The message that the turn follows, where that is not the one before it.
  let parent = turn.after ?? conversation.goesOnFrom;
  if (turn.replacesId) {
    const followed = parent === null ? null : parentOf(tx, conversation.id, parent);
    const replaced = tx.delete(messages).where(eq(messages.id, turn.replacesId)).returning().get();
    if (!replaced) return undefined;
    results = replaced.results ?? [];
    parent = replaced.parent ?? followed;
  }
  const gone = turn.after === undefined ? [] : hideAfter(tx, conversation.id, turn.after);
  let position = conversation.lastPosition;
  const messageOf = (
    id: string,
    role: 'user' | 'assistant',
    content: string,
    end: Partial<AnswerEnd> = {},
  ): Message => {
    position += 1;
    const status = role === 'user' ? 'done' : (end.status ?? 'streaming');
    const message: Message = {
      id,
      conversationId: conversation.id,
      position,
      role,
      content,
      status,
      failure: end.failure ?? null,
      calls: end.calls ?? null,
      results: results.length > 0 ? results : null,
      createdAtMs: nowMs,
      endedAtMs: end.nowMs ?? null,
      parent,
      isHidden: false,
      callbackId: null,
      incomplete: end.incomplete ?? null,
    };
    results = [];
    parent = null;
    return message;
  };
  const user = turn.user && messageOf(turn.user.id, 'user', turn.user.content);
  const answer = messageOf(turn.answerId, 'assistant', so.text?.content ?? '', so);
  const answerRow = rowOf(answer, so.steps);
  if (user) write.insertBoth.run(...rowOf(user), ...answerRow);
  else write.insert.run(...answerRow);
  if (user && turn.user?.files) {
    write.attach(
      { userId: conversation.userId, conversationId: conversation.id, messageId: user.id },
      turn.user.files,
      nowMs,
    );
  }
  const title = conversation.title || turn.title;
  const sessionFrom =
    turn.after === undefined ? (turn.sessionFrom ?? conversation.sessionFrom) : conversation.lastPosition;
  // One that stays never begins to expire.
  const expiresAtMs = conversation.expiresAtMs === null ? null : (turn.expiresAtMs ?? null);
  // One that expires is in no list.
  const isUnread = conversation.isUnread || (expiresAtMs === null && so.isSeen?.() === false);
  const answeredTo = answer.status === 'done' ? position : 0;
  write.touch.run(position, nowMs, title, sessionFrom, isUnread ? 1 : 0, answeredTo, conversation.id);
  if (expiresAtMs !== conversation.expiresAtMs) write.stay.run(expiresAtMs, conversation.id);
  return { ...(user && { user }), answer, gone, sessionFrom };
}

/** The values of a message for the statements that insert it. */
function rowOf(message: Message, steps: readonly Step[] = []): (string | number | null)[] {
  const { id, conversationId, position, role, content, status, results, createdAtMs, parent } = message;
  const { failure, calls, endedAtMs, incomplete } = message;
  const turn = [id, conversationId, position, role, content, status, jsonList(results ?? []), createdAtMs, parent];
  return [...turn, json(failure ?? undefined), jsonList(calls ?? []), jsonList(steps), endedAtMs, incomplete];
}

export function insertConversation(write: Statements, conversation: Conversation): void {
  const { id, userId, agentId, title, model, createdAtMs, updatedAtMs } = conversation;
  const { lastPosition, sessionFrom, expiresAtMs } = conversation;
  const written = [id, userId, agentId, title, model, createdAtMs, updatedAtMs, lastPosition, sessionFrom, expiresAtMs];
  write.begin.run(...written);
}

function begin(tx: Db, write: Statements, { conversation, fork }: Beginning): void {
  insertConversation(write, conversation);
  if (fork === undefined) return;
  const { copyPieces } = textsOf(tx);
  const copied = fork.path
    ? fork.path.filter((at) => at >= fork.from).flatMap((at) => write.idAt.get(fork.of, at) ?? [])
    : write.ids.all(fork.of, fork.from, conversation.lastPosition);
  for (const { id } of copied) {
    const copyId = newTimeId();
    write.copy.run(copyId, conversation.id, id);
    copyPieces(id, copyId);
    write.copyAttachments(conversation.id, copyId, id);
  }
}

export function deleteAnswer(tx: Db, id: string): readonly string[] {
  const answer = tx.select().from(messages).where(eq(messages.id, id)).get();
  if (!answer) return [];
  const { conversationId, position } = answer;
  const there = eq(messages.conversationId, conversationId);
  const at = (one: number) =>
    tx
      .select({ id: messages.id, role: messages.role })
      .from(messages)
      .where(and(there, eq(messages.position, one)))
      .get();
  const tree = treeOf(tx, conversationId);
  const parent = tree.parentOf(position);
  const variant = tree.childrenOf(parent).findLast((one) => one !== position);
  const next = tree.childrenOf(position);
  const before = at(parent);
  const isAlone =
    before?.role === 'user' && variant === undefined && next.every((one) => at(one)?.role !== 'assistant');
  const ids = isAlone ? [before.id, id] : [id];
  reattach(tx, conversationId, ids);
  tx.delete(messages).where(inArray(messages.id, ids)).run();
  const isEmpty = tx.select({ id: messages.id }).from(messages).where(there).limit(1).get() === undefined;
  if (isEmpty) tx.delete(conversations).where(eq(conversations.id, conversationId)).run();
  else if (variant !== undefined && next.length === 0 && !answer.isHidden) {
    show(tx, conversationId, treeOf(tx, conversationId), variant);
  } else goOn(tx, conversationId);
  return ids;
}
