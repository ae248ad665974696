import { Confirm } from '../kit/confirm';
import { Notice } from '../kit/notice';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { CredentialInput } from './input';
import type { CredentialField, CredentialGroup, CredentialScope, EffectiveView, ShareView, TrialView } from './models';
import { choicesMax } from './models';

/** The variables of an upstream. */
const upstream = 'llm';

/**
 * A card for one group of variables: the source for each agent, the user's own values, and the administrator's switch.
 */
export function CredentialCard({ group }: { group: CredentialGroup }) {
  const t = useText();
  const id = cardId(group.group);
  const isUpstream = group.group === upstream;
  return (
    <section id={id} class="card" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{isUpstream ? t.settings.sections.credentials : <code>{group.group}</code>}</h2>
      <p class="quiet">{isUpstream ? t.credentials.lead : t.credentials.otherLead}</p>
      <ul class="rows effective" aria-label={t.credentials.effective}>
        {group.effective.map((one) => (
          <Effective key={one.agentName} one={one} />
        ))}
      </ul>
      {group.scopes.map((scope) => (
        <Scope key={scope.scope} group={group.group} scope={scope} />
      ))}
      {group.share && <Share group={group.group} share={group.share} />}
    </section>
  );
}

function cardId(group: string): string {
  return group === upstream ? 'credentials' : `variable-${group}`;
}

function scopeId(group: string, scope: string): string {
  return `${cardId(group)}-${scope || 'all'}`;
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
  if (scope.scope === '') return <ScopeForm group={group} scope={scope} />;
  const open = scope.error !== undefined || scope.trial !== undefined || scope.fields.some((field) => field.error);
  return (
    <details class="scope" open={open}>
      <summary>
        <span class="ellipsis">{t.credentials.only(scope.label)}</span>
        <span class="quiet">{scope.isSet ? t.credentials.own : t.credentials.asAll}</span>
      </summary>
      <ScopeForm group={group} scope={scope} />
    </details>
  );
}

function ScopeForm({ group, scope }: { group: string; scope: CredentialScope }) {
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
      <form id={`${id}-form`} method="post" action="/settings/credentials" autocomplete="off">
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
            formaction="/settings/credentials/try"
            hx-post="/settings/credentials/try"
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
            action="/settings/credentials/clear"
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

function Share({ group, share }: { group: string; share: ShareView }) {
  const t = useText();
  const id = `${cardId(group)}-share`;
  const words = group === upstream ? t.credentials.share : t.credentials.shareOther;
  return (
    <div id={id} class="sharing">
      <h3>{t.credentials.shareTitle}</h3>
      <p class="quiet">{share.isShared ? words.on : words.off}</p>
      {share.receivers.length > 0 && <p class="quiet">{words.receivers(share.receivers)}</p>}
      {!share.canShare && <p class="quiet">{share.isShared ? words.gone : words.nothing}</p>}
      {share.isShared ? (
        <Confirm
          id={`${id}-stop`}
          triggerClass="button"
          trigger={t.credentials.unshare}
          question={t.credentials.unshareQuestion}
          consequence={words.stop}
          action="/settings/credentials/share"
          label={t.credentials.unshare}
          fields={{ group, shared: 'false' }}
        />
      ) : (
        <form method="post" action="/settings/credentials/share">
          <input type="hidden" name="group" value={group} />
          <input type="hidden" name="shared" value="true" />
          <button type="submit" class="button" disabled={!share.canShare}>
            {t.credentials.shareNow}
          </button>
        </form>
      )}
    </div>
  );
}
