import type { FormState } from '../models';

interface FieldProps {
  /** Unique in the page; the help and error texts derive their ids from it. */
  id: string;
  name: string;
  label: string;
  type?: 'text' | 'email' | 'password' | 'url' | 'date';
  /** Which keyboard a phone shows, where the type alone does not say. */
  inputmode?: 'decimal';
  value?: string | undefined;
  placeholder?: string | undefined;
  autocomplete?: 'off' | 'name' | 'username' | 'current-password' | 'new-password';
  help?: string | undefined;
  error?: string | undefined;
  /** A word beside the label, e.g. where the value comes from. */
  badge?: string;
  required?: boolean;
  autofocus?: boolean;
  /** A choice in place of free text; `value` is among them, or empty. */
  choices?: { value: string; label: string }[] | undefined;
}

/** The name of a field of a form, with the value that was typed and what is wrong with it. */
export function fieldOf({ values, errors }: FormState, name: string) {
  return { name, value: values[name], error: errors[name] };
}

/** A labelled input, or choice, with its help and its error below it. */
export function Field({ id, label, help, error, badge, type, choices, ...input }: FieldProps) {
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ');
  const state = { 'aria-describedby': described || undefined, 'aria-invalid': error ? ('true' as const) : undefined };
  return (
    <div id={`${id}-field`} class="field">
      <div class="field-head">
        <label for={id}>{label}</label>
        {badge && <span class="badge">{badge}</span>}
      </div>
      {choices ? (
        <select id={id} name={input.name} required={input.required} {...state}>
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value} selected={choice.value === (input.value ?? '')}>
              {choice.label}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          {...input}
          // preact types every kind of input apart, and ours is a union of them.
          {...({ type: type ?? 'text' } as { type: 'text' })}
          {...state}
        />
      )}
      {error && (
        <p id={`${id}-error`} class="field-error">
          {error}
        </p>
      )}
      {help && (
        <p id={`${id}-help`} class="field-help">
          {help}
        </p>
      )}
    </div>
  );
}
