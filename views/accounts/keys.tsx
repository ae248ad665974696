import { CopyLine } from '../kit/copy-line';
import { Field } from '../kit/field';
import { FlashNotice, Notice } from '../kit/notice';
import { SelectField } from '../kit/select';
import type { Flash, FormState } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { KeyList } from './key-list';
import type { KeyView } from './models';

interface Choice {
  value: string;
  label: string;
}

interface KeysProps {
  keys: KeyView[];
  /** The agents that a key may be limited to. */
  backends?: Choice[];
  /** A new key, which is shown only this time. */
  created?: { name: string; key: string } | undefined;
  form?: FormState | undefined;
  /** The base URL for programs, for example `https://agents.example/v1`. */
  apiUrl?: string | undefined;
  flash?: Flash | undefined;
}

/** The user's keys for `/v1`, and the form that creates another. */
export function Keys({ keys, backends = [], created, form, apiUrl, flash }: KeysProps) {
  const t = useText();
  return (
    <section id="keys" class="card" aria-labelledby="keys-title">
      <h2 id="keys-title">{t.settings.sections.keys}</h2>
      <p class="quiet">{t.keys.lead}</p>
      <FlashNotice flash={flash} id="keys-said" />
      {created && <CreatedKey name={created.name} value={created.key} />}
      {apiUrl && (
        <>
          <CopyLine label={t.keys.baseUrl} value={apiUrl} />
          <p>
            <a href="/docs">{t.reference.title}</a>
          </p>
        </>
      )}
      <KeyList keys={keys} action="/settings/keys" />
      <form method="post" action="/settings/keys" class="key-form">
        <div class="inline-form">
          <Field
            id="key-name"
            name="name"
            label={t.keys.name}
            placeholder={t.keys.namePlaceholder}
            value={form?.values.name}
            error={form?.errors.name ?? form?.message}
            autocomplete="off"
            required
          />
          <button type="submit" class="button primary">
            {t.keys.create}
          </button>
        </div>
        <Limits backends={backends} form={form} />
      </form>
    </section>
  );
}

/** Collapsed, because most keys need no limits. */
function Limits({ backends, form }: { backends: Choice[]; form: FormState | undefined }) {
  const t = useText().keys;
  const { values = {}, errors = {} } = form ?? {};
  const isRefused = Object.keys(errors).some((name) => name !== 'name');
  const number = (name: string, label: string) => (
    <Field
      id={`key-${name.replaceAll('_', '-')}`}
      name={name}
      label={label}
      value={values[name]}
      error={errors[name]}
      placeholder={t.noLimit}
      inputmode="decimal"
      autocomplete="off"
    />
  );
  return (
    <details class="scope" open={isRefused}>
      <summary>{t.limits}</summary>
      <p class="quiet">{t.limitsLead}</p>
      <div class="field-grid">
        <SelectField
          id="key-scopes"
          name="scopes"
          label={t.scopes}
          value={values.scopes}
          error={errors.scopes}
          groups={[
            {
              options: [
                { value: 'v1', label: t.scopeNames.v1 },
                { value: 'manage', label: t.scopeNames.manage },
                { value: 'agents', label: t.scopeNames.agents },
                { value: 'v1 agents manage', label: t.scopeNames.all },
              ],
            },
          ]}
        />
        <Field
          id="key-expires"
          name="expires_at"
          type="date"
          label={t.expiresOn}
          help={t.expiresHelp}
          value={values.expires_at}
          error={errors.expires_at}
        />
        {number('requests_per_minute', t.requestsPerMinute)}
        {number('tokens_per_minute', t.tokensPerMinute)}
        {number('concurrent_requests', t.concurrent)}
      </div>
      <label for="key-events-while-waiting" class="check">
        <input
          id="key-events-while-waiting"
          type="checkbox"
          name="events_while_waiting"
          checked={values.events_while_waiting === 'on'}
        />
        {t.eventsWhileWaiting}
      </label>
      <OnlyFor backends={backends} chosen={values.backends?.split(' ') ?? []} error={errors.backends} />
    </details>
  );
}

function OnlyFor({ backends, chosen, error }: { backends: Choice[]; chosen: string[]; error: string | undefined }) {
  const t = useText().keys;
  return (
    <fieldset class="choices" aria-describedby={error ? 'key-backends-error' : 'key-backends-help'}>
      <legend>{t.onlyFor}</legend>
      {backends.map(({ value, label }) => (
        <label key={value}>
          <input type="checkbox" name="backends" value={value} checked={chosen.includes(value)} /> {label}
        </label>
      ))}
      {error && (
        <p id="key-backends-error" class="field-error">
          <Sentence of={error} />
        </p>
      )}
      <p id="key-backends-help" class="field-help">
        {t.onlyForHelp}
      </p>
    </fieldset>
  );
}

function CreatedKey({ name, value }: { name: string; value: string }) {
  const t = useText();
  return (
    <Notice kind="good" role="status" id="created-key" isTarget>
      <p>
        <strong>{t.keys.created(name)}</strong>
      </p>
      <p>{t.keys.createdHelp}</p>
      <CopyLine value={value} />
    </Notice>
  );
}
