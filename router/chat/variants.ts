/**
 * Variants: a message that its author edits, an answer that is asked for again, and which of them is shown. What
 * is being written in the conversation is stopped first.
 */
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import type { AttachmentsService } from './attachments/attachments';
import type { GenerationsService } from './generations/generations';
import type { Conversation, ConversationsStore, Message } from './store/conversations';
import type { MessageHead } from './store/messages';
import type { PathChange } from './store/tree';

export type VariantsService = ReturnType<typeof variantsService>;

export function variantsService(deps: {
  attachments: AttachmentsService;
  conversations: ConversationsStore;
  generations: GenerationsService;
  events: Events;
}) {
  const { attachments, conversations, generations, events } = deps;

  function tell({ id: conversationId, userId }: Conversation, { gone, after }: PathChange): void {
    for (const messageId of gone) events.publish(userId, { kind: 'message.removed', conversationId, messageId });
    events.publish(userId, { kind: 'path', conversationId, after });
    events.publish(userId, { kind: 'conversation', conversationId });
  }

  /** Throws `conflict` for a message of another variant. */
  function requireShown({ isHidden }: MessageHead): void {
    if (!isHidden) return;
    throw new AppError('conflict', { message: 'Another variant of this message is shown now. Reload the page.' });
  }

  return {
    /**
     * Says a message of the user otherwise, and starts the answer to it.
     * @param keeps the ids of those of its files that the new one has too.
     */
    async edit(
      conversation: Conversation,
      message: MessageHead,
      { text, keeps }: { readonly text: string; readonly keeps: readonly string[] },
    ): Promise<Message> {
      requireShown(message);
      if (message.role !== 'user') throw new AppError('conflict', { message: 'Only messages of yours can be edited.' });
      await generations.stopIn(conversation.id);
      const had = (await attachments.ofMessages([message])).get(message.id) ?? [];
      const files = had.filter(({ id }) => keeps.includes(id)).map(({ id: _, ...file }) => file);
      return generations.start(conversation, text, { after: await conversations.parentOf(message), files });
    },

    /** Asks for an answer again. The new one takes the place of an answer without text, otherwise it is a variant. */
    async retry(conversation: Conversation, { id }: MessageHead): Promise<Message> {
      const message = await conversations.findMessage(id);
      if (!message) throw new AppError('not_found', { message: 'There is no such message.' });
      requireShown(message);
      if (message.role !== 'assistant' || message.callbackId !== null || message.status === 'streaming') {
        throw new AppError('conflict', { message: 'Only an answer that has ended can be asked for again.' });
      }
      await generations.stopIn(conversation.id);
      const [newest] = await conversations.heads(conversation.id, { limit: 1 });
      const isBlank = message.content === '' && !message.calls && newest?.id === message.id;
      if (isBlank) return generations.startAgain(conversation, { replacesId: message.id });
      const after = await conversations.parentOf(message);
      return generations.startAgain(conversation, { after, results: message.results ?? [] });
    },

    /** Shows the variant that begins with a message. */
    async show(conversation: Conversation, message: MessageHead): Promise<void> {
      if (!message.isHidden) return;
      await generations.stopIn(conversation.id);
      const change = await conversations.showVariant(message.id);
      if (!change) throw new AppError('answer_running');
      tell(conversation, change);
    },

    /** Deletes a message and what follows it. Another variant of it is shown, where there is one. */
    async deleteFrom(conversation: Conversation, message: MessageHead): Promise<void> {
      await generations.stopIn(conversation.id);
      const change = await conversations.deleteBelow(message.id, { itself: true });
      if (change) tell(conversation, change);
    },
  };
}
