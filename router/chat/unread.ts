/** Which conversations a page shows now. An answer that ends in another one leaves it unread until its owner opens it. */
import type { Events } from '../lib/events';
import type { ConversationsStore } from './store/conversations';

export type UnreadService = ReturnType<typeof unreadService>;

export function unreadService(deps: { conversations: ConversationsStore; events: Events }) {
  const { conversations, events } = deps;
  /** How many live pages show a conversation, by its id. */
  const pages = new Map<string, number>();

  /** Takes the mark of a conversation away, on every page of its owner. */
  async function read(userId: string, conversationId: string): Promise<void> {
    if (!(await conversations.find(conversationId))?.isUnread) return;
    await conversations.markRead(conversationId);
    events.publish(userId, { kind: 'conversation', conversationId });
  }

  return {
    read,

    /** Whether a live page shows the conversation. */
    isShown: (conversationId: string): boolean => pages.has(conversationId),

    /**
     * A live page shows the conversation. Call `read` after it, and not before: an answer may end in between.
     * @returns a function to be called once, when the page has gone.
     */
    show(conversationId: string): () => void {
      pages.set(conversationId, (pages.get(conversationId) ?? 0) + 1);
      return () => {
        const left = (pages.get(conversationId) ?? 0) - 1;
        if (left > 0) pages.set(conversationId, left);
        else pages.delete(conversationId);
      };
    },
  };
}
