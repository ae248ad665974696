/** Conversations of clients that store both sides themselves, as the predecessor's did: the router stores its answers too. */
import type { Agent } from '../../agents/store';
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newTimeId } from '../../lib/ids';
import { within } from '../../lib/time';
import type { AttachmentsService } from '../attachments/attachments';
import { newConversation, noConversation, TITLE_LENGTH_MAX, titleFrom, unsavedConversation } from '../conversations';
import type { GenerationsService } from '../generations/generations';
import { spoken } from '../generations/spoken';
import type { Conversation, ConversationsStore, Message } from '../store/conversations';
import type { CountedConversation } from './counted-store';
import type { ConversationsApiStore } from './store';
import type { TellingMessage } from './whole-store';

/** Conversations in one answer. */
export const LISTED_MAX = 1_000;
const MODEL_LENGTH_MAX = 200;
/** Characters of the sentence of an error. */
const ERROR_LENGTH_MAX = 10_000;
/** Milliseconds. A client that has read the last event of an answer may be faster than the router saves that answer. */
const SETTLE_MS = 3_000;
/** The code of a failure that a client stores. */
const CLIENT_ERROR = 'client_error';

/** A conversation, and whether its newest turn is not stored as a whole, because the database refuses it. */
export type ToldConversation = CountedConversation & { readonly isUnsaved: boolean };

/** Roles of the API. An error is an answer that failed and has no text. */
export type PostedRole = 'user' | 'assistant' | 'error';

export type PostedService = ReturnType<typeof postedService>;

export function postedService(deps: {
  attachments: AttachmentsService;
  conversations: ConversationsStore;
  api: ConversationsApiStore;
  generations: GenerationsService;
  events: Events;
  now: () => number;
}) {
  const { attachments, conversations, api, generations, events, now } = deps;

  const changed = ({ userId, id }: Pick<Conversation, 'userId' | 'id'>) =>
    events.publish(userId, { kind: 'conversation', conversationId: id });

  const told = (userId: string, found: readonly CountedConversation[]): readonly ToldConversation[] =>
    found.map((one) => ({ ...one, isUnsaved: generations.isUnsaved(userId, one.id) }));

  async function getCounted(userId: string, wanted: { id: string } | { backend: string; seq: number }) {
    const find = async (of: typeof wanted) => {
      const [conversation] = told(userId, await api.counted(userId, of));
      if (conversation) return conversation;
      throw 'id' in of && generations.isUnsaved(userId, of.id) ? unsavedConversation() : noConversation();
    };
    const conversation = await find(wanted);
    if (!generations.isAnswering(conversation.id)) return conversation;
    // With the turn that is under way there.
    await generations.written(conversation.id);
    return find({ id: conversation.id });
  }

  return {
    /** A user's conversation. Throws `not_found`. */
    getCounted,

    /** Up to `LISTED_MAX` conversations, last changed first, and whether there are more. */
    async list(
      userId: string,
      options: { readonly limit: number; readonly before?: Conversation | undefined },
    ): Promise<{ readonly conversations: readonly ToldConversation[]; readonly hasMore: boolean }> {
      const { before } = options;
      await generations.writtenOf({ userId });
      const limit = Math.min(options.limit, LISTED_MAX);
      const found = await api.counted(userId, { limit: limit + 1, before });
      return { conversations: told(userId, found.slice(0, limit)), hasMore: found.length > limit };
    },

    /** Makes a conversation without messages. Longer texts are cut to 200 characters. */
    async create(agent: Agent, { title, model }: { title: string; model: string }): Promise<ToldConversation> {
      const nowMs = now();
      const conversation = {
        ...newConversation(agent, nowMs),
        title: title.trim().slice(0, TITLE_LENGTH_MAX),
        model: model.trim().slice(0, MODEL_LENGTH_MAX),
      };
      await conversations.insert(conversation);
      changed(conversation);
      return getCounted(agent.userId, conversation);
    },

    /** Sets or, with an empty text, removes the title. */
    async setTitle(conversation: Conversation, title: string): Promise<void> {
      await conversations.rename(conversation.id, title.trim().slice(0, TITLE_LENGTH_MAX), now());
      changed(conversation);
    },

    /**
     * Stores a message, unless it is the newest answer, which the router has stored itself: that one is returned.
     * @param said.attachments ids of files that were uploaded for it. Throws `not_found` for one that does not wait there.
     * Throws `answer_running` while an answer is being written, and `not_found` too when the conversation is deleted meanwhile.
     */
    async post(
      conversation: Conversation,
      said: { role: PostedRole; content: string; attachments: readonly string[] },
    ): Promise<Message> {
      const { role, content } = said;
      const { id: conversationId, userId } = conversation;
      const files = await attachments.waiting(conversationId, said.attachments);
      await (role === 'user'
        ? generations.written(conversationId)
        : within(SETTLE_MS, generations.settled(conversationId)));
      const isError = role === 'error';
      const failure = { code: CLIENT_ERROR, message: content.slice(0, ERROR_LENGTH_MAX) };
      const message = {
        ...{ id: newTimeId(), conversationId, content: isError ? '' : content, nowMs: now() },
        role: isError ? 'assistant' : role,
        title: role === 'user' ? titleFrom(content || (files[0]?.name ?? '')) : '',
        attachmentIds: files.map(({ id }) => id),
        ...(isError && { failure }),
      } as const;
      const posted = await api.post(message, (newest) => {
        if (role === 'user' || newest.role !== 'assistant') return false;
        if (!isError) return spoken(newest.content) === spoken(content);
        // The router has stored the failure of its own answer, in words of its own.
        return (
          newest.status === 'failed' && (newest.failure?.code !== CLIENT_ERROR || newest.failure.message === content)
        );
      });
      if (posted === 'gone') throw noConversation();
      if (posted === 'running') throw new AppError('answer_running');
      if (posted.isNew) {
        events.publish(userId, { kind: 'message.added', conversationId, messageId: posted.message.id });
        changed(conversation);
      }
      return posted.message;
    },

    /** Stops what is being written, and deletes the messages after one. Throws `not_found` for an unknown message. */
    async deleteAfter(conversation: Conversation, messageId: string): Promise<void> {
      const { id: conversationId, userId } = conversation;
      const message = await conversations.findMessageHead(messageId);
      if (message?.conversationId !== conversationId) throw messageNotFound();
      await generations.written(conversationId);
      const newest = await conversations.heads(conversationId, { limit: 1 });
      if (newest.some(({ id }) => id !== messageId)) await generations.stopIn(conversationId);
      const change = await conversations.deleteBelow(messageId, { itself: false });
      if (!change) throw messageNotFound();
      for (const id of change.gone) events.publish(userId, { kind: 'message.removed', conversationId, messageId: id });
      if (change.gone.length > 0) changed(conversation);
    },

    /** The first messages after a position, oldest first: some of them, at least one if there is any. */
    messagesAfter: (
      id: string,
      position: number,
      options?: { readonly withHidden?: boolean },
    ): Promise<readonly TellingMessage[]> => api.wholeAfter(id, position, options),
  };
}

function messageNotFound(): AppError {
  return new AppError('not_found', { message: 'There is no such message.' });
}
