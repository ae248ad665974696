/**
 * The events of a chat page's live stream: pieces that each name the part they go to, and steps of the growing answer. A target
 * that is not on the page is skipped, so one stream serves every page.
 */

import type { Change } from '../growth';
import { Notice } from '../kit/notice';
import type { MessageView, Shelf } from '../models';
import { useText } from '../render';
import { Archived } from './archived';
import { Composer, ComposerActions } from './composer';
import { Message } from './message/message';
import { Fold, FoldLine, Step } from './message/steps';
import type { FoldView, StepView } from './models';
import { UndoForm } from './options';
import { Unsaved } from './unsaved';

/** The live region for screen readers, which announces how an answer ended. */
export function LiveVoice() {
  return <p id="status" class="visually-hidden" role="status" />;
}

/** A message that was not there before. app/swap.js puts it in place of one with the same id, so a repeat does no harm. */
export function LiveMessageAppend({ message }: { message: MessageView }) {
  return (
    <hx-partial hx-target="#messages" hx-swap="beforeend">
      <Message message={message} />
    </hx-partial>
  );
}

/** A message that changed as a whole, e.g. an answer that is tried again. */
export function LiveMessageReplace({ message }: { message: MessageView }) {
  return (
    <hx-partial hx-target={`#message-${message.id}`} hx-swap="outerHTML">
      <Message message={message} />
    </hx-partial>
  );
}

/**
 * Everything of an answer but its text: the progress of the runner's start, that more is not shown, how it ended. Morphed,
 * so that the page keeps its text with what is selected in it.
 */
export function LiveMessageAround({ message }: { message: MessageView }) {
  return (
    <hx-partial hx-target={`#message-${message.id}`} hx-swap="outerMorph">
      <Message message={message} />
    </hx-partial>
  );
}

/** A step of the growing answer that is new or has changed. app/swap.js finds its place: a partial to name it would be as long again. */
export function LiveStep({ step }: { step: StepView }) {
  return <Step step={step} />;
}

/** The line above the steps, when they have become many. */
export function LiveFold(props: { messageId: string; fold: FoldView }) {
  return (
    <hx-partial hx-target={`#steps-${props.messageId}`} hx-swap="afterbegin">
      <Fold {...props} />
    </hx-partial>
  );
}

/** The new text of that line. app/swap.js finds its place; the line stays unfolded, and keeps the focus. */
export function LiveFoldLine({ fold }: { fold: FoldView }) {
  return (
    <summary>
      <FoldLine fold={fold} />
    </summary>
  );
}

/** The growth of the answer that is being written, for the event `grow`; of its thought, for the event `think`. */
export function growthData(changes: readonly Change[]): string {
  return JSON.stringify(changes);
}

/** Announces to screen readers how an answer ended, or that the agent wrote something unasked. */
export function LiveAnnouncement({ status }: { status: MessageView['status'] | 'incomplete' | 'unasked' }) {
  const t = useText();
  const words = {
    streaming: '',
    done: t.message.announceDone,
    stopped: t.message.announceStopped,
    failed: t.message.announceFailed,
    incomplete: t.message.announceIncomplete,
    unasked: t.message.announceUnasked,
  };
  return (
    <hx-partial hx-target="#status" hx-swap="innerHTML">
      {words[status]}
    </hx-partial>
  );
}

/** Send, or Stop while an answer streams. */
export function LiveComposerActions({ streamingId }: { streamingId?: string | undefined }) {
  return (
    <hx-partial hx-target="#composer-actions" hx-swap="outerHTML">
      <ComposerActions streamingId={streamingId} />
    </hx-partial>
  );
}

interface GoneProps {
  agentId: string;
  agentName: string;
  conversationId: string;
  /** Where it can be brought back to. */
  undoTo: Shelf | undefined;
}

/** The page's own conversation was deleted in another page: its messages stay, to be read and copied. */
export function LiveConversationGone({ agentId, agentName, conversationId, undoTo }: GoneProps) {
  const t = useText();
  return (
    <hx-partial hx-target="#composer" hx-swap="outerHTML">
      <Notice id="conversation-gone" kind="info">
        <p>{t.conversation.gone}</p>
        <div class="row">
          {undoTo && <UndoForm conversationId={conversationId} shelf={undoTo} label={t.conversation.undo} inPlace />}
          <a class="button" href={`/agents/${agentId}`}>
            {t.sidebar.newWith(agentName)}
          </a>
        </div>
      </Notice>
    </hx-partial>
  );
}

/** The page's own conversation was deleted and is there again. */
export function LiveConversationBack(props: Parameters<typeof Composer>[0]) {
  return (
    <hx-partial hx-target="#conversation-gone" hx-swap="outerHTML">
      <Composer {...props} />
    </hx-partial>
  );
}

/** The page's own conversation was archived, or is not archived any more. */
export function LiveArchived(props: { conversationId: string; isArchived: boolean }) {
  return (
    <hx-partial hx-target="#archived-notice" hx-swap="outerHTML">
      <Archived {...props} />
    </hx-partial>
  );
}

/** The database refuses the newest turn of the page's own conversation, or has taken it. */
export function LiveUnsaved(props: { isUnsaved: boolean }) {
  return (
    <hx-partial hx-target="#unsaved-notice" hx-swap="outerHTML">
      <Unsaved {...props} />
    </hx-partial>
  );
}

/** A message that is no longer there, e.g. an answer that is asked for again. */
export function LiveMessageRemove({ messageId }: { messageId: string }) {
  return <hx-partial hx-target={`#message-${messageId}`} hx-swap="delete" />;
}
