import { Confirm } from '../kit/confirm';
import { FlashNotice } from '../kit/notice';
import type { Flash } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { CredentialForm, TrialParts } from './form';
import { cardId, upstream } from './group';
import type { CredentialGroup, CredentialScope, EffectiveView } from './models';
import { Share } from './share';

/**
 * A card for one group of variables: the source for each agent, the user's own values, and the administrator's switch.
 */
export function CredentialCard({ group, flash }: { group: CredentialGroup; flash?: Flash | undefined }) {
  const t = useText();
  const id = cardId(group.group);
  const isUpstream = group.group === upstream;
  return (
    <section id={id} class="card" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{isUpstream ? t.settings.sections.credentials : <code>{group.group}</code>}</h2>
      <p class="quiet">{isUpstream ? t.credentials.lead : t.credentials.otherLead}</p>
      <FlashNotice flash={flash} id={`${id}-said`} />
      <EffectiveList effective={group.effective} />
      {group.scopes
        .filter(({ scope }) => scope === '')
        .map((scope) => (
          <ScopeForm key={scope.scope} group={group.group} scope={scope} />
        ))}
      <OneAgentScopes group={group.group} scopes={group.scopes.filter(({ scope }) => scope !== '')} />
      {group.share && <Share group={group.group} share={group.share} />}
    </section>
  );
}

function scopeId(group: string, scope: string): string {
  return `${cardId(group)}-${scope || 'all'}`;
}

/** What each agent uses: one line where all use the same. */
function EffectiveList({ effective }: { effective: readonly EffectiveView[] }) {
  const t = useText();
  const [first] = effective;
  const alike = new Set(effective.map(({ agentName: _, ...what }) => JSON.stringify(what)));
  const shown =
    first && alike.size === 1 && effective.length > 1 ? [{ ...first, agentName: t.settings.allAgents }] : effective;
  return (
    <ul class="rows effective" aria-label={t.credentials.effective}>
      {shown.map((one) => (
        <Effective key={one.agentName} one={one} />
      ))}
    </ul>
  );
}

/** The credentials of single agents, closed until there are some: most people need none. */
function OneAgentScopes({ group, scopes }: { group: string; scopes: readonly CredentialScope[] }) {
  const t = useText().credentials;
  if (scopes.length === 0) return null;
  return (
    <details class="scope" open={scopes.some((scope) => scope.isSet || isAttended(scope))}>
      <summary>{t.ofOneAgent}</summary>
      {scopes.map((scope) => (
        <Scope key={scope.scope} group={group} scope={scope} />
      ))}
    </details>
  );
}

/** Whether a form has something to say. */
function isAttended(scope: CredentialScope): boolean {
  return scope.error !== undefined || scope.trial !== undefined || scope.fields.some((field) => field.error);
}

function Effective({ one }: { one: EffectiveView }) {
  const t = useText();
  const { agentName, source, model, host, missing, reason, modelSource, heldKey } = one;
  const words = t.credentials.effectiveSources;
  return (
    <li>
      <div>
        <p>{agentName}</p>
        {missing.length > 0 && (
          <p class="quiet">{t.missing.names(missing.map((name) => t.credentials.names[name] ?? name))}</p>
        )}
        {reason && (
          <p class="quiet">
            <Sentence of={reason} />
          </p>
        )}
        {missing.length === 0 && model && (
          <p class="quiet">
            {t.credentials.uses(model, host, modelSource && modelSource !== 'unset' ? words[modelSource] : undefined)}
          </p>
        )}
        {heldKey && <p class="quiet">{t.credentials.heldKey[heldKey]}</p>}
      </div>
      <span class="badge" data-source={source}>
        {words[source]}
      </span>
    </li>
  );
}

function Scope({ group, scope }: { group: string; scope: CredentialScope }) {
  const t = useText();
  return (
    <details class="scope" open={isAttended(scope)}>
      <summary>
        <span class="ellipsis">{t.credentials.only(scope.label)}</span>
        <span class="quiet">{scope.isSet ? t.credentials.own : t.credentials.asAll}</span>
      </summary>
      <ScopeForm group={group} scope={scope} />
    </details>
  );
}

interface ScopeFormProps {
  group: string;
  scope: CredentialScope;
  /** Query of the paths that are posted to: it names the page that is answered with, if that is not the settings. */
  query?: string;
}

/** The form of one scope, with the test of its values. */
export function ScopeForm({ group, scope, query = '' }: ScopeFormProps) {
  const t = useText().credentials;
  const id = scopeId(group, scope.scope);
  return (
    <div id={id} class="scope-form">
      {scope.scope === '' && <h3>{t.forAll}</h3>}
      <CredentialForm
        id={id}
        form={formOf(scope)}
        path="/settings/credentials"
        query={query}
        save={t.save}
        saveName={t.saveFor(scope.label)}
        scope={<input type="hidden" name="scope" value={scope.scope} />}
      >
        {scope.isSet && (
          <Confirm
            id={`${id}-clear`}
            triggerClass="button quiet-button push"
            trigger={t.clear}
            question={t.clearQuestion(scope.label)}
            consequence={group === upstream ? t.clearConsequence : t.clearOtherConsequence}
            action={`/settings/credentials/clear${query}`}
            label={t.clear}
            fields={{ scope: scope.scope, group }}
          />
        )}
      </CredentialForm>
    </div>
  );
}

const formOf = (scope: CredentialScope) => ({ ...scope, tier: scope.scope === '' ? 'global' : 'backend' }) as const;

/** What the test of a scope's values changes in its form. */
export function ScopeTrial({ group, scope }: { group: string; scope: CredentialScope }) {
  return <TrialParts id={scopeId(group, scope.scope)} form={formOf(scope)} />;
}
