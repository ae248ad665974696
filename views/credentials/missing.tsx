import { Notice } from '../kit/notice';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { CredentialInput } from './input';
import type { MissingView } from './models';

/** Says which credentials an agent lacks, by their labels in the settings, with a link there. */
export function MissingCredentials({ agentName, missing }: { agentName: string; missing: string[] }) {
  const t = useText();
  return (
    <Notice kind="info" id="missing-credentials">
      <p>
        <strong>{t.missing.title(agentName)}</strong>
      </p>
      <p>{t.missing.names(missing.map((name) => t.credentials.names[name] ?? name))}</p>
      <div class="row">
        <a class="button" href="/settings#credentials">
          {t.missing.action}
        </a>
      </div>
    </Notice>
  );
}

/** Replaces an answer that failed for missing credentials: a form that saves them and retries the answer. */
export function MissingForm({ messageId, missing }: { messageId: string; missing: MissingView }) {
  const t = useText();
  const { action, agentName, fields, scope, ownScope, reason, error, isAdmin } = missing;
  const id = `missing-${messageId}`;
  return (
    <Notice kind="info">
      <form
        method="post"
        action={action}
        class="missing-form"
        autocomplete="off"
        hx-post={action}
        hx-target={`#message-${messageId}`}
        hx-swap="outerHTML"
        hx-sync="this:drop"
      >
        <p>
          <strong>{t.missing.title(agentName)}</strong>
        </p>
        <p class="quiet">
          <Sentence of={reason ?? t.missing.lead} />
        </p>
        {error && (
          <p class="field-error" role="alert">
            <Sentence of={error} />
          </p>
        )}
        {fields.map((field) => (
          <CredentialInput key={field.name} id={`${id}-${field.name}`} field={field} />
        ))}
        <Scopes id={id} chosen={scope} ownScope={ownScope} agentName={agentName} />
        <div class="row">
          <button type="submit" class="button primary">
            {t.missing.save}
          </button>
          <a class="button" href="/settings#credentials">
            {t.missing.settings}
          </a>
        </div>
        <p class="quiet small-text">{isAdmin ? t.missing.youCanShare : t.missing.askAdmin}</p>
      </form>
    </Notice>
  );
}

function Scopes({
  id,
  chosen,
  ownScope,
  agentName,
}: {
  id: string;
  chosen: string;
  ownScope: string;
  agentName: string;
}) {
  const t = useText();
  const scopes = [
    { value: '', label: t.missing.forAll },
    { value: ownScope, label: t.missing.forOne(agentName) },
  ];
  return (
    <fieldset class="choices">
      <legend class="visually-hidden">{t.missing.scope}</legend>
      {scopes.map(({ value, label }) => (
        <label key={value} for={`${id}-scope-${value || 'all'}`}>
          <input
            id={`${id}-scope-${value || 'all'}`}
            type="radio"
            name="scope"
            value={value}
            checked={value === chosen}
          />
          {label}
        </label>
      ))}
    </fieldset>
  );
}
