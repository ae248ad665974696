/** Makes users: by sign-up, by an invitation, by the administrator, and the administrator at the first start. */
import { isUniqueViolation } from '../../database/database';
import { AppError } from '../../lib/errors';
import { newId } from '../../lib/ids';
import { freeSlug, slugOf } from '../../lib/slug';
import { emailTaken } from '../fields';
import type { NewUser, User, UsersStore } from './store';

const SLUG_LENGTH_MAX = 24;

export interface NewUserFields {
  readonly email: string;
  readonly name: string;
  readonly role: User['role'];
  /** Empty where the user has none. */
  readonly passwordHash: string;
}

/**
 * Stores a user under a free slug.
 * @param insert stores the row; by default the store's own. Its errors are thrown on, except a unique violation of the slug.
 * Throws `conflict` when the address has an account, or when there is an admin already.
 */
export async function makeUser(
  { users, changed, now }: { users: UsersStore; changed: (userId: string) => Promise<void>; now: () => number },
  { email, name, role, passwordHash }: NewUserFields,
  insert: (user: NewUser) => Promise<User> = users.insert,
): Promise<User> {
  const base = slugOf(name || (email.split('@')[0] ?? ''), SLUG_LENGTH_MAX) || 'user';
  for (;;) {
    const slug = freeSlug(base, new Set(await users.slugsLike(base)));
    try {
      const user = await insert({ id: newId(), email, name, slug, role, passwordHash, createdAtMs: now() });
      await changed(user.id);
      return user;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      if (await users.findByEmail(email)) throw emailTaken();
      if (role === 'admin' && (await users.findAdmin())) throw new AppError('conflict', { cause: error });
      // Another sign-up took the slug in between: choose again.
    }
  }
}
