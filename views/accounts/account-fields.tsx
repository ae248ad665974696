import { Field, fieldOf } from '../kit/field';
import { NewPassword } from '../kit/password';
import type { FormState } from '../models';
import { useText } from '../render';

/** What a new account is made of. @param email the address that the form begins with. */
export function AccountFields({ form, email = '' }: { form: FormState; email?: string | undefined }) {
  const t = useText().signUp;
  const isUntouched = Object.keys(form.errors).length === 0;
  return (
    <>
      <Field
        id="name"
        {...fieldOf(form, 'name')}
        label={t.name}
        autocomplete="name"
        required
        {...{ autofocus: isUntouched }}
      />
      <Field
        id="email"
        {...fieldOf(form, 'email')}
        value={form.values.email ?? email}
        type="email"
        label={t.email}
        autocomplete="username"
        required
      />
      <NewPassword id="password" label={t.password} form={form} />
    </>
  );
}
