/** Where a user's conversations are: in the list, pinned, archived, or deleted for some minutes. */

import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import type { Conversation, ConversationsStore } from './store/conversations';
import { type ListedConversation, type ListPlace, PINNED_MAX, type Shelf } from './store/shelves';

/** How long a deleted conversation can be brought back. */
const UNDO_MS = 600_000;
/** Conversations of one page of the list. */
const LIST_LIMIT = 30;

/**
 * @param deps.writtenOf resolves when the turns under way of a user are stored: the user may know of them.
 * @param deps.get the conversation, if it is this user's.
 */
export function conversationShelves(deps: {
  conversations: ConversationsStore;
  writtenOf: (owner: { readonly userId: string }) => Promise<unknown> | undefined;
  events: Events;
  now: () => number;
  get: (userId: string, id: string) => Promise<Conversation>;
}) {
  const { conversations, writtenOf, events, now, get } = deps;

  async function list(userId: string, limit: number, before?: ListPlace, shelf?: Shelf) {
    await writtenOf({ userId });
    return conversations.list(userId, limit, before, shelf);
  }

  return {
    /** Returns a page of a shelf, last changed first, without the conversations that keep a program's answers unasked. */
    list: (
      userId: string,
      { before, limit = LIST_LIMIT, shelf }: { before?: ListPlace | undefined; limit?: number; shelf?: Shelf } = {},
    ): Promise<readonly ListedConversation[]> => list(userId, limit, before, shelf),

    /** All that the user has pinned, last changed first. */
    pinned: (userId: string): Promise<readonly ListedConversation[]> => list(userId, PINNED_MAX, undefined, 'pinned'),

    /** Finds a conversation on one of the shelves. */
    findListed: (userId: string, id: string): Promise<ListedConversation | undefined> =>
      conversations.findListed(userId, id),

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
     * Throws `conflict` when too many are pinned, and `not_found` also when its deletion has begun.
     */
    async putOn(userId: string, id: string, shelf: Shelf): Promise<void> {
      const { id: found } = (await conversations.findDiscarded(userId, id)) ?? (await get(userId, id));
      const outcome = await conversations.putOn(found, userId, shelf);
      if (outcome === 'gone') throw new AppError('not_found', { message: 'There is no such conversation.' });
      if (outcome === 'full') {
        const message = `At most ${PINNED_MAX} conversations can be pinned. Unpin another one first.`;
        throw new AppError('conflict', { message });
      }
      events.publish(userId, { kind: 'conversation', conversationId: id });
    },
  };
}
