import { Field, fieldOf } from '../kit/field';
import type { FormState } from '../models';
import { useText } from '../render';
import { Entrance } from './entrance';
import type { ProviderView } from './models';
import { ProviderLink } from './provider-link';

interface SignInProps {
  form: FormState;
  signupOpen: boolean;
  /** The local path to go to afterwards. */
  next?: string;
  /** The OpenID Connect provider, if people sign in through one. */
  provider?: ProviderView | undefined;
  /** Whether only the administrator has a password. */
  isAdminOnly?: boolean;
}

/** The ways to sign in. */
export function SignInPage({ form, signupOpen, next, provider, isAdminOnly = false }: SignInProps) {
  const t = useText().signIn;
  const isRefused = form.message !== undefined || Object.keys(form.errors).length > 0;
  const fields = <PasswordForm form={form} next={next} isFirst={!provider || isRefused} isPrimary={!provider} />;
  return (
    <Entrance title={t.title} lead={t.lead} form={form}>
      {provider && <ProviderLink provider={provider} />}
      {isAdminOnly ? (
        <details class="scope" open={isRefused}>
          <summary>{t.asAdmin}</summary>
          {fields}
        </details>
      ) : (
        <>
          {provider && <p class="quiet divided">{t.orPassword}</p>}
          {fields}
        </>
      )}
      {signupOpen && (
        <p class="quiet">
          {t.other} <a href="/sign-up">{t.otherLink}</a>
        </p>
      )}
    </Entrance>
  );
}

interface PasswordFormProps {
  form: FormState;
  next: string | undefined;
  /** Whether the first field has the focus. */
  isFirst: boolean;
  isPrimary: boolean;
}

function PasswordForm({ form, next, isFirst, isPrimary }: PasswordFormProps) {
  const t = useText().signIn;
  return (
    <form id="sign-in" method="post" action="/sign-in">
      {next && <input type="hidden" name="next" value={next} />}
      <Field
        id="email"
        {...fieldOf(form, 'email')}
        type="email"
        label={t.email}
        autocomplete="username"
        required
        autofocus={isFirst && !form.values.email}
      />
      <Field
        id="password"
        name="password"
        type="password"
        label={t.password}
        error={form.errors.password}
        autocomplete="current-password"
        required
        autofocus={isFirst && Boolean(form.values.email)}
      />
      <button type="submit" class={isPrimary ? 'button primary wide' : 'button wide'}>
        {t.submit}
      </button>
    </form>
  );
}
