/** The commands of `bun run admin` on the host, for an administrator who cannot sign in. The router must be stopped. */
import { randomBytes } from 'node:crypto';
import { normaliseEmail } from './fields';
import { passwordsService } from './passwords/passwords';
import type { UsersStore } from './users/store';

/** Random bytes of a password: 24 characters. */
const PASSWORD_BYTES = 18;

/** Thrown with a sentence for the person who typed the command. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/**
 * Gives a user a new random password and ends all sessions of the user. Throws `CommandError`.
 * @param typed the user's address; absent: the administrator's.
 * @param passwordsOpen whether others than the administrator sign in with passwords.
 */
export async function resetPassword(
  users: UsersStore,
  typed: string | undefined,
  passwordsOpen: boolean,
): Promise<{ email: string; password: string; isDisabled: boolean }> {
  const user = typed === undefined ? await users.findAdmin() : await users.findByEmail(normaliseEmail(typed));
  if (!user) throw new CommandError(typed === undefined ? 'There is no administrator.' : `There is no user ${typed}.`);
  if (!passwordsOpen && user.role !== 'admin') {
    throw new CommandError(`Nobody but the administrator signs in with a password here: PASSWORD_SIGN_IN is false.
Nothing was changed. ${user.email} signs in through the provider.`);
  }
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  await users.setPassword(user.id, await passwordsService().hash(password), { endsSessions: true });
  return { email: user.email, password, isDisabled: user.disabledAtMs !== null };
}

/** Makes a user the administrator, and the administrator a regular user. Throws `CommandError`. */
export async function handOver(users: UsersStore, typed: string): Promise<{ from: string | undefined; to: string }> {
  const user = await users.findByEmail(normaliseEmail(typed));
  if (!user) throw new CommandError(`There is no user ${typed}.`);
  if (user.role === 'admin') throw new CommandError(`${user.email} is the administrator already.`);
  if (user.disabledAtMs !== null) throw new CommandError(`${user.email} is disabled. Enable the user first.`);
  const from = (await users.findAdmin())?.email;
  await users.handOver(user.id);
  return { from, to: user.email };
}
