import { Mark } from '../icons';
import { Field } from '../kit/field';
import { Notice } from '../kit/notice';
import { CardLayout } from '../layout';
import type { FormState } from '../models';
import { useText } from '../render';

/** The sign-up form, with an invite code if the installation requires one. */
export function SignUpPage({ form, inviteRequired }: { form: FormState; inviteRequired: boolean }) {
  const t = useText();
  return (
    <CardLayout title={t.signUp.title}>
      <div class="entrance">
        <p class="brand">
          <Mark />
          {t.productName}
        </p>
        <h1>{t.signUp.title}</h1>
        <p class="quiet">{t.signUp.lead}</p>
        {form.message && (
          <Notice kind="bad" role="alert">
            {form.message}
          </Notice>
        )}
        <form id="sign-up" method="post" action="/sign-up">
          <Field
            id="name"
            name="name"
            label={t.signUp.name}
            value={form.values.name}
            error={form.errors.name}
            autocomplete="name"
            required
            autofocus
          />
          <Field
            id="email"
            name="email"
            type="email"
            label={t.signUp.email}
            value={form.values.email}
            error={form.errors.email}
            autocomplete="username"
            required
          />
          <Field
            id="password"
            name="password"
            type="password"
            label={t.signUp.password}
            error={form.errors.password}
            autocomplete="new-password"
            required
          />
          {inviteRequired && (
            <Field
              id="invite-code"
              name="invite_code"
              label={t.signUp.inviteCode}
              help={t.signUp.inviteHelp}
              value={form.values.invite_code}
              error={form.errors.invite_code}
              autocomplete="off"
              required
            />
          )}
          <button type="submit" class="button primary wide">
            {t.signUp.submit}
          </button>
        </form>
        <p class="quiet">
          {t.signUp.other} <a href="/sign-in">{t.signUp.otherLink}</a>
        </p>
      </div>
    </CardLayout>
  );
}
