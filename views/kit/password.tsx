import type { FormState } from '../models';
import { useText } from '../render';
import { Field } from './field';

interface NewPasswordProps {
  /** Unique in the page. */
  id: string;
  name?: string;
  label: string;
  form: FormState | undefined;
  /** Stands behind the rule for passwords. */
  help?: string;
  required?: boolean;
  autofocus?: boolean;
}

/** Where a password is chosen: says the rule before it is broken, and lets its writer see it. */
export function NewPassword({
  id,
  name = 'password',
  label,
  form,
  help,
  required = true,
  autofocus,
}: NewPasswordProps) {
  const { password: t, sentences } = useText();
  const error = form?.errors[name];
  // The error is about the rule, and says it.
  const told = [...(error ? [] : [t.rule]), ...(help ? [help] : [])];
  return (
    <div class="new-password">
      <Field
        id={id}
        name={name}
        type="password"
        label={label}
        help={told.length > 0 ? sentences(told) : undefined}
        error={error}
        autocomplete="new-password"
        required={required}
        {...(autofocus !== undefined && { autofocus })}
      />
      <button type="button" class="button quiet-button script-only" data-reveals={id} aria-pressed="false">
        {t.show}
      </button>
    </div>
  );
}
