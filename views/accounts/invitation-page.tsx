import { Field, fieldOf } from '../kit/field';
import type { FormState } from '../models';
import { useText } from '../render';
import { Entrance } from './entrance';

interface InvitationProps {
  form: FormState;
  /** Whom the invitation is for; null: anybody. */
  email: string | null;
  action: string;
}

/** Where somebody who was invited creates an account. */
export function InvitationPage({ form, email, action }: InvitationProps) {
  const t = useText();
  return (
    <Entrance title={t.signUp.title} lead={email === null ? t.signUp.invited : t.signUp.invitedAs(email)} form={form}>
      <form id="sign-up" method="post" action={action}>
        <Field id="name" {...fieldOf(form, 'name')} label={t.signUp.name} autocomplete="name" required autofocus />
        <Field
          id="email"
          name="email"
          type="email"
          label={t.signUp.email}
          value={form.values.email ?? email ?? ''}
          error={form.errors.email}
          autocomplete="username"
          required
        />
        <Field
          id="password"
          name="password"
          type="password"
          label={t.signUp.password}
          help={t.signUp.passwordHelp}
          error={form.errors.password}
          autocomplete="new-password"
          required
        />
        <button type="submit" class="button primary wide">
          {t.signUp.submit}
        </button>
      </form>
      <p class="quiet">
        {t.signUp.other} <a href="/sign-in">{t.signUp.otherLink}</a>
      </p>
    </Entrance>
  );
}
