/** Accounts: sign-up, sign-in, what users change of their own account, and the bootstrap admin. */

import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../lib/errors';
import { sha256 } from '../lib/ids';
import { accountsLog } from '../lib/log';
import { emailTaken, nameProblem, normaliseEmail, readNewUser, requireValid, trimmed } from './fields';
import { type PasswordsService, passwordProblem } from './passwords/passwords';
import type { SessionsService } from './sessions/sessions';
import { makeUser } from './users/new-user';
import type { User, UserName, UsersStore } from './users/store';

interface SignUp {
  readonly email: string;
  readonly password: string;
  readonly name?: string;
  readonly inviteCode?: string;
}

/** Thrown at start when the bootstrap admin cannot be made. */
export class BootstrapError extends Error {
  override readonly name = 'BootstrapError';
}

const ONLY_ADMIN = 'The e-mail address or the password is wrong. Only the administrator signs in with a password here.';

export type AccountsService = ReturnType<typeof accountsService>;

interface AccountsDeps {
  readonly users: UsersStore;
  readonly passwords: PasswordsService;
  readonly sessions: SessionsService;
  readonly signup: { readonly open: boolean; readonly inviteCode?: string };
  /** Called when a user's row has changed. */
  readonly changed: (userId: string) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export function accountsService(deps: AccountsDeps) {
  const { users, passwords, sessions, signup, changed } = deps;

  function requireSignUpOpen(): void {
    if (!signup.open) throw new AppError('forbidden', { message: 'Sign-up is closed. Ask the administrator.' });
  }

  function hasPassword({ role, passwordHash }: User): boolean {
    return passwordHash !== '' && (passwords.isOpen || role === 'admin');
  }

  /** Throws `wrong_credentials` for the field when the password is not the user's. */
  async function requirePassword(user: User, password: string, field: string): Promise<void> {
    if (await passwords.matches(password, user.passwordHash)) return;
    throw new AppError('wrong_credentials', {
      message: 'That is not your password.',
      fields: { [field]: 'Not your password' },
    });
  }

  return {
    signupOpen: signup.open,
    /** Whether others than the administrator sign in with passwords. */
    passwordsOpen: passwords.isOpen,
    inviteRequired: signup.inviteCode !== undefined,

    /** Throws `forbidden` when sign-up is closed. */
    requireSignUpOpen,

    /** Creates a regular user. Throws `forbidden`, or `invalid_fields` with an error per field. */
    async signUp(input: SignUp): Promise<User> {
      requireSignUpOpen();
      if (signup.inviteCode !== undefined && !sameText(trimmed(input.inviteCode), signup.inviteCode)) {
        throw new AppError('forbidden', {
          message: 'That invite code is not valid.',
          fields: { invite_code: 'Not valid' },
        });
      }
      const { email, name, problems } = readNewUser(input);
      requireValid({ ...problems, password: passwordProblem(input.password) });
      if (await users.findByEmail(email)) throw emailTaken();
      const passwordHash = await passwords.hash(input.password);
      const user = await makeUser(deps, { email, name, role: 'user', passwordHash });
      accountsLog.info({ user: user.id }, 'user.signed_up');
      return user;
    },

    /**
     * Throws `wrong_credentials`, both for an unknown user and for a wrong password, and `forbidden` for a disabled user
     * whose password is right.
     */
    async signIn(email: string, password: string): Promise<User> {
      const user = await users.findByEmail(normaliseEmail(email));
      const isRight = await passwords.matches(password, user?.passwordHash);
      const isAllowed = passwords.isOpen || user?.role === 'admin';
      if (!user || !isRight || !isAllowed) {
        // The error is the same for everybody, so that it does not tell who the administrator is.
        throw new AppError('wrong_credentials', passwords.isOpen ? {} : { message: ONLY_ADMIN });
      }
      if (user.disabledAtMs !== null) {
        throw new AppError('forbidden', { message: 'Your account is disabled. Ask the administrator.' });
      }
      if (passwords.isOutdated(user.passwordHash)) {
        await users.setPassword(user.id, await passwords.hash(password), { endsSessions: false });
      }
      return user;
    },

    /** The first users by e-mail address. */
    list: (limit: number): Promise<readonly User[]> => users.list(limit),

    /** The addresses of those of the users that are there. */
    namesOf: (ids: readonly string[]): Promise<readonly UserName[]> => users.namesOf(ids),

    findByEmail: (email: string): Promise<User | undefined> => users.findByEmail(normaliseEmail(email)),

    find: (id: string): Promise<User | undefined> => users.find(id),

    /** Whether the user can sign in with a password. */
    hasPassword,

    /**
     * Throws unless the user typed their password, or where they have none, their e-mail address: `wrong_credentials` for the
     * field.
     */
    async requireOwner(user: User, typed: string, field: string): Promise<void> {
      if (hasPassword(user)) return requirePassword(user, typed, field);
      if (normaliseEmail(typed) === user.email) return;
      throw new AppError('wrong_credentials', {
        message: 'That is not your e-mail address.',
        fields: { [field]: 'Not your e-mail address' },
      });
    },

    /** Throws `invalid_fields`. */
    async rename(userId: string, typed: string): Promise<User> {
      const name = trimmed(typed);
      requireValid({ name: nameProblem(name) });
      const user = await users.change(userId, { name });
      if (!user) throw new AppError('not_found', { message: 'There is no such user.' });
      await changed(userId);
      return user;
    },

    /** @param change `language` of pages, null for that of the browser; whether the model names conversations. */
    async setPreferences(userId: string, change: Partial<Pick<User, 'language' | 'hasModelTitles'>>): Promise<User> {
      const user = await users.change(userId, change);
      if (!user) throw new AppError('not_found', { message: 'There is no such user.' });
      await changed(userId);
      return user;
    },

    /**
     * Sets the user's own password, and ends every other session. Throws `wrong_credentials` when the old one is not right,
     * `forbidden`, and `invalid_fields`.
     * @param keptSessionId the session in which it is changed.
     */
    async changePassword(user: User, typed: { old: string; new: string }, keptSessionId: string): Promise<void> {
      if (user.role !== 'admin') passwords.requireOpen();
      requireValid({ new_password: passwordProblem(typed.new) });
      await requirePassword(user, typed.old, 'old_password');
      await users.setPassword(user.id, await passwords.hash(typed.new));
      await sessions.revokeAll(user.id, keptSessionId);
      await changed(user.id);
      accountsLog.info({ user: user.id }, 'password.changed');
    },

    /** Creates the first admin. Throws a `BootstrapError` when the address belongs to a user who is not an admin. */
    async bootstrapAdmin(admin: { email: string; name: string; password: string }): Promise<void> {
      const existing = await users.findAdmin();
      if (existing) return;
      const email = normaliseEmail(admin.email);
      if (await users.findByEmail(email)) {
        throw new BootstrapError(
          `BOOTSTRAP_ADMIN_EMAIL ${email} already belongs to a regular user, and there is no admin. Choose another address.`,
        );
      }
      const problem = passwordProblem(admin.password);
      if (problem) throw new BootstrapError(`BOOTSTRAP_ADMIN_PASSWORD is refused: ${problem}.`);
      const passwordHash = await passwords.hash(admin.password);
      const user = await makeUser(deps, { email, name: admin.name, role: 'admin', passwordHash });
      accountsLog.info({ user: user.id }, 'admin.created');
    },
  };
}

/** Compares in a time that does not depend on where the texts differ. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(a)), Buffer.from(sha256(b)));
}
