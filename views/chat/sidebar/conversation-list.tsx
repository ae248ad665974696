import type { ConversationLink, ConversationList } from '../../models';
import { useText } from '../../render';
import { AgentMark } from '../agent-mark';
import { dayOf } from '../days';
import { OptionsButton } from '../options';

/**
 * Conversations under the days on which they last changed, and the way to older ones. The days are UTC's: app/conversations.js puts
 * those of the reader in their place.
 * @param props.isPage whether the list is a page of its own, beside that of the sidebar, which has the ids.
 */
export function ConversationItems({ list, isPage = false }: { list: ConversationList; isPage?: boolean }) {
  const t = useText();
  const { links, nowMs, olderHref } = list;
  const days = links.map(({ atMs }) => dayOf(t.days, atMs, nowMs));
  return (
    <>
      {links.map((conversation, index) => [
        days[index] !== days[index - 1] && (
          <li key={days[index]} class="day">
            {days[index]}
          </li>
        ),
        <ConversationItem key={conversation.id} conversation={conversation} isPage={isPage} />,
      ])}
      {olderHref && (
        <li class="older">
          <a
            class="button"
            href={olderHref}
            {...(!isPage && {
              'hx-get': olderHref,
              'hx-trigger': 'click, intersect once',
              'hx-target': 'closest .older',
              'hx-swap': 'outerHTML',
            })}
          >
            {t.sidebar.older}
          </a>
        </li>
      )}
    </>
  );
}

/** What the reader has pinned, above all days. */
export function PinnedItems({ list }: { list: ConversationList }) {
  return list.pinned.map((conversation) => <ConversationItem key={conversation.id} conversation={conversation} />);
}

/** One conversation of the list. */
export function ConversationItem({ conversation, isPage }: { conversation: ConversationLink; isPage?: boolean }) {
  const t = useText();
  const { id, title, agent, atMs, current, streaming, unread } = conversation;
  return (
    <li id={isPage ? undefined : `conversation-link-${id}`} class="conversation-link" data-at={atMs}>
      <a
        class="sidebar-link"
        href={`/conversations/${id}`}
        aria-current={current ? 'page' : undefined}
        title={agent.name}
      >
        <AgentMark agent={agent} />
        <span class="ellipsis" dir="auto">
          {title}
        </span>
        {(streaming || unread) && (
          <span class={streaming ? 'dot busy' : 'dot unread'}>
            <span class="visually-hidden">{streaming ? t.sidebar.answering : t.sidebar.unread}</span>
          </span>
        )}
      </a>
      {!isPage && <OptionsButton id={id} title={title} />}
    </li>
  );
}
