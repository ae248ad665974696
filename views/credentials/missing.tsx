import { Notice } from '../kit/notice';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { CredentialForm, TrialParts } from './form';
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
  const t = useText().missing;
  const { agentName, scope, ownScope, reason, isAdmin } = missing;
  const id = formId(messageId);
  return (
    <Notice kind="info">
      <div class="missing-form scope-form">
        <p>
          <strong>{t.title(agentName)}</strong>
        </p>
        <p class="quiet">
          <Sentence of={reason ?? t.lead} />
        </p>
        <CredentialForm
          id={id}
          form={missing}
          path={missing.action}
          replaces={`#message-${messageId}`}
          save={t.save}
          scope={<Scopes id={id} chosen={scope} ownScope={ownScope} agentName={agentName} />}
        >
          <a class="button" href="/settings#credentials">
            {t.settings}
          </a>
        </CredentialForm>
        {missing.share && (
          <ShareToo id={id} messageId={messageId} path={missing.action} receivers={missing.share.receivers} />
        )}
        {!isAdmin && <p class="quiet small-text">{t.askAdmin}</p>}
      </div>
    </Notice>
  );
}

const formId = (messageId: string) => `missing-${messageId}`;

/** What the test of the values changes in the form. */
export function MissingTrial({ messageId, missing }: { messageId: string; missing: MissingView }) {
  return <TrialParts id={formId(messageId)} form={missing} />;
}

/** Saves the same form for everybody: what it means is read before the button is there. */
function ShareToo(props: { id: string; messageId: string; path: string; receivers: string[] }) {
  const { id, messageId, path, receivers } = props;
  const t = useText();
  return (
    <details class="scope share-too">
      <summary>{t.credentials.shareTitle}</summary>
      <p class="quiet">{t.credentials.share.off}</p>
      {receivers.length > 0 && <p class="quiet">{t.credentials.share.receivers(receivers)}</p>}
      <div class="row">
        <button
          type="submit"
          form={`${id}-form`}
          class="button"
          formaction={`${path}/share`}
          hx-post={`${path}/share`}
          hx-target={`#message-${messageId}`}
          hx-swap="outerHTML"
          hx-disable="this"
        >
          {t.missing.share}
        </button>
      </div>
    </details>
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
