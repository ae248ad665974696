import { Confirm } from '../kit/confirm';
import { FlashNotice, Notice } from '../kit/notice';
import type { Flash } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { cardId, upstream } from './group';
import { CredentialInput } from './input';
import type { CredentialField, CredentialGroup, CredentialScope, EffectiveView, TrialView } from './models';
import { choicesMax } from './models';
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
  /** Of the paths that are posted to, for a page that is answered to in place of the settings. */
  query?: string;
}

/** The form of one scope, with the test of its values. */
export function ScopeForm({ group, scope, query = '' }: ScopeFormProps) {
  const t = useText();
  const id = scopeId(group, scope.scope);
  const hasUpstream = scope.fields.some((field) => field.name === 'LLM_BASE_URL');
  return (
    <div id={id} class="scope-form">
      {scope.scope === '' && <h3>{t.credentials.forAll}</h3>}
      {scope.error && (
        <Notice kind="bad" role="alert">
          <Sentence of={scope.error} />
        </Notice>
      )}
      <form id={`${id}-form`} method="post" action={`/settings/credentials${query}`} autocomplete="off">
        <input type="hidden" name="scope" value={scope.scope} />
        {scope.fields.map((field) => (
          <ScopeField key={field.name} id={`${id}-${field.name}`} scope={scope.scope} field={field} />
        ))}
      </form>
      {hasUpstream && <Trial id={id} trial={scope.trial} />}
      <div class="row">
        {/* First in the order of the page, so that Enter saves. */}
        <button
          type="submit"
          form={`${id}-form`}
          class="button primary"
          aria-label={t.credentials.saveFor(scope.label)}
        >
          {t.credentials.save}
        </button>
        {hasUpstream && (
          <button
            type="submit"
            form={`${id}-form`}
            class="button"
            formaction={`/settings/credentials/try${query}`}
            hx-post={`/settings/credentials/try${query}`}
            hx-target={`#${id}-trial`}
            hx-swap="outerHTML"
            hx-disable="this"
          >
            {t.credentials.try}
          </button>
        )}
        {scope.isSet && (
          <Confirm
            id={`${id}-clear`}
            triggerClass="button quiet-button push"
            trigger={t.credentials.clear}
            question={t.credentials.clearQuestion(scope.label)}
            consequence={group === upstream ? t.credentials.clearConsequence : t.credentials.clearOtherConsequence}
            action={`/settings/credentials/clear${query}`}
            label={t.credentials.clear}
            fields={{ scope: scope.scope, group }}
          />
        )}
      </div>
    </div>
  );
}

function ScopeField({ id, scope, field }: { id: string; scope: string; field: CredentialField }) {
  const t = useText();
  const isHere = field.source === (scope === '' ? 'global' : 'backend');
  return (
    <CredentialInput
      id={id}
      field={field}
      badge={isHere ? t.credentials.sources.here : t.credentials.sources[field.source]}
    />
  );
}

/** The result of a connection test. */
function Trial({ id, trial }: { id: string; trial: TrialView | undefined }) {
  const t = useText();
  return (
    <div id={`${id}-trial`} class="trial">
      {trial?.error !== undefined && (
        <Notice kind="bad" role="alert">
          <Sentence of={trial.error} />
        </Notice>
      )}
      {trial?.models && (
        <Notice kind="good" role="status">
          <p>{t.credentials.answers(trial.models.length, trial.models.length <= choicesMax)}</p>
          {trial.keyIsGone && <p>{t.credentials.keyIsGone}</p>}
        </Notice>
      )}
    </div>
  );
}

/**
 * The test's answer: replaces the result, and turns the model into a choice. Keeps the typed values, which the server
 * does not know.
 */
export function TrialParts({ group, scope }: { group: string; scope: CredentialScope }) {
  const id = scopeId(group, scope.scope);
  const model = scope.fields.find(({ choices }) => choices !== undefined);
  return (
    <>
      <Trial id={id} trial={scope.trial} />
      {model && (
        <hx-partial hx-target={`#${id}-${model.name}-field`} hx-swap="outerHTML">
          <ScopeField id={`${id}-${model.name}`} scope={scope.scope} field={model} />
        </hx-partial>
      )}
    </>
  );
}
