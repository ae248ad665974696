/** The user's list of conversations as views show it: a page at a time, over all agents. */
import type { ConversationLink, ConversationList } from '../../views/models';
import type { Who } from '../accounts/identify';
import type { AgentsService } from '../agents/agents';
import type { Agent } from '../agents/store';
import { type Reader, textOf } from '../web/reader';
import type { ConversationsService } from './conversations';
import type { Current } from './present';
import type { ListedConversation, ListPlace } from './store';

export interface ListDeps {
  readonly agents: AgentsService;
  readonly conversations: ConversationsService;
}

/**
 * The page of the list before a place, or the first one. That one has the current conversation too, at its end if that is
 * further down, so that the sidebar always says where its reader is.
 */
export async function conversationList(
  deps: ListDeps,
  who: Who,
  about: { readonly agents: readonly Agent[]; readonly current: Current; readonly before?: ListPlace | undefined },
): Promise<ConversationList> {
  const { agents, current, before } = about;
  const { conversationId } = current;
  const rows = await deps.conversations.list(who.user.id, before);
  const last = rows.at(-1);
  const isFurther =
    before === undefined && conversationId !== undefined && rows.every(({ id }) => id !== conversationId);
  const further = isFurther ? await deps.conversations.findListed(who.user.id, conversationId) : undefined;
  const hasOlder = last !== undefined && (await deps.conversations.list(who.user.id, last, 1)).length > 0;
  return {
    links: [...rows, ...(further ? [further] : [])].map((row) => conversationLink(who, row, agents, current)),
    ...(hasOlder && { olderHref: `/conversations?before=${formatPlace(last)}` }),
    nowMs: deps.conversations.nowMs(),
  };
}

export function conversationLink(
  reader: Reader,
  conversation: ListedConversation,
  agents: readonly Agent[],
  current: Current,
): ConversationLink {
  const { id, agentId, title, updatedAtMs, streaming, isUnread } = conversation;
  return {
    id,
    title: title || textOf(reader).conversation.untitled,
    agent: { id: agentId, name: agents.find((agent) => agent.id === agentId)?.name ?? '' },
    atMs: updatedAtMs,
    current: id === current.conversationId,
    streaming,
    unread: isUnread,
  };
}

function formatPlace({ updatedAtMs, id }: ListPlace): string {
  return `${updatedAtMs}.${id}`;
}

/** @returns `undefined` for what is no place. */
export function parsePlace(given: string | undefined): ListPlace | undefined {
  const [, ms, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(given ?? '') ?? [];
  return ms !== undefined && id !== undefined ? { updatedAtMs: Number(ms), id } : undefined;
}
