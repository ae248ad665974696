import { NewPassword } from '../kit/password';
import type { FormState } from '../models';
import { useText } from '../render';
import { Entrance } from './entrance';

/** Where a user sets a password by a link. */
export function ResetPage({ form, email, action }: { form: FormState; email: string; action: string }) {
  const t = useText().reset;
  return (
    <Entrance title={t.title} lead={t.lead(email)} form={form}>
      <form id="reset" method="post" action={action}>
        {/* For password managers, which file the new password under it. */}
        <input type="hidden" name="username" autocomplete="username" value={email} />
        <NewPassword id="password" label={t.password} form={form} autofocus />
        <button type="submit" class="button primary wide">
          {t.submit}
        </button>
      </form>
    </Entrance>
  );
}
