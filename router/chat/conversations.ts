/**
 * Conversations as their owner sees them: here as a whole, their places in the list in `shelves.ts`, their messages in
 * `messages.ts`. Everything is scoped to a user; what is not theirs is not found.
 */

import type { Agent } from '../agents/store';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newTimeId } from '../lib/ids';
import { type Soon, whenThere } from '../lib/lookup';
import { textOfMarkdown } from '../lib/markdown-text';
import { conversationMessages } from './messages';
import { conversationShelves } from './shelves';
import type { Conversation, ConversationsStore } from './store/conversations';
import type { Newest } from './store/messages';
import type { Beginning } from './store/turns';

export const TITLE_LENGTH_MAX = 200;
/** The predecessor's: a conversation is called by the beginning of its first message. */
const TITLE_FROM_TEXT_LENGTH = 60;
/** Limits of the messages copied into a fork: the copy blocks the event loop, for 20 ms with four megabytes. */
const FORKED = { limit: 400, maxBytes: 4_194_304 } as const;
/** Characters of a message that its conversation's title is made from. */
const TITLE_READ_LENGTH = 1_000;

export type ConversationsService = ReturnType<typeof conversationsService>;

/**
 * @param deps.isAnswering whether an answer is begun or written in a conversation.
 * @param deps.written resolves when the turn of that answer is stored.
 * @param deps.writtenOf the same for all answers of a user, undefined where there is nothing to wait for.
 * @param deps.isUnsaved whether the database refuses that turn.
 */
export function conversationsService(deps: {
  conversations: ConversationsStore;
  isAnswering: (conversationId: string) => boolean;
  written: (conversationId: string) => Promise<void>;
  writtenOf: (owner: { readonly userId: string }) => Promise<unknown> | undefined;
  isUnsaved: (userId: string, conversationId: string) => boolean;
  events: Events;
  now: () => number;
}) {
  const { conversations, isAnswering, isUnsaved, written, writtenOf, events, now } = deps;

  function notFound(userId: string, id: string, param?: string): AppError {
    return isUnsaved(userId, id) ? unsavedConversation() : noConversation(param);
  }

  /** Waits until a turn that is under way is stored, because its client may know of the conversation already. */
  async function get(userId: string, id: string): Promise<Conversation> {
    if (isAnswering(id)) await written(id);
    const conversation = await conversations.find(id);
    if (conversation?.userId === userId) return conversation;
    throw notFound(userId, id);
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
    /**
     * Why this user has no such conversation: there is none, or only in memory.
     * @param param the member of a request that names it.
     */
    notFound,
    nowMs: now,
    ...conversationMessages({ conversations, events, get }),
    ...conversationShelves({ conversations, writtenOf, events, now, get }),

    /** A conversation of this user, with its newest message that is no callback, unless that is an answer that ended well. */
    getWithNewest(userId: string, id: string): Soon<{ conversation: Conversation; newest: Newest | undefined }> {
      return whenThere(conversations.findWithNewest(id), (found) => {
        if (found?.conversation.userId === userId) return found;
        throw notFound(userId, id);
      });
    },

    /** A conversation of this user. */
    async find(userId: string, id: string): Promise<Conversation | undefined> {
      const conversation = await conversations.find(id);
      return conversation?.userId === userId ? conversation : undefined;
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

    /** Deletes expired conversations that were kept without the client's asking. */
    async deleteExpired(): Promise<void> {
      const byMs = now();
      await conversations.deleteIfExpired(await conversations.expired(byMs), { byMs, isAnswering });
    },

    /** Deletes all conversations of an agent, in steps, before the agent: together with it, thousands would take seconds. */
    deleteOfAgent: (agentId: string): Promise<void> => conversations.deleteOfAgent(agentId),

    async rename(userId: string, id: string, title: string): Promise<void> {
      const conversation = await get(userId, id);
      const trimmed = title.trim().slice(0, TITLE_LENGTH_MAX);
      if (trimmed === '') throw new AppError('invalid_fields', { fields: { title: 'Give it a name' } });
      await conversations.rename(conversation.id, trimmed);
      events.publish(userId, { kind: 'conversation', conversationId: id });
    },

    /** Does not stop an answer that is being written: call `generations.stopIn` first. */
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

/** The title that a first message gives its conversation: its first words, without the marks of Markdown. */
export function titleFrom(text: string): string {
  const read = text.trim().slice(0, TITLE_READ_LENGTH);
  const line = (textOfMarkdown(read).trim() || read).replace(/\s+/g, ' ');
  const characters = [...line];
  return characters.length <= TITLE_FROM_TEXT_LENGTH
    ? line
    : `${characters.slice(0, TITLE_FROM_TEXT_LENGTH - 1).join('')}…`;
}

export function noConversation(param?: string): AppError {
  return new AppError('not_found', {
    message: 'There is no such conversation.',
    ...(param !== undefined && { param }),
  });
}

/** A new conversation whose client was told of it before the database refused it. */
export function unsavedConversation(): AppError {
  const message =
    'This conversation is in memory only: the database refuses it. It is stored as soon as that is possible.';
  return new AppError('storage_failed', { message });
}

function tooLongToFork(): AppError {
  const message = `An answer of more than ${FORKED.maxBytes} bytes can only be continued once.`;
  return new AppError('too_large', { message, hint: 'Go on from the newest answer of its conversation.' });
}
