/** The events of a live stream that are about the sidebar: the runners of its agents, and its list of conversations. */

import type { ConversationLink, ConversationList, RunnerView } from '../../models';
import { useText } from '../../render';
import { AvailabilityNotice } from '../../runners/availability';
import { RunnerBadge, RunnerPanel } from '../../runners/runner';
import { ConversationTitle } from '../conversation';
import { Undoable } from '../options';
import { ConversationItem, ConversationItems, PinnedItems } from './conversation-list';

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
 * A conversation's entry in its list and, when it is the one on the page, its title. app/conversations.js puts the entry
 * where its time belongs, and takes it out of another list.
 */
export function LiveConversationLink({ conversation }: { conversation: ConversationLink }) {
  return (
    <>
      {/* Most pages do not have the list of those. */}
      {conversation.shelf === 'archived' && <LiveConversationRemove conversationId={conversation.id} />}
      <hx-partial hx-target={`#${LISTS[conversation.shelf]}`} hx-swap="afterbegin">
        <ConversationItem conversation={conversation} />
      </hx-partial>
      {conversation.current && <LiveTitle title={conversation.title} />}
    </>
  );
}

/** The title of the conversation on the page. */
export function LiveTitle({ title }: { title: string }) {
  const t = useText();
  return (
    <>
      <hx-partial hx-target="#conversation-title" hx-swap="outerHTML">
        <ConversationTitle title={title} />
      </hx-partial>
      {/* htmx takes a title outside of a partial as the document's. */}
      <title>{t.pageTitle(title)}</title>
    </>
  );
}

/** A conversation that was deleted. */
export function LiveConversationRemove({ conversationId }: { conversationId: string }) {
  return <hx-partial hx-target={`#conversation-link-${conversationId}`} hx-swap="delete" />;
}

/** What the reader did with a conversation in the list, with the way back; without it, nothing. */
export function LiveUndo({ undoable }: { undoable: Parameters<typeof Undoable>[0] | undefined }) {
  return (
    <hx-partial hx-target="#undo" hx-swap="innerHTML">
      {undoable && <Undoable {...undoable} />}
    </hx-partial>
  );
}
