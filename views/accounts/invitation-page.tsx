import type { FormState } from '../models';
import { useText } from '../render';
import { AccountFields } from './account-fields';
import { Entrance } from './entrance';
import type { ProviderView } from './models';
import { ProviderLink } from './provider-link';

interface InvitationProps {
  form: FormState;
  /** Whom the invitation is for; null: anybody. */
  email: string | null;
  action: string;
  /** The OpenID Connect provider, if people sign in through one. */
  provider?: ProviderView | undefined;
  /** Whether people sign in with passwords. */
  hasPasswords?: boolean;
}

/** Where somebody who was invited creates an account. */
export function InvitationPage({ form, email, action, provider, hasPasswords = true }: InvitationProps) {
  const t = useText();
  return (
    <Entrance title={t.signUp.title} lead={email === null ? t.signUp.invited : t.signUp.invitedAs(email)} form={form}>
      {provider && <ProviderLink provider={provider} />}
      {provider && hasPasswords && <p class="quiet divided">{t.signUp.orPassword}</p>}
      {hasPasswords && (
        <form id="sign-up" method="post" action={action}>
          <AccountFields form={form} email={email ?? undefined} />
          <button type="submit" class={provider ? 'button wide' : 'button primary wide'}>
            {t.signUp.submit}
          </button>
        </form>
      )}
      <p class="quiet">
        {t.signUp.other} <a href="/sign-in">{t.signUp.otherLink}</a>
      </p>
    </Entrance>
  );
}
