/** Writes and deletes the turns of a conversation. */
import { and, eq, inArray } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { conversations, messages, type ToolResult } from '../../database/schema/chat';
import { newTimeId } from '../../lib/ids';
import type { KeptFile } from '../attachments/store';
import type { Conversation, Message } from './conversations';
import { jsonList, type Statements } from './statements';
import { textsOf } from './texts';
import { goOn, hideAfter, reattach, show, treeOf } from './tree';

/** A conversation that begins with a turn. */
export interface Beginning {
  readonly conversation: Conversation;
  /** The one that it goes on from, with copies of its messages from a position up to `lastPosition`, on a path of it. */
  readonly fork?: { readonly of: string; readonly from: number; readonly path?: readonly number[] | undefined };
}

export interface NewTurn {
  readonly conversationId: string;
  /** Absent for a conversation that is stored. */
  readonly beginning?: Beginning;
  /** Absent when an answer is asked for again. */
  readonly user?: { readonly id: string; readonly content: string; readonly files?: readonly KeptFile[] };
  readonly answerId: string;
  /** Kept with the first message of the turn. */
  readonly results?: readonly ToolResult[] | undefined;
  /** An answer that this one replaces; its results are those of the new one. */
  readonly replacesId?: string;
  /** Position that the turn follows as another variant: what is shown after it is hidden, and a runtime session begins. */
  readonly after?: number;
  /** `sessionFrom` of the conversation from this turn on. */
  readonly sessionFrom?: number;
  /** Until when the conversation is kept, unless it stays anyway; absent: it stays. */
  readonly expiresAtMs?: number | undefined;
  /** Title to take when the conversation has none. */
  readonly title: string;
  readonly nowMs: number;
}

export interface WrittenTurn {
  readonly user?: Message;
  readonly answer: Message;
  /** Messages that are hidden from this turn on. */
  readonly gone: readonly string[];
  readonly sessionFrom: number;
}

/**
 * Writes a turn. Writes nothing and returns `undefined` when an answer is being written there, or the conversation or the
 * replaced answer is gone.
 */
export function insertTurn(tx: Db, write: Statements, turn: NewTurn): WrittenTurn | undefined {
  const { nowMs } = turn;
  const stored = turn.beginning ? undefined : write.findForTurn.get(turn.conversationId);
  const conversation = turn.beginning?.conversation ?? stored;
  if (!conversation || stored?.isStreaming === 1) return undefined;
  if (turn.beginning) begin(tx, write, turn.beginning);
  let { results = [] } = turn;
  // The message that the turn follows, where that is not the one before it.
  let parent = turn.after ?? conversation.goesOnFrom;
  if (turn.replacesId) {
    const followed = parent === null ? null : treeOf(tx, conversation.id).parentOf(parent);
    const replaced = tx.delete(messages).where(eq(messages.id, turn.replacesId)).returning().get();
    if (!replaced) return undefined;
    results = replaced.results ?? [];
    parent = replaced.parent ?? followed;
  }
  const gone = turn.after === undefined ? [] : hideAfter(tx, conversation.id, turn.after);
  let position = conversation.lastPosition;
  const insert = (id: string, role: 'user' | 'assistant', content: string): Message => {
    position += 1;
    const status = role === 'user' ? 'done' : 'streaming';
    write.insert.run(id, conversation.id, position, role, content, status, jsonList(results), nowMs, parent);
    const row = { id, conversationId: conversation.id, position, role, content, status, createdAtMs: nowMs } as const;
    const message = {
      ...row,
      failure: null,
      calls: null,
      results: results.length > 0 ? results : null,
      endedAtMs: null,
      parent,
      isHidden: false,
      callbackId: null,
    };
    results = [];
    parent = null;
    return message;
  };
  const user = turn.user && insert(turn.user.id, 'user', turn.user.content);
  if (user && turn.user?.files) {
    write.attach(
      { userId: conversation.userId, conversationId: conversation.id, messageId: user.id },
      turn.user.files,
      nowMs,
    );
  }
  const answer = insert(turn.answerId, 'assistant', '');
  const title = conversation.title || turn.title;
  const sessionFrom =
    turn.after === undefined ? (turn.sessionFrom ?? conversation.sessionFrom) : conversation.lastPosition;
  write.touch.run(position, nowMs, title, sessionFrom, conversation.id);
  // One that stays never begins to expire.
  const expiresAtMs = conversation.expiresAtMs === null ? null : (turn.expiresAtMs ?? null);
  if (expiresAtMs !== conversation.expiresAtMs) write.stay.run(expiresAtMs, conversation.id);
  return { ...(user && { user }), answer, gone, sessionFrom };
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
