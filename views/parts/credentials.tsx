import type { CredentialField, CredentialScope } from '../models';
import { useText } from '../render';
import { Confirm } from './confirm';
import { Field } from './field';
import { Notice } from './notice';

/** Credentials for all agents, and below them those of single agents, folded away until they matter. */
export function Credentials({ scopes, error }: { scopes: CredentialScope[]; error?: ScopeError | undefined }) {
  const t = useText();
  return (
    <section id="credentials" class="card" aria-labelledby="credentials-title">
      <h2 id="credentials-title">{t.settings.sections.credentials}</h2>
      <p class="quiet">{t.credentials.lead}</p>
      {scopes.map((scope) => (
        <Scope key={scope.scope} scope={scope} error={error?.scope === scope.scope ? error.message : undefined} />
      ))}
    </section>
  );
}

/** A refusal that belongs to a whole scope rather than to one of its fields. */
export interface ScopeError {
  scope: string;
  message: string;
}

function Scope({ scope, error }: { scope: CredentialScope; error: string | undefined }) {
  const t = useText();
  if (scope.scope === '') return <ScopeForm scope={scope} error={error} />;
  const open = error !== undefined || scope.fields.some((field) => field.error);
  return (
    <details class="scope" open={open}>
      <summary>
        <span class="ellipsis">{scope.label}</span>
        <span class="quiet">{scope.isSet ? t.credentials.own : t.credentials.shared}</span>
      </summary>
      <ScopeForm scope={scope} error={error} />
    </details>
  );
}

function ScopeForm({ scope, error }: { scope: CredentialScope; error: string | undefined }) {
  const t = useText();
  const id = `credentials-${scope.scope || 'all'}`;
  return (
    <div id={id} class="scope-form">
      {error && (
        <Notice kind="bad" role="alert">
          {error}
        </Notice>
      )}
      <form id={`${id}-form`} method="post" action="/settings/credentials" autocomplete="off">
        <input type="hidden" name="scope" value={scope.scope} />
        {scope.fields.map((field) => (
          <ScopeField key={field.name} id={`${id}-${field.name}`} scope={scope.scope} field={field} />
        ))}
      </form>
      <div class="row end">
        {scope.isSet && (
          <Confirm
            id={`${id}-clear`}
            triggerClass="button quiet-button"
            trigger={t.credentials.clear}
            question={t.credentials.clearQuestion(scope.label)}
            consequence={t.credentials.clearConsequence}
            action="/settings/credentials/clear"
            label={t.credentials.clear}
            fields={{ scope: scope.scope }}
          />
        )}
        <button
          type="submit"
          form={`${id}-form`}
          class="button primary"
          aria-label={t.credentials.saveFor(scope.label)}
        >
          {t.credentials.save}
        </button>
      </div>
    </div>
  );
}

function ScopeField({ id, scope, field }: { id: string; scope: string; field: CredentialField }) {
  const t = useText();
  const source = scope === '' && field.source === 'global' ? 'backend' : field.source;
  return (
    <Field
      id={id}
      name={field.name}
      label={t.credentials.names[field.name] ?? field.name}
      badge={t.credentials.sources[source]}
      type={field.secret ? 'password' : 'text'}
      value={field.secret ? undefined : field.value}
      placeholder={field.masked}
      autocomplete={field.secret ? 'new-password' : 'off'}
      help={field.masked ? t.credentials.keep : t.credentials.help[field.name]}
      error={field.error}
    />
  );
}
