import { Icon } from '../icons';
import { Confirm } from '../kit/confirm';
import { DangerForm } from '../kit/danger-form';
import { Field } from '../kit/field';
import { FlashNotice, FormNotice } from '../kit/notice';
import { NewPassword } from '../kit/password';
import { SavedPlace, savedOnChange } from '../kit/saved';
import { Time } from '../kit/time';
import type { Flash, FormState } from '../models';
import { useText } from '../render';
import { LanguageChoice } from '../settings/language-choice';
import type { ProviderView, SessionView, YouView } from './models';

const untouched: FormState = { values: {}, errors: {} };

/** The user's own account: name, password, and where they are signed in. */
export function You({ you, flash }: { you: YouView; flash?: Flash | undefined }) {
  const t = useText().you;
  const { name = { values: { name: you.name }, errors: {} }, password = untouched } = you.forms ?? {};
  return (
    <section id="you" class="card" aria-labelledby="you-title">
      <h2 id="you-title">{t.title}</h2>
      <p class="quiet">{t.signedInAs(you.email)}</p>
      <FlashNotice flash={flash} id="you-said" />
      <form method="post" action="/settings/you/name" class="inline-form">
        <Field
          id="your-name"
          name="name"
          label={t.name}
          value={name.values.name}
          error={name.errors.name ?? name.message}
          autocomplete="name"
        />
        <button type="submit" class="button">
          {t.saveName}
        </button>
      </form>
      <LanguageChoice language={you.language} />
      <TitlesForm isOn={you.hasModelTitles} />
      {you.provider && <ProviderAccount provider={you.provider} isLinked={you.isLinked} />}
      {you.hasPassword && <PasswordForm email={you.email} form={password} isOpen={you.forms?.password !== undefined} />}
      <Sessions sessions={you.sessions} />
      {!you.isAdmin && <RemovalForm form={you.forms?.removal} hasPassword={you.hasPassword} />}
    </section>
  );
}

function TitlesForm({ isOn }: { isOn: boolean }) {
  const t = useText().you;
  return (
    <form {...savedOnChange('/settings/you/titles')} class="row">
      <input type="hidden" name="setting" value="titles" />
      <label class="check grow" for="model-titles">
        <input
          id="model-titles"
          type="checkbox"
          name="titles"
          value="on"
          checked={isOn}
          aria-describedby="titles-help"
        />
        {t.titles}
      </label>
      <SavedPlace />
      <button type="submit" class="button no-script-only">
        {t.saveTitles}
      </button>
      <p id="titles-help" class="field-help">
        {t.titlesHelp}
      </p>
    </form>
  );
}

function PasswordForm({ email, form, isOpen }: { email: string; form: FormState; isOpen: boolean }) {
  const t = useText().you;
  return (
    <details class="scope" open={isOpen}>
      <summary>{t.changePassword}</summary>
      <form method="post" action="/settings/you/password" class="scope-form">
        <FormNotice form={form} />
        {/* For password managers, which file the new password under it. */}
        <input type="hidden" name="username" autocomplete="username" value={email} />
        <div class="field-row">
          <Field
            id="old-password"
            name="old_password"
            type="password"
            label={t.oldPassword}
            error={form.errors.old_password}
            autocomplete="current-password"
            required
          />
          <NewPassword id="new-password" name="new_password" label={t.newPassword} help={t.passwordHelp} form={form} />
        </div>
        <div class="row">
          <button type="submit" class="button">
            {t.savePassword}
          </button>
        </div>
      </form>
    </details>
  );
}

/** Whether the account is linked at the OpenID Connect provider, and how to link it. */
function ProviderAccount({ provider, isLinked }: { provider: ProviderView; isLinked: boolean }) {
  const t = useText().you;
  return isLinked ? (
    <p class="quiet">{t.linked(provider.name)}</p>
  ) : (
    <p class="row">
      <a class="button" href={provider.href}>
        {t.link(provider.name)}
      </a>
    </p>
  );
}

function RemovalForm({ form, hasPassword }: { form: FormState | undefined; hasPassword: boolean }) {
  const t = useText().you;
  return (
    <details class="scope" open={form !== undefined}>
      <summary>{t.remove}</summary>
      <DangerForm
        action="/settings/you/delete"
        label={t.removeNow}
        proof={{
          ...{ id: 'delete-password', name: 'password', error: form?.errors.password },
          ...(hasPassword
            ? { type: 'password', label: t.password, autocomplete: 'current-password' }
            : { type: 'email', label: t.typeEmail, autocomplete: 'off' }),
        }}
        form={form}
      >
        <p class="quiet">{t.removeLead}</p>
      </DangerForm>
    </details>
  );
}

function Sessions({ sessions }: { sessions: SessionView[] }) {
  const t = useText().you;
  return (
    <details class="scope">
      <summary>
        {t.sessions} <span class="quiet">{t.sessionCount(sessions.length)}</span>
      </summary>
      <ul class="rows">
        {sessions.map((session) => (
          <SessionRow key={session.id} session={session} />
        ))}
      </ul>
      {sessions.length > 1 && (
        <div class="row">
          <Confirm
            id="revoke-other-sessions"
            triggerClass="button"
            trigger={t.revokeOthers}
            question={t.revokeOthersQuestion}
            consequence={t.revokeConsequence}
            action="/settings/sessions/revoke-others"
            label={t.revokeOthers}
          />
        </div>
      )}
    </details>
  );
}

function SessionRow({ session }: { session: SessionView }) {
  const t = useText().you;
  const browser = session.browser || t.unknownBrowser;
  return (
    <li id={`session-${session.id}`}>
      <Icon name="monitor" />
      <div class="grow">
        <p class="row-title">
          <span class="ellipsis">{browser}</span>
          {session.isCurrent && <span class="badge">{t.thisSession}</span>}
        </p>
        <p class="quiet">
          {session.address && `${session.address} · `}
          {t.signedInAt} <Time ms={session.createdAtMs} /> · {t.lastUsed} <Time ms={session.seenAtMs} />
        </p>
      </div>
      {!session.isCurrent && (
        <Confirm
          id={`revoke-session-${session.id}`}
          triggerClass="button quiet-button"
          trigger={t.revoke}
          triggerLabel={t.revokeNamed(browser)}
          question={t.revokeQuestion(browser)}
          consequence={t.revokeConsequence}
          action={`/settings/sessions/${session.id}/revoke`}
          label={t.revoke}
        />
      )}
    </li>
  );
}
