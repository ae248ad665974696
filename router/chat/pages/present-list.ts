/** The user's list of conversations as views show it: a page at a time, over all agents. */
import type { ConversationLink, ConversationList } from '../../../views/models';
import type { Who } from '../../accounts/identify';
import type { AgentsService } from '../../agents/agents';
import type { Agent } from '../../agents/store';
import { type Reader, textOf } from '../../web/reader';
import type { ConversationsService } from '../conversations';
import type { Conversation } from '../store/conversations';
import type { ListedConversation, ListPlace, Shelf } from '../store/shelves';
import type { Current } from './present';

interface ListDeps {
  readonly agents: AgentsService;
  readonly conversations: ConversationsService;
}

/**
 * The page of a shelf before a place, or the first one. That of the list has what is pinned, and the current conversation
 * too, at its end if that is further down, so that the sidebar always says where its reader is.
 */
export async function conversationList(
  deps: ListDeps,
  who: Who,
  about: {
    readonly agents: readonly Agent[];
    readonly current: Current;
    readonly before?: ListPlace | undefined;
    readonly shelf?: Shelf;
  },
): Promise<ConversationList> {
  const { conversations } = deps;
  const { agents, current, before, shelf = 'list' } = about;
  const { id: userId } = who.user;
  const { conversationId } = current;
  const isFirst = shelf === 'list' && before === undefined;
  const pinned = isFirst ? await conversations.pinned(userId) : [];
  const rows = await conversations.list(userId, { before, shelf });
  const last = rows.at(-1);
  const isFurther = isFirst && conversationId !== undefined && rows.every(({ id }) => id !== conversationId);
  const further = isFurther ? await conversations.findListed(userId, conversationId) : undefined;
  const hasOlder =
    last !== undefined && (await conversations.list(userId, { before: last, limit: 1, shelf })).length > 0;
  const ofShelf = shelf === 'list' ? '' : `shelf=${shelf}&`;
  const link = (row: ListedConversation) => conversationLink(who, row, agents, current);
  return {
    shelf,
    pinned: pinned.map(link),
    links: [...rows, ...(further?.shelf === 'list' ? [further] : [])].map(link),
    ...(hasOlder && { olderHref: `/conversations?${ofShelf}before=${formatPlace(last)}` }),
    nowMs: conversations.nowMs(),
  };
}

export function conversationLink(
  reader: Reader,
  conversation: ListedConversation,
  agents: readonly Agent[],
  current: Current,
): ConversationLink {
  const { id, agentId, title, updatedAtMs, streaming, isUnread, shelf } = conversation;
  const isCurrent = id === current.conversationId;
  return {
    id,
    title: title || textOf(reader).conversation.untitled,
    agent: { id: agentId, name: agents.find((agent) => agent.id === agentId)?.name ?? '' },
    atMs: updatedAtMs,
    current: isCurrent,
    streaming,
    // The page itself shows it.
    unread: isUnread && (!isCurrent || current.isPast === true),
    shelf: shelfOf(shelf),
  };
}

/** The shelf of a conversation; for a deleted one, the shelf to which it is restored. */
export function shelfOf(shelf: Conversation['shelf']): Shelf {
  return shelf === 'deleted' ? 'list' : shelf;
}

function formatPlace({ updatedAtMs, id }: ListPlace): string {
  return `${updatedAtMs}.${id}`;
}

/** @returns `undefined` for what is no place. */
export function parsePlace(given: string | undefined): ListPlace | undefined {
  const [, ms, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(given ?? '') ?? [];
  return ms !== undefined && id !== undefined ? { updatedAtMs: Number(ms), id } : undefined;
}

/** Which links a page has, so that its stream need not tell them again. */
export function linksMark({ links, pinned }: ConversationList): string {
  const shown = [...pinned, ...links].map(({ id, title, streaming, unread, shelf }) => [
    ...[id, title, streaming, unread, shelf],
  ]);
  return Bun.hash(JSON.stringify(shown)).toString(36);
}
