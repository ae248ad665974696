/** Turns users into what the administrator's pages show. */
import type { UserView } from '../../views/models';
import type { Who } from '../accounts/identify';
import type { User } from '../accounts/store';
import type { UsersService } from '../accounts/users';

/** Users on one page. */
const SHOWN_MAX = 50;

/** A page of users, newest first. Throws `not_found` when the user `after` is not there any more. */
export async function usersPage(users: Pick<UsersService, 'page'>, who: Who, search: string, after?: string) {
  const { users: found, hasMore } = await users.page({ search, after, limit: SHOWN_MAX });
  return { views: found.map((user) => userView(user, who)), hasMore };
}

export function userView(user: User, who: Who): UserView {
  const { id, email, name, role, createdAtMs, disabledAtMs, passwordHash } = user;
  return {
    ...{ id, email, name, createdAtMs, isAdmin: role === 'admin', isYou: id === who.user.id },
    isDisabled: disabledAtMs !== null,
    hasNoPassword: passwordHash === '',
  };
}
