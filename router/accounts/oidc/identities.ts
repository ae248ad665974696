/** Finds the account of a person who signs in through the OpenID Connect provider, links one, or makes one. */
import { isUniqueViolation } from '../../database/database';
import { AppError } from '../../lib/errors';
import { accountsLog } from '../../lib/log';
import { emailProblem, nameProblem, normaliseEmail, trimmed } from '../fields';
import type { KeysService } from '../keys/keys';
import type { InvitationsService } from '../links/invitations';
import type { SessionsService } from '../sessions/sessions';
import { makeUser } from '../users/new-user';
import type { User, UsersStore } from '../users/store';
import { type Claims, NO_ADDRESS } from './oidc';

/** Why the sign-in was begun. */
export interface Purpose {
  /** The token of an invitation that is being accepted. */
  readonly invitation?: string | undefined;
  /** The user who links an account, signed in with it. */
  readonly linksUserId?: string | undefined;
}

export interface SignedIn {
  readonly user: User;
  readonly did: 'signed-in' | 'linked' | 'created' | 'invited';
  /** The account had a password, which was removed with all its sessions and keys. */
  readonly isCleared?: boolean;
}

export type IdentitiesService = ReturnType<typeof identitiesService>;

/**
 * @param deps.createsAccounts whether people without an account get one.
 * @param deps.passwordsOpen whether others than the administrator sign in with passwords.
 */
export function identitiesService(deps: {
  readonly users: UsersStore;
  readonly invitations: Pick<InvitationsService, 'acceptAs'>;
  readonly createsAccounts: boolean;
  readonly passwordsOpen: boolean;
  readonly keys: Pick<KeysService, 'revokeAll'>;
  readonly sessions: Pick<SessionsService, 'revokeAll'>;
  readonly changed: (userId: string) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}) {
  const { users, invitations, createsAccounts, passwordsOpen, changed } = deps;

  async function link(user: User, identity: string): Promise<User> {
    requireLinkable(user, identity);
    try {
      const linked = await users.change(user.id, { identity });
      if (!linked) throw new AppError('not_found', { message: 'There is no such user.' });
      await changed(user.id);
      accountsLog.info({ user: user.id }, 'identity.linked');
      return linked;
    } catch (error) {
      if (isUniqueViolation(error)) throw linkedElsewhere();
      throw error;
    }
  }

  /**
   * Links the account with the address. Nobody has verified the address of an account that was made with a password: its
   * owner may be somebody else. So the password proves it, and where passwords open nothing, all ways in are removed first.
   */
  async function linkByAddress(user: User, identity: string): Promise<SignedIn> {
    requireLinkable(requireEnabled(user), identity);
    const isCleared = user.role !== 'admin' && user.passwordHash !== '';
    if (isCleared) {
      if (passwordsOpen) throw passwordFirst();
      await users.setPassword(user.id, '', { endsSessions: false });
      await deps.sessions.revokeAll(user.id);
      await deps.keys.revokeAll(user.id);
      accountsLog.info({ user: user.id }, 'access.removed');
    }
    return { user: await link(user, identity), did: 'linked', isCleared };
  }

  async function make(email: string, name: string, { invitation }: Purpose): Promise<SignedIn> {
    const fields = { email, name: nameProblem(name) === undefined ? name : '', passwordHash: '' };
    if (invitation !== undefined) return { user: await invitations.acceptAs(invitation, fields), did: 'invited' };
    if (!createsAccounts) {
      throw new AppError('forbidden', { message: 'You have no account here yet. Ask the administrator for one.' });
    }
    const user = await makeUser(deps, { ...fields, role: 'user' });
    accountsLog.info({ user: user.id }, 'user.created');
    return { user, did: 'created' };
  }

  return {
    /**
     * The account of somebody: the one that is linked; otherwise the one with the address, which is linked then; otherwise a
     * new one, where that is allowed. Throws `forbidden`, `conflict`, and for an invitation `not_found` and `invalid_fields`.
     */
    async signIn({ identity, email: told, name }: Claims, purpose: Purpose): Promise<SignedIn> {
      const known = await users.findByIdentity(identity);
      if (known) {
        if (purpose.linksUserId !== undefined && purpose.linksUserId !== known.id) throw linkedElsewhere();
        return { user: requireEnabled(known), did: 'signed-in' };
      }
      if (purpose.linksUserId !== undefined) {
        const own = await users.find(purpose.linksUserId);
        if (own) return { user: await link(requireEnabled(own), identity), did: 'linked' };
      }
      const email = normaliseEmail(told ?? '');
      if (emailProblem(email) !== undefined) throw new AppError('forbidden', { message: NO_ADDRESS });
      const same = await users.findByEmail(email);
      if (same) return linkByAddress(same, identity);
      const { user, did } = await make(email, trimmed(name), purpose);
      return { user: await link(user, identity), did };
    },

    /** Throws `not_found`. */
    async unlink(userId: string): Promise<User> {
      const user = await users.change(userId, { identity: null });
      if (!user) throw new AppError('not_found', { message: 'There is no such user.' });
      await changed(userId);
      accountsLog.info({ user: userId }, 'identity.unlinked');
      return user;
    },
  };
}

function requireEnabled(user: User): User {
  if (user.disabledAtMs === null) return user;
  throw new AppError('forbidden', { message: 'Your account is disabled. Ask the administrator.' });
}

/** Throws `forbidden` when the account is linked to another person of the same provider. */
function requireLinkable(user: User, identity: string): void {
  const [issuer] = identity.split(' ');
  if (user.identity === null || user.identity === identity || !user.identity.startsWith(`${issuer} `)) return;
  throw new AppError('forbidden', {
    message: 'This account is linked to another person at the sign-in service. Ask the administrator.',
  });
}

function linkedElsewhere(): AppError {
  return new AppError('conflict', {
    message: 'You are linked to another account here already. Ask the administrator to unlink it.',
  });
}

function passwordFirst(): AppError {
  return new AppError('forbidden', {
    message:
      'There is an account with your address. Sign in with its password, and link it in Settings. If you did not make it, ask the administrator.',
  });
}
