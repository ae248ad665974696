import { Field, fieldOf } from '../kit/field';
import type { FormState } from '../models';
import { useText } from '../render';
import { Entrance } from './entrance';

/** The sign-in form. `next` is the local path to go to afterwards. */
export function SignInPage({ form, signupOpen, next }: { form: FormState; signupOpen: boolean; next?: string }) {
  const t = useText().signIn;
  return (
    <Entrance title={t.title} lead={t.lead} form={form}>
      <form id="sign-in" method="post" action="/sign-in">
        {next && <input type="hidden" name="next" value={next} />}
        <Field
          id="email"
          {...fieldOf(form, 'email')}
          type="email"
          label={t.email}
          autocomplete="username"
          required
          autofocus={!form.values.email}
        />
        <Field
          id="password"
          name="password"
          type="password"
          label={t.password}
          error={form.errors.password}
          autocomplete="current-password"
          required
          autofocus={Boolean(form.values.email)}
        />
        <button type="submit" class="button primary wide">
          {t.submit}
        </button>
      </form>
      {signupOpen && (
        <p class="quiet">
          {t.other} <a href="/sign-up">{t.otherLink}</a>
        </p>
      )}
    </Entrance>
  );
}
