import { Icon } from '../icons';
import type { FormState, KeyView } from '../models';
import { useText } from '../render';
import { Confirm } from './confirm';
import { Field } from './field';
import { Notice } from './notice';
import { Time } from './time';

interface KeysProps {
  keys: KeyView[];
  /** A key that was just made, shown this one time. */
  created?: { name: string; key: string } | undefined;
  form?: FormState | undefined;
  /** The base URL programs use, e.g. `https://agents.example/v1`. */
  apiUrl?: string | undefined;
}

/** The user's keys for `/v1`, and the form that makes another. */
export function Keys({ keys, created, form, apiUrl }: KeysProps) {
  const t = useText();
  return (
    <section id="keys" class="card" aria-labelledby="keys-title">
      <h2 id="keys-title">{t.settings.sections.keys}</h2>
      <p class="quiet">{t.keys.lead}</p>
      {created && <CreatedKey name={created.name} value={created.key} />}
      {apiUrl && <CopyLine label={t.keys.baseUrl} value={apiUrl} />}
      {keys.length === 0 ? (
        <p class="quiet">{t.keys.none}</p>
      ) : (
        <ul class="rows">
          {keys.map((key) => (
            <KeyRow key={key.id} item={key} />
          ))}
        </ul>
      )}
      <form method="post" action="/settings/keys" class="inline-form">
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
      </form>
    </section>
  );
}

function CreatedKey({ name, value }: { name: string; value: string }) {
  const t = useText();
  return (
    <Notice kind="good" role="status" id="created-key">
      <p>
        <strong>{t.keys.created(name)}</strong>
      </p>
      <p>{t.keys.createdHelp}</p>
      <CopyLine value={value} />
    </Notice>
  );
}

function CopyLine({ label, value }: { label?: string; value: string }) {
  const t = useText();
  return (
    <p class="copy-line">
      {label && <span class="quiet">{label}</span>}
      <code>{value}</code>
      <button type="button" class="icon-button small script-only" data-copy="line" aria-label={t.copy.label}>
        <Icon name="copy" />
      </button>
    </p>
  );
}

function KeyRow({ item }: { item: KeyView }) {
  const t = useText();
  return (
    <li id={`key-${item.id}`}>
      <Icon name="key-round" />
      <div class="grow">
        <p class="ellipsis" dir="auto">
          {item.name}
        </p>
        <p class="quiet">
          <code>{t.keys.endsWith(item.lastFour)}</code> · {t.keys.createdAt} <Time ms={item.createdAtMs} /> ·{' '}
          {item.lastUsedAtMs === undefined ? (
            t.keys.neverUsed
          ) : (
            <>
              {t.keys.lastUsed} <Time ms={item.lastUsedAtMs} />
            </>
          )}
        </p>
      </div>
      <Confirm
        id={`revoke-${item.id}`}
        triggerClass="button quiet-button"
        trigger={t.keys.revoke}
        triggerLabel={t.keys.revokeNamed(item.name)}
        question={t.keys.revokeQuestion(item.name)}
        consequence={t.keys.revokeConsequence}
        action={`/settings/keys/${item.id}/revoke`}
        label={t.keys.revoke}
      />
    </li>
  );
}
