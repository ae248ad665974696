/** Turns users into what the administrator's pages show. */
import type { UserView } from '../../../views/accounts/models';
import type { Who } from '../../accounts/identify';
import type { User } from '../../accounts/users/store';
import type { UsersService } from '../../accounts/users/users';

/** Users on one page. */
const SHOWN_MAX = 50;

type Listing = Pick<UsersService, 'page' | 'passwordsOpen'>;

/** A page of users, newest first. Throws `not_found` when the user `after` has been deleted. */
export async function usersPage(users: Listing, who: Who, search: string, after?: string) {
  const { users: found, hasMore } = await users.page({ search, after, limit: SHOWN_MAX, withDeleted: true });
  return { views: found.map((user) => userView(users, user, who)), hasMore };
}

export function userView({ passwordsOpen }: Pick<Listing, 'passwordsOpen'>, user: User, who: Who): UserView {
  const { id, email, name, role, createdAtMs, disabledAtMs, passwordHash, identity, purgeAtMs } = user;
  return {
    ...{ id, email, name, createdAtMs, isAdmin: role === 'admin', isYou: id === who.user.id },
    isDisabled: disabledAtMs !== null,
    ...(purgeAtMs !== null && { purgeAtMs }),
    hasNoPassword: passwordsOpen && passwordHash === '' && identity === null,
    isLinked: identity !== null,
  };
}
