import type { InvitationView } from '../accounts/models';
import { Icon } from '../icons';
import { Confirm } from '../kit/confirm';
import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import { Time } from '../kit/time';
import type { Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { HandedLink } from './handed-link';
import { AdminPage } from './page';

interface InvitationsProps {
  shell: Shell;
  invitations: InvitationView[];
  /** A link that was just made, shown this one time. */
  link?: { url: string; expiresAtMs: number } | undefined;
  form: FormState;
  flash?: Flash | undefined;
}

/** The form that makes an invitation, and those that were made. */
export function AdminInvitationsPage({ shell, invitations, link, form, flash }: InvitationsProps) {
  const t = useText().invitations;
  return (
    <AdminPage shell={shell} flash={flash} tab="invitations">
      <section id="invite" class="card" aria-labelledby="invite-title">
        <h2 id="invite-title">{t.invite}</h2>
        <p class="quiet">{t.lead}</p>
        <InviteForm action="/admin/invitations" link={link} form={form} />
      </section>
      <section id="invitations" class="card" aria-labelledby="invitations-title">
        <h2 id="invitations-title">{t.title}</h2>
        {invitations.length === 0 ? (
          <p class="quiet">{t.none}</p>
        ) : (
          <ul class="rows">
            {invitations.map((invitation) => (
              <InvitationRow key={invitation.id} invitation={invitation} />
            ))}
          </ul>
        )}
      </section>
    </AdminPage>
  );
}

interface InviteProps extends Pick<InvitationsProps, 'link' | 'form'> {
  action: string;
}

/** The form that makes an invitation, and the one that it has made. */
export function InviteForm({ action, link, form }: InviteProps) {
  const t = useText().invitations;
  return (
    <>
      {link && <HandedLink id="invitation-link" title={t.ready} help={t.readyHelp} link={link} />}
      <form method="post" action={action} class="scope-form">
        <FormNotice form={form} />
        <Field
          id="invited-email"
          {...fieldOf(form, 'email')}
          type="email"
          label={t.email}
          help={t.emailHelp}
          autocomplete="off"
        />
        <div class="field-row">
          <Field
            id="invitation-uses"
            name="uses"
            label={t.uses}
            help={t.usesHelp}
            value={form.values.uses ?? '1'}
            error={form.errors.uses}
            inputmode="decimal"
            autocomplete="off"
          />
          <Field
            id="invitation-days"
            name="days"
            label={t.days}
            value={form.values.days ?? '7'}
            error={form.errors.days}
            inputmode="decimal"
            autocomplete="off"
          />
        </div>
        <div class="row">
          <button type="submit" class="button primary">
            {t.make}
          </button>
        </div>
      </form>
    </>
  );
}

function InvitationRow({ invitation }: { invitation: InvitationView }) {
  const t = useText().invitations;
  const { id, email, uses, usesMax, createdAtMs, expiresAtMs, isExpired } = invitation;
  const whom = email ?? t.anybody;
  return (
    <li id={`invitation-${id}`}>
      <Icon name="user" />
      <div class="grow">
        <p class="row-title">
          <span class="verbatim" dir="auto">
            {whom}
          </span>
          {uses >= usesMax && <span class="badge">{t.usedUp}</span>}
          {uses < usesMax && isExpired && <span class="badge">{t.expired}</span>}
        </p>
        <p class="quiet">
          {t.used(uses, usesMax)} · {t.madeAt} <Time ms={createdAtMs} /> · {isExpired ? t.expiredAt : t.expiresAt}{' '}
          <Time ms={expiresAtMs} />
        </p>
      </div>
      <Confirm
        id={`revoke-invitation-${id}`}
        triggerClass="button quiet-button"
        trigger={t.revoke}
        triggerLabel={t.revokeNamed(whom)}
        question={t.revokeQuestion(whom)}
        consequence={t.revokeConsequence}
        action={`/admin/invitations/${id}/revoke`}
        label={t.revoke}
      />
    </li>
  );
}
