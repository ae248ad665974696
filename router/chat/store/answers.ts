/** Writes answers: begun with their turn, saved while they grow, ended once. */
import { sql } from 'drizzle-orm';
import { isUniqueViolation } from '../../database/database';
import type { Write } from '../../database/grouped-writes';
import { type MessageFailure, messages, type Step } from '../../database/schema/chat';
import { json, jsonList, type Statements } from './statements';
import type { TextPart } from './texts';
import { type AnswerEnd, deleteAnswer, insertTurn, type NewTurn, type WrittenTurn } from './turns';

export function answersStore(write: Write, run: Statements) {
  function saveText(id: string, { content, ordinal }: TextPart): void {
    if (ordinal === undefined) run.text.run(content, id);
    else run.piece.run(ordinal, content, id);
  }

  return {
    /**
     * Writes a user's message and the answer to it, with what there is of it.
     * @returns `undefined` when an answer is already being written there, or the replaced one is not there any more.
     */
    insertTurn: (turn: NewTurn, answer?: Partial<AnswerEnd>): Promise<WrittenTurn | undefined> =>
      write((tx) => insertTurn(tx, run, turn, answer)).catch((error: unknown) => {
        if (isUniqueViolation(error)) return undefined;
        throw error;
      }),
    /** Saves a part of the text of an answer that is still being written, and its steps. */
    async saveText(id: string, part: TextPart | undefined, steps?: readonly Step[]): Promise<void> {
      await write(() => {
        if (part) saveText(id, part);
        if (steps) run.steps.run(jsonList(steps), id);
      });
    },
    /** Ends an answer, with the last part of its text. The first ending wins: returns whether this was it (law 19). */
    async endAnswer(id: string, end: AnswerEnd): Promise<boolean> {
      const { status, text, failure, calls, steps = [], nowMs, incomplete = null } = end;
      const ended = await write(() => {
        if (text?.ordinal !== undefined) saveText(id, text);
        const content = text?.ordinal === undefined ? (text?.content ?? null) : null;
        const how = [status, json(failure), jsonList(calls), jsonList(steps), nowMs, incomplete];
        const row = run.end.get(content, ...how, id);
        if (row && end.isSeen?.() === false) run.unread.run(row.conversationId);
        return row;
      });
      return ended !== null;
    },
    /**
     * Deletes an answer, with the user's message before it unless another answer to that one stays, and the conversation
     * when nothing is left in it. What is left is a new runtime session, because the old one knows what is deleted.
     * @returns the ids of the messages that are gone.
     */
    async deleteAnswer(id: string): Promise<readonly string[]> {
      return write((tx) => deleteAnswer(tx, id));
    },
    /** Ends every answer that a crash left open, unseen; returns how many. */
    async endOrphans(failure: MessageFailure, nowMs: number): Promise<number> {
      return write((tx) => {
        const end = tx.update(messages).set({ status: 'failed', failure, endedAtMs: nowMs });
        // As the index has it, which is of this status only.
        const open = sql`${messages.status} = 'streaming'`;
        const ended = end.where(open).returning({ inConversation: messages.conversationId }).all();
        for (const { inConversation } of ended) run.unread.run(inConversation);
        return ended.length;
      });
    },
  };
}
