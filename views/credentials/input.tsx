import { Field } from '../kit/field';
import { useText } from '../render';
import type { CredentialField } from './models';

/** The input of one value, the same in every form. */
export function CredentialInput({ id, field, badge }: { id: string; field: CredentialField; badge?: string }) {
  const t = useText();
  const { name, secret, value, masked, inherited, choices, error, holders } = field;
  const about = holders ? t.credentials.heldBy(holders) : t.credentials.help[name];
  const help = masked ? t.credentials.keep : inherited ? t.credentials.inherit : about;
  return (
    <Field
      id={id}
      name={name}
      label={t.credentials.names[name] ?? name}
      {...(badge !== undefined && { badge })}
      type={secret ? 'password' : 'text'}
      value={value}
      placeholder={masked ?? inherited}
      autocomplete={secret ? 'new-password' : 'off'}
      choices={
        choices && modelChoices(choices, value, inherited ? t.credentials.asInherited(inherited) : t.credentials.choose)
      }
      help={choices ? undefined : help}
      error={error}
    />
  );
}

/** The choices: the models of the upstream, none, and the current model even if the upstream does not list it. */
function modelChoices(models: string[], value: string | undefined, none: string): { value: string; label: string }[] {
  const isOther = value !== undefined && value !== '' && !models.includes(value);
  return [
    { value: '', label: none },
    ...[...(isOther ? [value] : []), ...models].map((one) => ({ value: one, label: one })),
  ];
}
