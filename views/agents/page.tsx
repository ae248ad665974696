import type { ComponentChildren } from 'preact';
import { AppLayout, TitleBar } from '../layout';
import type { AgentView, Shell } from '../models';
import { useText } from '../render';

type AgentTab = 'chat' | 'settings' | 'schedules' | 'files' | 'runner';

interface AgentPageProps {
  shell: Shell;
  agent: AgentView;
  tab: AgentTab;
  children: ComponentChildren;
}

/** A page about an agent: its name, and the ways to its other pages. */
export function AgentPage({ shell, agent, tab, children }: AgentPageProps) {
  const t = useText().agents;
  return (
    <AppLayout shell={shell} title={`${agent.name}: ${t.tabs[tab]}`}>
      <TitleBar dir="auto">{agent.name}</TitleBar>
      <div class="settings column">
        <AgentTabs agentId={agent.agentId} current={tab} />
        {children}
      </div>
    </AppLayout>
  );
}

function AgentTabs({ agentId, current }: { agentId: string; current: AgentTab }) {
  const t = useText().agents;
  const path = `/agents/${agentId}`;
  const tabs: [AgentTab, string][] = [
    ['chat', path],
    ['settings', `${path}/settings`],
    ['schedules', `${path}/schedules`],
    ['files', `${path}/files`],
    ['runner', `${path}/runner`],
  ];
  return (
    <nav class="tabs" aria-label={t.label}>
      {tabs.map(([tab, href]) => (
        <a key={tab} href={href} aria-current={tab === current ? 'page' : undefined}>
          {t.tabs[tab]}
        </a>
      ))}
    </nav>
  );
}
