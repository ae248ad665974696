import { AgentMark } from '../chat/agent-mark';
import { Field, fieldOf } from '../kit/field';
import { FlashNotice, FormNotice } from '../kit/notice';
import { SelectField } from '../kit/select';
import { AppLayout, TitleBar } from '../layout';
import type { AgentView, Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import type { KindView } from './models';

interface AgentsProps {
  shell: Shell;
  /** Backend → its name for people. */
  kinds: readonly KindView[];
  form: FormState;
  flash?: Flash | undefined;
}

/** The user's agents, and a form to make another. */
export function AgentsPage({ shell, kinds, form, flash }: AgentsProps) {
  const t = useText().agents;
  const open = kinds.filter(({ left }) => left > 0);
  return (
    <AppLayout shell={shell} title={t.title}>
      <TitleBar>{t.title}</TitleBar>
      <div class="settings column">
        <FlashNotice flash={flash} id="flash" />
        <section id="agents" class="card" aria-labelledby="your-agents">
          <h2 id="your-agents">{t.yours}</h2>
          <ul class="rows">
            {shell.agents.map((agent) => (
              <AgentRow
                key={agent.agentId}
                agent={agent}
                kind={kinds.find(({ backend }) => backend === agent.backend)}
              />
            ))}
          </ul>
        </section>
        <section id="new-agent" class="card" aria-labelledby="new-agent-title">
          <h2 id="new-agent-title">{t.create}</h2>
          <p class="quiet">{open.length === 0 ? t.createNone : t.createLead}</p>
          {open.length > 0 && (
            <form method="post" action="/agents" class="scope-form">
              <FormNotice form={form} />
              <Field id="new-name" {...fieldOf(form, 'name')} label={t.name} autocomplete="off" required />
              <SelectField
                id="new-backend"
                {...fieldOf(form, 'backend')}
                label={t.kindLabel}
                groups={[
                  {
                    options: open.map(({ backend, name, left }) => ({ value: backend, label: t.kindLeft(name, left) })),
                  },
                ]}
              />
              <div class="row">
                <button type="submit" class="button primary">
                  {t.createNow}
                </button>
              </div>
            </form>
          )}
        </section>
      </div>
    </AppLayout>
  );
}

function AgentRow({ agent, kind }: { agent: AgentView; kind: KindView | undefined }) {
  const t = useText().agents;
  const path = `/agents/${agent.agentId}`;
  return (
    <li>
      <AgentMark agent={{ id: agent.agentId, name: agent.name }} />
      <div class="grow">
        <p class="row-title">
          <a class="ellipsis" href={path} dir="auto">
            {agent.name}
          </a>
        </p>
        {kind && kind.name !== agent.name && <p class="quiet">{kind.name}</p>}
      </div>
      <a class="button" href={`${path}/settings`} aria-label={t.settingsOf(agent.name)}>
        {t.tabs.settings}
      </a>
    </li>
  );
}
