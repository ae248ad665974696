import type { UserView } from '../accounts/models';
import { Confirm } from '../kit/confirm';
import { DangerForm } from '../kit/danger-form';
import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import { NewPassword } from '../kit/password';
import { Time } from '../kit/time';
import type { Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { HandedLink } from './handed-link';
import { AdminPage } from './page';
import { UserBadges } from './users';

interface UserProps {
  shell: Shell;
  user: UserView;
  /** The text to type before the user is deleted. */
  typedName: string;
  /** Days for which a deleted user is kept; 0: not at all. */
  keptDays: number;
  /** A reset link that was just made, shown this one time. */
  link?: { url: string; expiresAtMs: number } | undefined;
  forms?: { name?: FormState; password?: FormState; removal?: FormState } | undefined;
  flash?: Flash | undefined;
  /** Whether users sign in with passwords. */
  hasPasswords?: boolean;
}

const untouched: FormState = { values: {}, errors: {} };

/** One user, and what the administrator can do about them. */
export function AdminUserPage({
  shell,
  user,
  typedName,
  keptDays,
  link,
  forms = {},
  flash,
  hasPasswords = true,
}: UserProps) {
  const { users: t, limits } = useText();
  const name = forms.name ?? { values: { name: user.name }, errors: {} };
  const action = `/admin/users/${user.id}`;
  return (
    <AdminPage shell={shell} flash={flash} tab="users">
      <p>
        <a href="/admin/users">{t.all}</a>
      </p>
      <section id="user" class="card" aria-labelledby="user-title">
        <h2 id="user-title" class="row-title">
          <span class="verbatim" dir="auto">
            {user.name || user.email}
          </span>
          <UserBadges user={user} />
        </h2>
        <p class="quiet">
          {user.name && `${user.email} · `}
          {t.since} <Time ms={user.createdAtMs} />
        </p>
        <form method="post" action={`${action}/name`} class="inline-form">
          <Field
            id="user-name"
            {...fieldOf(name, 'name')}
            label={t.name}
            error={name.errors.name ?? name.message}
            autocomplete="off"
          />
          <button type="submit" class="button">
            {t.saveName}
          </button>
        </form>
        {!user.isAdmin && (
          <p>
            <a href={`${action}/limits`}>{limits.ofUser(user.name || user.email)}</a>
          </p>
        )}
      </section>
      {user.isAdmin ? (
        <p class="quiet">{t.aboutAdmin}</p>
      ) : (
        <>
          {hasPasswords && user.purgeAtMs === undefined && (
            <PasswordCard user={user} link={link} form={forms.password} action={action} />
          )}
          {user.isLinked && <IdentityCard user={user} action={action} />}
          {user.purgeAtMs === undefined ? (
            <AccessCard user={user} action={action} />
          ) : (
            <DeletedCard purgeAtMs={user.purgeAtMs} action={action} />
          )}
          <RemovalCard
            typedName={typedName}
            keptDays={user.purgeAtMs === undefined ? keptDays : 0}
            form={forms.removal ?? untouched}
            action={action}
          />
        </>
      )}
    </AdminPage>
  );
}

interface CardProps {
  user: UserView;
  action: string;
}

function PasswordCard({ link, form, action }: CardProps & Pick<UserProps, 'link'> & { form: FormState | undefined }) {
  const t = useText().users;
  return (
    <section id="password" class="card" aria-labelledby="password-title">
      <h2 id="password-title">{t.password}</h2>
      <p class="quiet">{t.resetLead}</p>
      {link && <HandedLink id="reset-link" title={t.linkReady} help={t.linkHelp} link={link} />}
      <form method="post" action={`${action}/reset-link`} class="row">
        <button type="submit" class="button primary">
          {t.makeLink}
        </button>
      </form>
      <details class="scope" open={form !== undefined}>
        <summary>{t.setPassword}</summary>
        <form method="post" action={`${action}/password`} class="scope-form">
          {form && <FormNotice form={form} />}
          <NewPassword id="set-password" label={t.newPassword} help={t.setPasswordHelp} form={form} />
          <div class="row">
            <button type="submit" class="button">
              {t.setPassword}
            </button>
          </div>
        </form>
      </details>
    </section>
  );
}

/** The link to the OpenID Connect provider, which another person there may need instead. */
function IdentityCard({ user, action }: CardProps) {
  const t = useText().users;
  return (
    <section id="identity" class="card" aria-labelledby="identity-title">
      <h2 id="identity-title">{t.identity}</h2>
      <p class="quiet">{t.identityLead}</p>
      <div class="row">
        <Confirm
          id="unlink"
          triggerClass="button"
          trigger={t.unlink}
          question={t.unlinkQuestion(user.name || user.email)}
          consequence={t.unlinkConsequence}
          action={`${action}/unlink`}
          label={t.unlink}
        />
      </div>
    </section>
  );
}

function AccessCard({ user, action }: CardProps) {
  const t = useText().users;
  return (
    <section id="access" class="card" aria-labelledby="access-title">
      <h2 id="access-title">{t.access}</h2>
      <p class="quiet">{user.isDisabled ? t.isDisabled : t.isEnabled}</p>
      <div class="row">
        {user.isDisabled ? (
          <form method="post" action={`${action}/enable`}>
            <button type="submit" class="button">
              {t.enable}
            </button>
          </form>
        ) : (
          <Confirm
            id="disable"
            triggerClass="button"
            trigger={t.disable}
            question={t.disableQuestion(user.name || user.email)}
            consequence={t.disableConsequence}
            action={`${action}/disable`}
            label={t.disable}
          />
        )}
      </div>
    </section>
  );
}

/** A deleted user, until they are purged. */
function DeletedCard({ purgeAtMs, action }: { purgeAtMs: number; action: string }) {
  const t = useText().users;
  return (
    <section id="deleted" class="card" aria-labelledby="deleted-title">
      <h2 id="deleted-title">{t.isDeleted}</h2>
      <p class="quiet">
        {t.deletedLead} <Time ms={purgeAtMs} />
      </p>
      <form method="post" action={`${action}/restore`} class="row">
        <button type="submit" class="button primary">
          {t.restore}
        </button>
      </form>
    </section>
  );
}

interface RemovalProps {
  typedName: string;
  /** 0: the user is purged at once. */
  keptDays: number;
  form: FormState;
  action: string;
}

function RemovalCard({ typedName, keptDays, form, action }: RemovalProps) {
  const t = useText().users;
  return (
    <section id="removal" class="card" aria-labelledby="removal-title">
      <h2 id="removal-title">{keptDays > 0 ? t.remove : t.purge}</h2>
      <p class="quiet">{keptDays > 0 ? t.keepLead : t.removeLead}</p>
      <DangerForm
        action={`${action}/delete`}
        label={t.removeNow}
        proof={{ id: 'typed', ...fieldOf(form, 'typed'), label: t.typeName(typedName), autocomplete: 'off' }}
        form={form}
      >
        {keptDays > 0 && (
          <fieldset class="choices">
            <legend>{t.when}</legend>
            <label for="when-later">
              <input id="when-later" type="radio" name="when" value="later" checked={form.values.when !== 'now'} />{' '}
              {t.keep(keptDays)}
            </label>
            <label for="when-now">
              <input id="when-now" type="radio" name="when" value="now" checked={form.values.when === 'now'} />{' '}
              {t.purgeNow}
            </label>
          </fieldset>
        )}
      </DangerForm>
    </section>
  );
}
