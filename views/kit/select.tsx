import { Sentence } from '../sentences';

interface Option {
  value: string;
  label: string;
}

interface SelectFieldProps {
  /** Unique in the page. */
  id: string;
  name: string;
  label: string;
  value?: string | undefined;
  error?: string | undefined;
  /** Options, with headings if there are several groups. Empty groups are left out. */
  groups: { label?: string; options: Option[] }[];
}

/** A labelled choice with its error below it. */
export function SelectField({ id, name, label, value, error, groups }: SelectFieldProps) {
  const filled = groups.filter(({ options }) => options.length > 0);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        name={name}
        aria-invalid={error ? 'true' : undefined}
        aria-describedby={error ? `${id}-error` : undefined}
      >
        {filled.map((group) =>
          filled.length > 1 && group.label !== undefined ? (
            <optgroup key={group.label} label={group.label}>
              <Options options={group.options} chosen={value} />
            </optgroup>
          ) : (
            <Options key={group.label} options={group.options} chosen={value} />
          ),
        )}
      </select>
      {error && (
        <p id={`${id}-error`} class="field-error">
          <Sentence of={error} />
        </p>
      )}
    </div>
  );
}

function Options({ options, chosen }: { options: Option[]; chosen: string | undefined }) {
  return options.map(({ value, label }) => (
    <option key={value} value={value} selected={value === chosen}>
      {label}
    </option>
  ));
}
