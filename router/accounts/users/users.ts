/** Users as the administrator manages them: listed, made, changed, let in by reset links, and kept out. */
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newSecret, sha256 } from '../../lib/ids';
import { accountsLog } from '../../lib/log';
import { DAY_MS } from '../../lib/time';
import { emailTaken, nameProblem, readNewUser, requireValid, trimmed } from '../fields';
import type { LinksStore } from '../links/store';
import { type PasswordsService, passwordProblem } from '../passwords/passwords';
import type { SessionsService } from '../sessions/sessions';
import { makeUser } from './new-user';
import type { User, UsersStore } from './store';

/** How long a reset link is valid. */
const RESET_MS = DAY_MS;
const SEARCH_LENGTH_MAX = 254;

/** A query of the list: a part of an address or a name, and the id of the last user of the page before. */
interface UsersPage {
  readonly search?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
  /** Whether users are among them who are deleted and not yet purged. */
  readonly withDeleted?: boolean | undefined;
}

/** A link's secret, which cannot be read again later. */
export interface Handed {
  readonly token: string;
  readonly expiresAtMs: number;
}

export type UsersService = ReturnType<typeof usersService>;

export function usersService(deps: {
  users: UsersStore;
  links: LinksStore;
  passwords: PasswordsService;
  sessions: SessionsService;
  events: Events;
  /** Called when a user's row has changed. */
  changed: (userId: string) => Promise<void>;
  /** Milliseconds since the epoch. */
  now: () => number;
}) {
  const { users, links, passwords, sessions, events, changed, now } = deps;

  async function get(id: string): Promise<User> {
    const user = await users.find(id);
    if (!user) throw noSuchUser();
    return user;
  }

  return {
    /** Whether others than the administrator sign in with passwords. */
    passwordsOpen: passwords.isOpen,

    /** Throws `not_found`. */
    get,

    /** A page of the users, newest first. Throws `not_found` when the user `after` has been deleted. */
    async page({
      search = '',
      after,
      limit,
      withDeleted = false,
    }: UsersPage): Promise<{ users: readonly User[]; hasMore: boolean }> {
      const last = after === undefined ? undefined : await get(after);
      const part = search.trim().slice(0, SEARCH_LENGTH_MAX);
      const found = await users.page({ search: part, last, limit: limit + 1, withDeleted });
      return { users: found.slice(0, limit), hasMore: found.length > limit };
    },

    /** Makes a regular user; without a password, one who chooses it by a reset link. Throws `invalid_fields` or `conflict`. */
    async create(typed: { email: string; name?: string | undefined; password?: string | undefined }): Promise<User> {
      const { email, name, problems } = readNewUser(typed);
      const { password } = typed;
      if (password !== undefined) passwords.requireOpen();
      requireValid({ ...problems, password: password === undefined ? undefined : passwordProblem(password) });
      if (await users.findByEmail(email)) throw emailTaken();
      const passwordHash = password === undefined ? '' : await passwords.hash(password);
      const user = await makeUser(deps, { email, name, role: 'user', passwordHash });
      accountsLog.info({ user: user.id }, 'user.created');
      return user;
    },

    /**
     * Changes the name, the password, or both; a new password ends all sessions. Throws `invalid_fields`, `not_found`, and
     * `invalid_request` for the administrator's own password, which is changed with the old one.
     */
    async update(id: string, change: { name?: string | undefined; password?: string | undefined }): Promise<User> {
      const user = await get(id);
      const { password } = change;
      const name = change.name === undefined ? user.name : trimmed(change.name);
      if (password !== undefined && user.role === 'admin') throw ownPassword();
      if (password !== undefined) passwords.requireOpen();
      requireValid({
        name: nameProblem(name),
        password: password === undefined ? undefined : passwordProblem(password),
      });
      if (password !== undefined) {
        await users.setPassword(id, await passwords.hash(password));
        await sessions.revokeAll(id);
        accountsLog.info({ user: id }, 'password.set');
      }
      const changedUser = await users.change(id, { name });
      await changed(id);
      if (!changedUser) throw noSuchUser();
      return changedUser;
    },

    /** Makes a link with which the user sets a password, in place of the one before. Throws `invalid_request`, `not_found`. */
    async resetLink(id: string): Promise<Handed> {
      passwords.requireOpen();
      const { role } = await get(id);
      if (role === 'admin') throw ownPassword();
      const token = newSecret('');
      const expiresAtMs = now() + RESET_MS;
      await links.putReset({ userId: id, hash: sha256(token), expiresAtMs });
      accountsLog.info({ user: id }, 'reset.made');
      return { token, expiresAtMs };
    },

    /** The user whose password a link sets. Throws `not_found` when it is unknown, used or expired, or the user disabled. */
    async findByReset(token: string): Promise<User> {
      passwords.requireOpen();
      const user = await links.findReset(sha256(token), now());
      if (!user || user.disabledAtMs !== null) throw noSuchLink();
      return user;
    },

    /** Sets the password by a link, which is used up, and ends all sessions. Throws `not_found`, `invalid_fields`. */
    async reset(token: string, password: string): Promise<User> {
      passwords.requireOpen();
      requireValid({ password: passwordProblem(password) });
      const used = await links.useReset(sha256(token), await passwords.hash(password), now());
      if (!used) throw noSuchLink();
      sessions.revoked(used.user.id, used.sessionIds);
      await changed(used.user.id);
      accountsLog.info({ user: used.user.id }, 'password.reset');
      return used.user;
    },

    /**
     * Keeps a user out, or lets them in again: sessions, keys and streams end at once. Throws `not_found`, and
     * `invalid_request` for the administrator, `conflict` when a deleted user is let in.
     */
    async setDisabled(id: string, isDisabled: boolean): Promise<User> {
      const found = await get(id);
      requireNotAdmin(found, 'disabled');
      if (!isDisabled && found.purgeAtMs !== null)
        throw new AppError('conflict', { message: 'The user is deleted. Restore them first.' });
      const user = await users.change(id, { disabledAtMs: isDisabled ? now() : null });
      await sessions.revokeAll(id);
      await changed(id);
      if (!user) throw noSuchUser();
      if (isDisabled) events.publish(id, { kind: 'shut-out' });
      accountsLog.info({ user: id }, isDisabled ? 'user.disabled' : 'user.enabled');
      return user;
    },

    /** A user is disabled and deleted, and kept until `purgeAtMs`: from then on nobody restores them. */
    async keepDeleted(id: string, purgeAtMs: number): Promise<void> {
      await users.change(id, { purgeAtMs, disabledAtMs: now() });
      await changed(id);
      accountsLog.info({ user: id, purgeAtMs }, 'user.kept_deleted');
    },

    /** Lets a deleted user in again, with everything of theirs. Throws `not_found`, and `conflict` when that cannot be. */
    async restore(id: string): Promise<User> {
      const user = await users.restore(id, now());
      if (!user) throw notRestored(await get(id));
      await changed(id);
      accountsLog.info({ user: id }, 'user.restored');
      return user;
    },

    /** Deleted users whose time is over, a few at a time. */
    duePurges: (limit: number): Promise<readonly User[]> => users.duePurges(now(), limit),

    /** Deletes what the database has of a user. The user's runners must be gone. */
    async delete(id: string): Promise<void> {
      await users.delete(id);
      await changed(id);
      accountsLog.info({ user: id }, 'user.deleted');
    },
  };
}

/** Throws `invalid_request`: there is always exactly one administrator. */
export function requireNotAdmin({ role }: User, done: 'disabled' | 'deleted'): void {
  if (role !== 'admin') return;
  throw new AppError('invalid_request', {
    message: `The administrator cannot be ${done}. Hand the role over first: bun run admin hand-over <e-mail>.`,
  });
}

function ownPassword(): AppError {
  return new AppError('invalid_request', {
    message:
      "The administrator's password is changed in Settings, with the old one, or by: bun run admin reset-password.",
  });
}

function notRestored({ purgeAtMs }: User): AppError {
  const message = purgeAtMs === null ? 'This user is not deleted.' : 'This user is being deleted.';
  return new AppError('conflict', { message });
}

function noSuchUser(): AppError {
  return new AppError('not_found', { message: 'There is no such user.' });
}

function noSuchLink(): AppError {
  return new AppError('not_found', { message: 'This link is not valid any more. Ask the administrator for another.' });
}
