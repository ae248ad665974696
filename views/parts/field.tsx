interface FieldProps {
  /** Unique in the page; the help and error texts derive their ids from it. */
  id: string;
  name: string;
  label: string;
  type?: 'text' | 'email' | 'password' | 'url';
  value?: string | undefined;
  placeholder?: string | undefined;
  autocomplete?: 'off' | 'name' | 'username' | 'current-password' | 'new-password';
  help?: string | undefined;
  error?: string | undefined;
  /** A word beside the label, e.g. where the value comes from. */
  badge?: string;
  required?: boolean;
  autofocus?: boolean;
}

/** A labelled input with its help and its error below it. */
export function Field({ id, label, help, error, badge, type, ...input }: FieldProps) {
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>{label}</label>
        {badge && <span class="badge">{badge}</span>}
      </div>
      <input
        id={id}
        {...input}
        // preact types every kind of input apart, and ours is a union of them.
        {...({ type: type ?? 'text' } as { type: 'text' })}
        aria-describedby={described || undefined}
        aria-invalid={error ? 'true' : undefined}
      />
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
