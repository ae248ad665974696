import type { FormState } from '../models';
import { useText } from '../render';
import { AccountFields } from './account-fields';
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
        <AccountFields form={form} email={email ?? undefined} />
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
