import type { ComponentChildren } from 'preact';
import type { FormState } from '../models';
import { Field, type FieldProps } from './field';
import { FormNotice } from './notice';

interface DangerFormProps {
  action: string;
  /** The words of the button. */
  label: string;
  /** The text that has to be typed first: a name or a password. */
  proof: FieldProps;
  form: FormState | undefined;
  /** Said above the field. */
  children?: ComponentChildren;
}

/** A form for what cannot be undone: it wants something typed first. */
export function DangerForm({ action, label, proof, form, children }: DangerFormProps) {
  return (
    <form method="post" action={action} class="scope-form">
      {children}
      {form && <FormNotice form={form} />}
      <Field {...proof} required />
      <div class="row">
        <button type="submit" class="button danger">
          {label}
        </button>
      </div>
    </form>
  );
}
