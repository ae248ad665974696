import { Mark } from '../icons';
import { Field } from '../kit/field';
import { Notice } from '../kit/notice';
import { CardLayout } from '../layout';
import type { FormState } from '../models';
import { useText } from '../render';

/** The sign-in form. `next` is the local path to go to afterwards. */
export function SignInPage({ form, signupOpen, next }: { form: FormState; signupOpen: boolean; next?: string }) {
  const t = useText();
  return (
    <CardLayout title={t.signIn.title}>
      <div class="entrance">
        <p class="brand">
          <Mark />
          {t.productName}
        </p>
        <h1>{t.signIn.title}</h1>
        <p class="quiet">{t.signIn.lead}</p>
        {form.message && (
          <Notice kind="bad" role="alert">
            {form.message}
          </Notice>
        )}
        <form id="sign-in" method="post" action="/sign-in">
          {next && <input type="hidden" name="next" value={next} />}
          <Field
            id="email"
            name="email"
            type="email"
            label={t.signIn.email}
            value={form.values.email}
            error={form.errors.email}
            autocomplete="username"
            required
            autofocus={!form.values.email}
          />
          <Field
            id="password"
            name="password"
            type="password"
            label={t.signIn.password}
            error={form.errors.password}
            autocomplete="current-password"
            required
            autofocus={Boolean(form.values.email)}
          />
          <button type="submit" class="button primary wide">
            {t.signIn.submit}
          </button>
        </form>
        {signupOpen && (
          <p class="quiet">
            {t.signIn.other} <a href="/sign-up">{t.signIn.otherLink}</a>
          </p>
        )}
      </div>
    </CardLayout>
  );
}
