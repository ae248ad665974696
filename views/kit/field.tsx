import type { FormState } from '../models';
import { Sentence } from '../sentences';

export interface FieldProps {
  /** Unique in the page; the help and error texts derive their ids from it. */
  id: string;
  name: string;
  label: string;
  type?: 'text' | 'email' | 'password' | 'url' | 'date' | 'time';
  /** The keyboard that a phone shows, if the type does not determine it. */
  inputmode?: 'decimal';
  value?: string | undefined;
  placeholder?: string | undefined;
  autocomplete?: 'off' | 'name' | 'username' | 'current-password' | 'new-password';
  help?: string | undefined;
  error?: string | undefined;
  /** A short text beside the label, for example the source of the value. */
  badge?: string;
  required?: boolean;
  /** The id of a `datalist` with suggestions. */
  list?: string;
  autofocus?: boolean;
  /** Choices instead of free text; `value` is one of them, or empty. */
  choices?: { value: string; label: string }[] | undefined;
}

/** The name of a field of a form, with the value that was typed and what is wrong with it. */
export function fieldOf({ values, errors }: FormState, name: string) {
  return { name, value: values[name], error: errors[name] };
}

/** A labelled input, or choice, with its help and its error below it. */
export function Field({ id, label, help, error, badge, type, choices, autofocus, ...input }: FieldProps) {
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ');
  // The browser focuses the first of the page, so that a refused form is shown where it has to be mended.
  const state = {
    ...{ 'aria-describedby': described || undefined, autofocus: autofocus || error !== undefined },
    'aria-invalid': error ? ('true' as const) : undefined,
  };
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
          // preact has a separate type for each kind of input, and ours is a union of them.
          {...({ type: type ?? 'text' } as { type: 'text' })}
          {...state}
        />
      )}
      {error && (
        <p id={`${id}-error`} class="field-error">
          <Sentence of={error} />
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
