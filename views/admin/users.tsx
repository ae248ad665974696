import type { UserView } from '../accounts/models';
import { Icon } from '../icons';
import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import { NewPassword } from '../kit/password';
import { Time } from '../kit/time';
import type { Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { AdminPage } from './page';
import { PageLinks } from './page-links';

interface UsersProps {
  shell: Shell;
  users: readonly UserView[];
  liveUrl: string;
  /** The searched text; empty for the whole list. */
  search: string;
  /** Where the next of them are, and the first. */
  moreHref?: string | undefined;
  firstHref?: string | undefined;
  form: FormState;
  /** Whether users sign in with passwords. */
  hasPasswords?: boolean;
  isRefused: boolean;
  flash?: Flash | undefined;
}

/** All users, and the form that makes another. */
export function AdminUsersPage({ shell, users, liveUrl, search, moreHref, firstHref, form, ...props }: UsersProps) {
  const { users: t, limits } = useText();
  const { isRefused, hasPasswords = true, flash } = props;
  return (
    <AdminPage shell={shell} flash={flash} tab="users" liveUrl={liveUrl}>
      <section id="users" class="card" aria-labelledby="users-title">
        <h2 id="users-title">{t.title}</h2>
        <search>
          <form method="get" action="/admin/users" class="inline-form">
            <Field id="search" name="search" label={t.search} placeholder={t.searchPlaceholder} value={search} />
            <button type="submit" class="button">
              {t.find}
            </button>
            <a href="#new-user" class="button">
              {t.create}
            </a>
            <a href="/admin/limits" class="button">
              {limits.ofEverybody}
            </a>
          </form>
        </search>
        <UserList users={users} />
        <PageLinks firstHref={firstHref} first={t.first} moreHref={moreHref} more={t.more} />
      </section>
      <section id="new-user" class="card" aria-labelledby="new-user-title">
        <h2 id="new-user-title">{t.create}</h2>
        <p class="quiet">{hasPasswords ? t.createLead : t.createLinkedLead}</p>
        <form method="post" action="/admin/users" class="scope-form">
          <FormNotice form={form} />
          <div class="field-row">
            <Field
              id="new-email"
              {...fieldOf(form, 'email')}
              type="email"
              label={t.email}
              autocomplete="off"
              required
              autofocus={isRefused}
            />
            <Field id="new-name" {...fieldOf(form, 'name')} label={t.name} autocomplete="off" />
            {hasPasswords && (
              <NewPassword
                id="new-user-password"
                label={t.password}
                help={t.passwordHelp}
                form={form}
                required={false}
              />
            )}
          </div>
          <div class="row">
            <button type="submit" class="button primary">
              {t.createNow}
            </button>
          </div>
        </form>
      </section>
    </AdminPage>
  );
}

export const USER_LIST_ID = 'user-list';
export const userRowId = ({ id }: UserView) => `user-${id}`;

export function UserList({ users }: { users: readonly UserView[] }) {
  const t = useText().users;
  return (
    <div id={USER_LIST_ID}>
      {users.length === 0 ? (
        <p class="quiet">{t.none}</p>
      ) : (
        <ul class="rows">
          {users.map((user) => (
            <UserRow key={user.id} user={user} />
          ))}
        </ul>
      )}
    </div>
  );
}

export function UserRow({ user }: { user: UserView }) {
  const t = useText().users;
  return (
    <li id={userRowId(user)}>
      <Icon name="user" />
      <div class="grow">
        <p class="row-title">
          <a href={`/admin/users/${user.id}`} class="ellipsis" dir="auto">
            {user.name || user.email}
          </a>
          <UserBadges user={user} />
        </p>
        <p class="quiet verbatim">
          {user.name && `${user.email} · `}
          {t.since} <Time ms={user.createdAtMs} />
        </p>
      </div>
    </li>
  );
}

/** One word for each special state of a user. */
export function UserBadges({ user }: { user: UserView }) {
  const t = useText().users;
  return (
    <>
      {user.isAdmin && <span class="badge">{t.admin}</span>}
      {user.isYou && <span class="badge">{t.you}</span>}
      {user.isDisabled && (
        <span class="badge" data-state="failed">
          {user.purgeAtMs === undefined ? t.disabled : t.deletedBadge}
        </span>
      )}
      {user.isLinked && <span class="badge">{t.linked}</span>}
      {user.hasNoPassword && <span class="badge">{t.noPassword}</span>}
    </>
  );
}
