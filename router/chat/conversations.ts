/** Conversations as their owner sees them. Everything here is scoped to a user; what is not theirs is not found. */

import type { Agent } from '../agents/store';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newTimeId } from '../lib/ids';
import {
  type Conversation,
  type ConversationsStore,
  type HeadsRange,
  type ListedConversation,
  type ListPlace,
  type Message,
  type MessageHead,
  type Newest,
  PINNED_MAX,
  type Shelf,
  type WholeMessage,
} from './store';
import type { ShownMessages, ShownRange } from './store-shown';
import type { Variants } from './store-tree';
import type { Beginning } from './store-turns';

export const TITLE_LENGTH_MAX = 200;
/** The predecessor's: a conversation is called by the beginning of its first message. */
const TITLE_FROM_TEXT_LENGTH = 60;
/** Messages, and bytes of them, that a backend is told which wants the whole history: older ones are left out. */
export const HISTORY = { limit: 400, maxBytes: 8_388_608 } as const;
/** Limits of the messages copied into a fork: the copy holds the event loop, 20 ms for four megabytes. */
const FORKED = { limit: 400, maxBytes: 4_194_304 } as const;
/** How long a deleted conversation can be brought back. */
const UNDO_MS = 600_000;
/** Conversations of one page of the list. */
const LIST_LIMIT = 30;
const TEXT_PIECE_BYTES = 512 * 1024;
/** Characters of a message that its conversation's title is made from. */
const TITLE_READ_LENGTH = 1_000;

export type ConversationsService = ReturnType<typeof conversationsService>;

