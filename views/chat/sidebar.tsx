import { AccountMenu } from '../accounts/account-menu';
import { Icon, Mark } from '../icons';
import type { AgentGroup, ConversationLink, Shell } from '../models';
import { useText } from '../render';
import { RunnerBadge } from '../runners/runner';

/** Agents with their conversations. A popover on narrow screens, a column of the page on wide ones. */
export function Sidebar({ shell }: { shell: Shell }) {
  const t = useText();
  const current = shell.groups.find((group) => group.current) ?? shell.groups[0];
  return (
    <nav id="sidebar" popover="auto" aria-label={t.sidebar.label}>
      <div class="sidebar-head">
        <a class="brand" href="/">
          <Mark />
          {t.productName}
        </a>
        <button
          type="button"
          class="icon-button narrow-only"
          popovertarget="sidebar"
          popovertargetaction="hide"
          aria-label={t.sidebar.close}
        >
          <Icon name="x" />
        </button>
      </div>
      {current && (
        <a class="button new-conversation" href={`/agents/${current.agentId}`}>
          <Icon name="square-pen" />
          {t.sidebar.newConversation}
        </a>
      )}
      <div class="groups">
        {shell.groups.map((group) => (
          <Group key={group.agentId} group={group} />
        ))}
        {shell.groups.length === 0 && <p class="quiet">{t.sidebar.noAgents}</p>}
      </div>
      <AccountMenu user={shell.user} />
    </nav>
  );
}

function Group({ group }: { group: AgentGroup }) {
  const t = useText();
  const href = `/agents/${group.agentId}`;
  const headingId = `agent-${group.agentId}`;
  const here = group.current && !group.conversations.some((conversation) => conversation.current);
  return (
    <section class="group" aria-labelledby={headingId}>
      <div class="group-head">
        <h2 id={headingId}>
          <a href={href} aria-current={here ? 'page' : undefined}>
            {group.name}
          </a>
        </h2>
        {group.disabled ? <span class="badge">{t.sidebar.disabled}</span> : <RunnerBadge runner={group.runner} />}
        {!group.disabled && (
          <a class="icon-button small" href={href} aria-label={t.sidebar.newWith(group.name)}>
            <Icon name="plus" />
          </a>
        )}
      </div>
      {/* Empty, it is not shown: a conversation may come. */}
      <ul id={`conversations-${group.agentId}`}>
        {group.conversations.map((conversation) => (
          <ConversationItem key={conversation.id} conversation={conversation} />
        ))}
      </ul>
      {group.current && <p class="quiet">{t.sidebar.noConversations}</p>}
    </section>
  );
}

/** One conversation in the sidebar. */
export function ConversationItem({ conversation }: { conversation: ConversationLink }) {
  const t = useText();
  return (
    <li id={`conversation-link-${conversation.id}`}>
      <a
        class="conversation-link"
        href={`/conversations/${conversation.id}`}
        aria-current={conversation.current ? 'page' : undefined}
      >
        <span class="ellipsis" dir="auto">
          {conversation.title}
        </span>
        {conversation.streaming && (
          <span class="dot busy">
            <span class="visually-hidden">{t.sidebar.answering}</span>
          </span>
        )}
      </a>
    </li>
  );
}
