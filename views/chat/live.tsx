/**
 * The events of a chat page's live stream: pieces that each name the part they go to. A target that is not on the
 * page is skipped, so one stream serves every page.
 */

import type { Change } from '../growth';
import { Notice } from '../kit/notice';
import type { ConversationLink, ConversationList, MessageView, RunnerView, Shelf } from '../models';
import { useText } from '../render';
import { AvailabilityNotice } from '../runners/availability';
import { RunnerBadge, RunnerPanel } from '../runners/runner';
import { Archived } from './archived';
import { Composer, ComposerActions } from './composer';
import { ConversationTitle } from './conversation';
import { ConversationItem, ConversationItems, PinnedItems } from './conversation-list';
import { Message } from './message';
import type { StepView } from './models';
import { Undoable, UndoForm } from './options';
import { Step } from './steps';

/** The page's end of a stream. */
export function LiveConnection({ url }: { url: string }) {
  return (
    // Events carry only hx-partials, so the element itself swaps nothing. app/stream.js fires `retry` when the first connection
    // fails; later ones are retried by hx-sse itself, at least every 5 s.
    <div
      id="live"
      hx-sse:connect={url}
      hx-swap="none"
      hx-trigger="load, retry"
      hx-config='{"sse": {"reconnectMaxDelay": 5000}}'
    />
  );
}

/** The voice that says how an answer ended. */
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

/** A step that was not there before. */
export function LiveStepAppend({ step }: { step: StepView }) {
  const messageId = step.id.split('-')[1];
  return (
    <hx-partial hx-target={`#steps-${messageId}`} hx-swap="beforeend">
      <Step step={step} />
    </hx-partial>
  );
}

/** A step that changed. */
export function LiveStep({ step }: { step: StepView }) {
  return (
    <hx-partial hx-target={`#${step.id}`} hx-swap="outerHTML">
      <Step step={step} />
    </hx-partial>
  );
}

/** A thought that is over, of which the page has the text. */
export function LiveStepEnd({ step }: { step: StepView }) {
  return (
    <hx-partial hx-target={`#${step.id}`} hx-swap="outerMorph">
      <Step step={step} />
    </hx-partial>
  );
}

/** The growth of the answer that is being written, for the event `grow`; of its thought, for the event `think`. */
export function growthData(changes: readonly Change[]): string {
  return JSON.stringify(changes);
}

/** A word for those who cannot see it: how an answer ended, or that the agent said something unasked. */
export function LiveAnnouncement({ status }: { status: MessageView['status'] | 'unasked' }) {
  const t = useText();
  const words = {
    streaming: '',
    done: t.message.announceDone,
    stopped: t.message.announceStopped,
    failed: t.message.announceFailed,
    unasked: t.message.announceUnasked,
  };
  return (
    <hx-partial hx-target="#status" hx-swap="innerHTML">
      {words[status]}
    </hx-partial>
  );
}

/** The runner's state, and whether there can be one, wherever the page shows it. */
export function LiveRunner({ runner }: { runner: RunnerView }) {
  const { agentId } = runner;
  return (
    <>
      <hx-partial hx-target={`#runner-${agentId}`} hx-swap="outerHTML">
        <RunnerBadge runner={runner} />
      </hx-partial>
      <hx-partial hx-target={`#runner-bar-${agentId}`} hx-swap="outerHTML">
        <RunnerBadge runner={runner} place="bar" />
      </hx-partial>
      <hx-partial hx-target={`#runner-panel-${agentId}`} hx-swap="outerMorph">
        <RunnerPanel runner={runner} />
      </hx-partial>
      <hx-partial hx-target={`#availability-${agentId}`} hx-swap="innerMorph">
        <AvailabilityNotice runner={runner} />
      </hx-partial>
    </>
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

/** The first page of conversations, for a page that has others. */
export function LiveConversations({ list }: { list: ConversationList }) {
  return (
    <>
      <hx-partial hx-target="#pinned" hx-swap="innerMorph">
        <PinnedItems list={list} />
      </hx-partial>
      <hx-partial hx-target="#conversations" hx-swap="innerMorph">
        <ConversationItems list={list} />
      </hx-partial>
    </>
  );
}

/** The ids of the lists that have a conversation's link by where it is kept. */
const LISTS = { list: 'conversations', pinned: 'pinned', archived: 'archived' } as const;

/**
 * A conversation's entry in its list and, when it is the one on the page, its title. app/conversations.js puts the entry where its time
 * belongs, and takes it out of another list.
 */
export function LiveConversationLink({ conversation }: { conversation: ConversationLink }) {
  const t = useText();
  return (
    <>
      {/* Most pages do not have the list of those. */}
      {conversation.shelf === 'archived' && <LiveConversationRemove conversationId={conversation.id} />}
      <hx-partial hx-target={`#${LISTS[conversation.shelf]}`} hx-swap="afterbegin">
        <ConversationItem conversation={conversation} />
      </hx-partial>
      {conversation.current && (
        <hx-partial hx-target="#conversation-title" hx-swap="outerHTML">
          <ConversationTitle title={conversation.title} />
        </hx-partial>
      )}
      {/* htmx takes a title outside of a partial as the document's. */}
      {conversation.current && <title>{t.pageTitle(conversation.title)}</title>}
    </>
  );
}

/** A conversation that was deleted. */
export function LiveConversationRemove({ conversationId }: { conversationId: string }) {
  return <hx-partial hx-target={`#conversation-link-${conversationId}`} hx-swap="delete" />;
}

interface GoneProps {
  agentId: string;
  agentName: string;
  conversationId: string;
  /** Where it can be brought back to. */
  undoTo: Shelf | undefined;
}

/** The page's own conversation was deleted elsewhere: what is on the page stays to be read and copied. */
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

/** What the reader did with a conversation in the list, with the way back; without it, nothing. */
export function LiveUndo({ undoable }: { undoable: Parameters<typeof Undoable>[0] | undefined }) {
  return (
    <hx-partial hx-target="#undo" hx-swap="innerHTML">
      {undoable && <Undoable {...undoable} />}
    </hx-partial>
  );
}

/** A message that is no longer there, e.g. an answer that is asked for again. */
export function LiveMessageRemove({ messageId }: { messageId: string }) {
  return <hx-partial hx-target={`#message-${messageId}`} hx-swap="delete" />;
}
