import { AccountMenu } from '../../accounts/account-menu';
import { Icon, Mark } from '../../icons';
import type { AgentView, Shell } from '../../models';
import { useText } from '../../render';
import { RunnerBadge } from '../../runners/runner';
import { AgentMark } from '../agent-mark';
import { ConversationItems, PinnedItems } from './conversation-list';

/** Agents, and the conversations with all of them. A popover on narrow screens, a column of the page on wide ones. */
export function Sidebar({ shell }: { shell: Shell }) {
  const t = useText();
  const current = shell.agents.find((agent) => agent.current) ?? shell.agents[0];
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
      <a class="button search-link" href="/search" aria-keyshortcuts="/ Control+K">
        <Icon name="search" />
        {t.search.title}
        <span class="key" aria-hidden="true">
          /
        </span>
      </a>
      {current && (
        <a class="button new-conversation" href={`/agents/${current.agentId}`}>
          <Icon name="square-pen" />
          {t.sidebar.newConversation}
        </a>
      )}
      <SidebarLists shell={shell} />
      <AccountMenu user={shell.user} />
    </nav>
  );
}

function SidebarLists({ shell: { agents, conversations } }: { shell: Shell }) {
  const t = useText();
  const isInConversation = [...conversations.pinned, ...conversations.links].some((link) => link.current);
  return (
    <div class="sidebar-lists">
      {agents.length === 0 && <p class="quiet">{t.sidebar.noAgents}</p>}
      <section aria-labelledby="agents-title">
        <h2 id="agents-title" class="visually-hidden">
          {t.sidebar.agents}
        </h2>
        <ul class="agents">
          {agents.map((agent) => (
            <AgentItem key={agent.agentId} agent={agent} isHere={agent.current && !isInConversation} />
          ))}
        </ul>
        <a class="sidebar-link manage-agents" href="/agents">
          <Icon name="settings-2" />
          {t.sidebar.manage}
        </a>
      </section>
      {/* Empty, it is not shown: something may be pinned. */}
      <section class="pinned" aria-labelledby="pinned-title">
        <h2 id="pinned-title" class="day">
          {t.sidebar.pinned}
        </h2>
        <ul id="pinned">
          <PinnedItems list={conversations} />
        </ul>
      </section>
      <section aria-labelledby="conversations-title">
        <h2 id="conversations-title" class="visually-hidden">
          {t.sidebar.conversations}
        </h2>
        {/* Empty, it is not shown: a conversation may come. */}
        <ul id="conversations" data-today={t.days.today} data-yesterday={t.days.yesterday} data-week={t.days.week}>
          <ConversationItems list={conversations} />
        </ul>
        <p class="quiet">{t.sidebar.noConversations}</p>
      </section>
    </div>
  );
}

/** An agent, and the way to a new conversation with it. */
function AgentItem({ agent, isHere }: { agent: AgentView; isHere: boolean }) {
  const t = useText();
  return (
    <li>
      <a
        class="sidebar-link"
        href={`/agents/${agent.agentId}`}
        aria-current={isHere ? 'page' : undefined}
        title={agent.disabled ? undefined : t.sidebar.newWith(agent.name)}
      >
        <AgentMark agent={{ id: agent.agentId, name: agent.name }} />
        <span class="ellipsis" dir="auto">
          {agent.name}
        </span>
        {agent.disabled ? <span class="badge">{t.sidebar.disabled}</span> : <RunnerBadge runner={agent.runner} />}
      </a>
    </li>
  );
}
