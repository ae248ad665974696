/** The messages of a user's conversations: as pages, programs and runtimes read them, and their removal. */

import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import type { Conversation, ConversationsStore, Message, WholeMessage } from './store/conversations';
import type { HeadsRange, MessageHead, Newest } from './store/messages';
import type { ShownMessages, ShownRange } from './store/shown';
import type { Variants } from './store/tree';

/** Limits of the history for a backend that wants all of it: older messages are left out. */
export const HISTORY = { limit: 400, maxBytes: 8_388_608 } as const;
const TEXT_PIECE_BYTES = 512 * 1024;

/** @param deps.get the conversation, if it is this user's. */
export function conversationMessages(deps: {
  conversations: ConversationsStore;
  events: Events;
  get: (userId: string, id: string) => Promise<Conversation>;
}) {
  const { conversations, events, get } = deps;

  return {
    /** Up to `limit` messages before `before`, oldest first. */
    page: (
      id: string,
      options: { before?: number; limit: number; path?: readonly number[] | undefined },
    ): Promise<readonly Message[]> => conversations.page(id, options),

    /**
     * The messages before `before`, or all, that a runtime is sent as history; limited to what an LLM can use.
     * @param path of another path than the shown one.
     */
    history: (id: string, before?: number, path?: readonly number[]): Promise<readonly Message[]> =>
      conversations.page(id, { ...HISTORY, ...(before !== undefined && { before }), path }),

    /** What was thought for the answers among these messages, by their ids. */
    thoughts: (told: readonly Message[], path?: readonly number[]): Promise<ReadonlyMap<string, string>> =>
      conversations.thoughts(told, path),

    /** Positions of the messages up to one that is not shown; `undefined` for one that is. */
    async hiddenPath({ conversationId, position, isHidden }: MessageHead): Promise<readonly number[] | undefined> {
      return isHidden ? (await conversations.tree(conversationId)).pathTo(position) : undefined;
    },

    /** The newest messages, or the first ones after a position, without their texts; oldest first. `ofTurns`: without callbacks. */
    heads: (id: string, range: HeadsRange): Promise<readonly MessageHead[]> => conversations.heads(id, range),

    /** Whether the message at a position is not shown any more, and others have come after it or before. */
    async wasReplaced({ id, lastPosition, goesOnFrom }: Conversation, position: number): Promise<boolean> {
      if (position === 0 || (position >= lastPosition && goesOnFrom === null)) return false;
      const [head] = await conversations.heads(id, { after: position - 1, limit: 1 });
      return head?.position !== position;
    },

    /** Returns the variants of a page's messages that have any, by position. */
    async variants(shown: readonly MessageHead[]): Promise<ReadonlyMap<number, Variants>> {
      const [first] = shown;
      return conversations.variants(
        first?.conversationId ?? '',
        shown.map(({ position }) => position),
      );
    },

    /** The newest message that is no callback. */
    newest: (id: string): Promise<Newest | undefined> => conversations.newest(id),

    /** The messages of a conversation in the form that a page shows. */
    shown: (id: string, range: ShownRange): Promise<ShownMessages> => conversations.shown(id, range),

    /** The whole text of a message in UTF-8, a piece at a time: it may be larger than what a request may hold. */
    async *text(messageId: string): AsyncGenerator<Uint8Array> {
      for (let from = 0; ; ) {
        const piece = await conversations.textBytes(messageId, from, TEXT_PIECE_BYTES);
        if (piece.length === 0) break;
        yield piece;
        from += piece.length;
      }
      for (let ordinal = 0; ; ordinal += 1) {
        const piece = await conversations.pieceBytes(messageId, ordinal);
        if (piece.length === 0) return;
        yield piece;
      }
    },

    /** A message of a conversation of this user, without its text: a page may name one of any length. */
    async getMessage(userId: string, id: string): Promise<{ message: MessageHead; conversation: Conversation }> {
      const message = await conversations.findMessageHead(id);
      if (!message) throw new AppError('not_found', { message: 'There is no such message.' });
      return { message, conversation: await get(userId, message.conversationId) };
    },

    /** A message of a conversation of this user. */
    async findMessage(
      userId: string,
      id: string,
    ): Promise<{ message: WholeMessage; conversation: Conversation } | undefined> {
      const message = await conversations.findMessage(id);
      const conversation = message && (await conversations.find(message.conversationId));
      return message && conversation?.userId === userId ? { message, conversation } : undefined;
    },

    /** An answer in a conversation of this user. */
    async findAnswer(
      userId: string,
      id: string,
    ): Promise<{ message: WholeMessage; conversation: Conversation } | undefined> {
      const found = await this.findMessage(userId, id);
      return found?.message.role === 'assistant' ? found : undefined;
    },

    /**
     * Deletes an answer, and with it what nothing else is an answer to (`deleteAnswer` of the store).
     * Throws `answer_running` for one that is still being written.
     */
    async deleteAnswer(userId: string, answer: Message): Promise<void> {
      if (answer.status === 'streaming') throw new AppError('answer_running');
      const { conversationId } = answer;
      for (const messageId of await conversations.deleteAnswer(answer.id)) {
        events.publish(userId, { kind: 'message.removed', conversationId, messageId });
      }
      events.publish(userId, { kind: 'conversation', conversationId });
    },
  };
}
