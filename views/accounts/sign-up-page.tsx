import { Field, fieldOf } from '../kit/field';
import type { FormState } from '../models';
import { useText } from '../render';
import { AccountFields } from './account-fields';
import { Entrance } from './entrance';
import type { ProviderView } from './models';
import { ProviderLink } from './provider-link';

interface SignUpProps {
  form: FormState;
  inviteRequired: boolean;
  provider?: ProviderView | undefined;
}

/** The sign-up form, with an invite code if the installation requires one. */
export function SignUpPage({ form, inviteRequired, provider }: SignUpProps) {
  const t = useText().signUp;
  return (
    <Entrance title={t.title} lead={t.lead} form={form}>
      {provider && <ProviderLink provider={provider} />}
      {provider && <p class="quiet divided">{t.orPassword}</p>}
      <form id="sign-up" method="post" action="/sign-up">
        <AccountFields form={form} />
        {inviteRequired && (
          <Field
            id="invite-code"
            {...fieldOf(form, 'invite_code')}
            label={t.inviteCode}
            help={t.inviteHelp}
            autocomplete="off"
            required
          />
        )}
        <button type="submit" class={provider ? 'button wide' : 'button primary wide'}>
          {t.submit}
        </button>
      </form>
      <p class="quiet">
        {t.other} <a href="/sign-in">{t.otherLink}</a>
      </p>
    </Entrance>
  );
}
