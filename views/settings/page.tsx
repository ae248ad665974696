import { Keys } from '../accounts/keys';
import type { KeyView, YouView } from '../accounts/models';
import { You } from '../accounts/you';
import { CredentialCard } from '../credentials/credentials';
import { cardId } from '../credentials/group';
import type { CredentialGroup } from '../credentials/models';
import { AppLayout, TitleBar } from '../layout';
import type { Flash, FormState, IdleView, Shell } from '../models';
import { useText } from '../render';
import { IdleTimes } from './idle';
import { NotifyChoice } from './notify-choice';
import { ThemeChoice } from './theme-choice';

interface SettingsProps {
  shell: Shell;
  you: YouView;
  /** Scopes include refused values and results of tests. */
  credentials: CredentialGroup[];
  keys: KeyView[];
  /** The agents that a key may be limited to. */
  keyBackends?: { value: string; label: string }[] | undefined;
  createdKey?: { name: string; key: string } | undefined;
  idle: IdleView[];
  /** What the last form has done, in the card of that form. */
  said?: { card: string; flash: Flash } | undefined;
  /** Refused forms with the typed values. */
  forms?: { key?: FormState | undefined } | undefined;
  /** The base URL for programs, for example `https://agents.example/v1`. */
  apiUrl?: string | undefined;
}

/** All settings of a user, one card each. */
export function SettingsPage(props: SettingsProps) {
  const t = useText();
  const flashIn = (card: string) => (props.said?.card === card ? props.said.flash : undefined);
  return (
    <AppLayout shell={props.shell} title={t.settings.title}>
      <TitleBar>{t.settings.title}</TitleBar>
      <div class="settings column">
        <nav class="settings-nav" aria-label={t.settings.nav}>
          <a href="#you">{t.you.title}</a>
          <a href="#credentials">{t.settings.sections.credentials}</a>
          <a href="#keys">{t.settings.sections.keys}</a>
          <a href="/usage">{t.usage.title}</a>
          <a href="/agents">{t.agents.title}</a>
          <a href="#idle">{t.settings.sections.idle}</a>
          <a href="#browser" class="script-only">
            {t.settings.sections.browser}
          </a>
        </nav>
        <You you={props.you} flash={flashIn('you')} />
        {props.credentials.map((group) => (
          <CredentialCard key={group.group} group={group} flash={flashIn(cardId(group.group))} />
        ))}
        <Keys
          keys={props.keys}
          backends={props.keyBackends ?? []}
          created={props.createdKey}
          form={props.forms?.key}
          apiUrl={props.apiUrl}
          flash={flashIn('keys')}
        />
        <IdleTimes idle={props.idle} flash={flashIn('idle')} />
        <section id="browser" class="card script-only" aria-labelledby="browser-title">
          <h2 id="browser-title">{t.settings.sections.browser}</h2>
          <p class="quiet">{t.browser.lead}</p>
          <ThemeChoice />
          <NotifyChoice />
        </section>
      </div>
    </AppLayout>
  );
}