export function conversationsService(deps: { conversations: ConversationsStore; events: Events; now: () => number }) {
  const { conversations, events, now } = deps;

  async function get(userId: string, id: string): Promise<Conversation> {
    const conversation = await conversations.find(id);
    if (conversation?.userId !== userId) throw noConversation();
    return conversation;
  }

  /** A message of a conversation of this user, without its text: a page may name one of any length. */
  async function getMessage(userId: string, id: string): Promise<{ message: MessageHead; conversation: Conversation }> {
    const message = await conversations.findMessageHead(id);
    if (!message) throw new AppError('not_found', { message: 'There is no such message.' });
    return { message, conversation: await get(userId, message.conversationId) };
  }

  /**
   * A new conversation that is stored with its first turn, and not before: a request that is refused leaves nothing.
   * @param expiresAtMs until when it is kept, where nobody has asked for that.
   */
  function begin(agent: Agent, expiresAtMs: number | null = null): Beginning {
    return { conversation: { ...newConversation(agent, now()), expiresAtMs } };
  }

  return {
    get,
    nowMs: now,

    /** A conversation of this user, with its newest message that is no callback. */
    async getWithNewest(
      userId: string,
      id: string,
    ): Promise<{ conversation: Conversation; newest: Newest | undefined }> {
      const found = await conversations.findWithNewest(id);
      if (found?.conversation.userId !== userId) throw noConversation();
      return found;
    },

    /** Those of a shelf, last changed first, a page of them; without those that a program's answers are kept in unasked. */
    list: (
      userId: string,
      { before, limit = LIST_LIMIT, shelf }: { before?: ListPlace | undefined; limit?: number; shelf?: Shelf } = {},
    ): Promise<readonly ListedConversation[]> => conversations.list(userId, limit, before, shelf),

    /** All that the user has pinned, last changed first. */
    pinned: (userId: string): Promise<readonly ListedConversation[]> =>
      conversations.list(userId, PINNED_MAX, undefined, 'pinned'),

    /** One of those on the shelves. */
    findListed: (userId: string, id: string): Promise<ListedConversation | undefined> =>
      conversations.findListed(userId, id),

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

    /** Positions of the messages up to one that is not shown; `undefined` for one that is. */
    async hiddenPath({ conversationId, position, isHidden }: MessageHead): Promise<readonly number[] | undefined> {
      return isHidden ? (await conversations.findTree(conversationId))?.pathTo(position) : undefined;
    },

    /** The newest messages, or the first ones after a position, without their texts; oldest first. `ofTurns`: without callbacks. */
    heads: (id: string, range: HeadsRange): Promise<readonly MessageHead[]> => conversations.heads(id, range),

    /** Whether the message at a position is not shown any more, and others have come after it or before. */
    async wasReplaced({ id, lastPosition, goesOnFrom }: Conversation, position: number): Promise<boolean> {
      if (position === 0 || (position >= lastPosition && goesOnFrom === null)) return false;
      const [head] = await conversations.heads(id, { after: position - 1, limit: 1 });
      return head?.position !== position;
    },

    /** Those of the messages of a page that have variants, by position. */
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

    getMessage,

    /** A conversation of this user. */
    async find(userId: string, id: string): Promise<Conversation | undefined> {
      const conversation = await conversations.find(id);
      return conversation?.userId === userId ? conversation : undefined;
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

    begin,

    /**
     * A new conversation with what was said up to a position in another one, stored as `begin`'s is. The oldest messages
     * of a long one are left out. Throws `too_large` if the message at the position alone is too long to be copied.
     */
    async fork(conversation: Conversation, position: number, path?: readonly number[]): Promise<Beginning> {
      const from = await conversations.forkableFrom(conversation.id, position, { ...FORKED, path });
      if (from === undefined) throw tooLongToFork();
      const fresh = newConversation({ id: conversation.agentId, userId: conversation.userId }, now());
      const { title, model, expiresAtMs } = conversation;
      const places = { lastPosition: position, sessionFrom: position };
      return {
        conversation: { ...fresh, title, model, expiresAtMs, ...places },
        fork: { of: conversation.id, from, path },
      };
    },

    /** A new conversation without a message. */
    async create(agent: Agent, expiresAtMs: number | null = null): Promise<Conversation> {
      const { conversation } = begin(agent, expiresAtMs);
      await conversations.insert(conversation);
      return conversation;
    },

    /** Tells the runtime of an agent at the next turn of each conversation what was said before: it has forgotten it. */
    renewSessions: (agentId: string): Promise<void> => conversations.renewSessions(agentId),

    /** Deletes what was kept unasked and whose time is over. */
    deleteExpired: (): Promise<void> => conversations.deleteExpired(now()),

    /** Deletes a conversation so that its owner can bring it back for some minutes. Stop its answer first. */
    async discard(userId: string, id: string): Promise<void> {
      const conversation = await get(userId, id);
      await conversations.discard(conversation.id, now() + UNDO_MS);
      events.publish(userId, { kind: 'conversation', conversationId: id });
    },

    /** A conversation that can be brought back by `putOn`. */
    findDiscarded: (userId: string, id: string): Promise<Conversation | undefined> =>
      conversations.findDiscarded(userId, id),

    /**
     * Pins or archives a conversation, or puts it back into the list; also a deleted one.
     * Throws `conflict` when too many are pinned.
     */
    async putOn(userId: string, id: string, shelf: Shelf): Promise<void> {
      const { id: found } = (await conversations.findDiscarded(userId, id)) ?? (await get(userId, id));
      if (!(await conversations.putOn(found, userId, shelf))) {
        const message = `At most ${PINNED_MAX} conversations can be pinned. Unpin another one first.`;
        throw new AppError('conflict', { message });
      }
      events.publish(userId, { kind: 'conversation', conversationId: id });
    },

    async rename(userId: string, id: string, title: string): Promise<void> {
      const conversation = await get(userId, id);
      const trimmed = title.trim().slice(0, TITLE_LENGTH_MAX);
      if (trimmed === '') throw new AppError('invalid_fields', { fields: { title: 'Give it a name' } });
      await conversations.rename(conversation.id, trimmed);
      events.publish(userId, { kind: 'conversation', conversationId: id });
    },

    /** Also ends nothing: stop the answer first (`generations.stopAll`). */
    async delete(userId: string, id: string): Promise<void> {
      const conversation = await get(userId, id);
      await conversations.delete(conversation.id);
      events.publish(userId, { kind: 'conversation', conversationId: id });
    },
  };
}

/** A conversation without a message. */
export function newConversation(agent: Pick<Agent, 'id' | 'userId'>, nowMs: number): Conversation {
  return {
    ...{ id: newTimeId(), userId: agent.userId, agentId: agent.id, title: '', model: '' },
    ...{ createdAtMs: nowMs, updatedAtMs: nowMs, expiresAtMs: null },
    ...{ lastPosition: 0, sessionFrom: 0, goesOnFrom: null, shelf: 'list', isUnread: false },
  };
}

/** The title that a first message gives its conversation. */
export function titleFrom(text: string): string {
  const line = text.trim().slice(0, TITLE_READ_LENGTH).replace(/\s+/g, ' ');
  const characters = [...line];
  return characters.length <= TITLE_FROM_TEXT_LENGTH
    ? line
    : `${characters.slice(0, TITLE_FROM_TEXT_LENGTH - 1).join('')}…`;
}

function noConversation(): AppError {
  return new AppError('not_found', { message: 'There is no such conversation.' });
}

function tooLongToFork(): AppError {
  const message = `An answer of more than ${FORKED.maxBytes} bytes can only be continued once.`;
  return new AppError('too_large', { message, hint: 'Go on from the newest answer of its conversation.' });
}
