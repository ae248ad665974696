interface TextAreaProps {
  /** Unique in the page. */
  id: string;
  name: string;
  label: string;
  value: string;
  rows: number;
  help?: string | undefined;
  error?: string | undefined;
  autofocus?: boolean;
}

/** A labelled field for several lines, with its help and its error below it. */
export function TextArea({ id, name, label, value, rows, help, error, autofocus }: TextAreaProps) {
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        name={name}
        rows={rows}
        dir="auto"
        autofocus={autofocus || error !== undefined}
        aria-describedby={described || undefined}
        aria-invalid={error ? 'true' : undefined}
      >
        {/* A parser drops the first line break. */}
        {value.startsWith('\n') ? `\n${value}` : value}
      </textarea>
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
