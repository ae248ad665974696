/** Invitations: links with which people sign up, also while sign-up is closed. */
import { AppError } from '../../lib/errors';
import { newId, newSecret, sha256 } from '../../lib/ids';
import { accountsLog } from '../../lib/log';
import { DAY_MS } from '../../lib/time';
import { emailProblem, emailTaken, normaliseEmail, readNewUser, requireValid } from '../fields';
import { type PasswordsService, passwordProblem } from '../passwords/passwords';
import { makeUser, type NewUserFields } from '../users/new-user';
import type { User, UsersStore } from '../users/store';
import type { Handed } from '../users/users';
import type { Invitation, LinksStore } from './store';

const USES_MAX = 1_000;
const DAYS_MAX = 90;
/** How long an expired invitation is still listed. */
const LISTED_DAYS = 30;
const INVITATIONS_MAX = 500;

interface NewInvitation {
  /** Absent: for anybody. */
  readonly email?: string | undefined;
  /** Absent: one. */
  readonly uses?: number | undefined;
  /** Days for which it is valid. Absent: seven. */
  readonly days?: number | undefined;
}

export type InvitationsService = ReturnType<typeof invitationsService>;

export function invitationsService(deps: {
  users: UsersStore;
  links: LinksStore;
  passwords: PasswordsService;
  /** Called when a user's row has changed. */
  changed: (userId: string) => Promise<void>;
  /** Milliseconds since the epoch. */
  now: () => number;
}) {
  const { users, links, passwords, now } = deps;

  /** The invitation that a token opens. Throws `not_found` when it is unknown, used up, expired or revoked. */
  async function find(token: string): Promise<Invitation> {
    const found = await links.findInvitation(sha256(token), now());
    if (!found) throw noSuchInvitation();
    return found;
  }

  async function join(hash: string, fields: Omit<NewUserFields, 'role'>): Promise<User> {
    const user = await makeUser(deps, { ...fields, role: 'user' }, async (row) => {
      const made = await links.join(hash, row, now());
      if (!made) throw noSuchInvitation();
      return made;
    });
    accountsLog.info({ user: user.id }, 'invitation.accepted');
    return user;
  }

  return {
    /** Throws `invalid_fields`, and `conflict` when there are too many invitations or the address has an account. */
    async create(asked: NewInvitation): Promise<Handed & { invitation: Invitation }> {
      const { email: typed = '', uses = 1, days = 7 } = asked;
      const email = normaliseEmail(typed);
      const isWhole = (value: number, max: number) => Number.isInteger(value) && value >= 1 && value <= max;
      requireValid({
        email: typed.trim() === '' ? undefined : emailProblem(email),
        uses: isWhole(uses, USES_MAX) ? undefined : `A whole number from 1 to ${USES_MAX}`,
        days: isWhole(days, DAYS_MAX) ? undefined : `A whole number from 1 to ${DAYS_MAX}`,
      });
      if (email !== '' && (await users.findByEmail(email))) throw emailTaken();
      if ((await links.listInvitations(INVITATIONS_MAX)).length >= INVITATIONS_MAX) {
        throw new AppError('conflict', { message: `There are ${INVITATIONS_MAX} invitations. Revoke some first.` });
      }
      const token = newSecret('');
      const nowMs = now();
      const invitation: Invitation = {
        id: newId(),
        hash: sha256(token),
        email: email || null,
        // An address has one account.
        usesMax: email === '' ? uses : 1,
        uses: 0,
        createdAtMs: nowMs,
        expiresAtMs: nowMs + days * DAY_MS,
      };
      await links.insertInvitation(invitation, nowMs - LISTED_DAYS * DAY_MS);
      accountsLog.info({ invitation: invitation.id }, 'invitation.created');
      return { token, expiresAtMs: invitation.expiresAtMs, invitation };
    },

    /** Newest first. */
    list: (): Promise<readonly Invitation[]> => links.listInvitations(INVITATIONS_MAX),

    /** Throws `not_found`. */
    async revoke(id: string): Promise<void> {
      if (!(await links.deleteInvitation(id))) {
        throw new AppError('not_found', { message: 'There is no such invitation.' });
      }
      accountsLog.info({ invitation: id }, 'invitation.revoked');
    },

    find,

    /** Makes a regular user and uses the invitation once. Throws `not_found`, `forbidden`, `invalid_fields` or `conflict`. */
    async accept(token: string, typed: { email: string; password: string; name?: string | undefined }): Promise<User> {
      passwords.requireOpen();
      const { email: invited, hash } = await find(token);
      const { email, name, problems } = readNewUser(typed);
      const isOther = invited !== null && email !== invited;
      requireValid({
        ...problems,
        ...(isOther && { email: `This invitation is for ${invited}` }),
        password: passwordProblem(typed.password),
      });
      if (await users.findByEmail(email)) throw emailTaken();
      return join(hash, { email, name, passwordHash: await passwords.hash(typed.password) });
    },

    /**
     * Accepts for somebody whom the OpenID Connect provider has named, without a password. Throws `not_found`, `forbidden`
     * or `conflict`.
     */
    async acceptAs(token: string, fields: Omit<NewUserFields, 'role'>): Promise<User> {
      const { email: invited, hash } = await find(token);
      if (invited !== null && fields.email !== invited) {
        throw new AppError('forbidden', { message: `This invitation is for ${invited}.` });
      }
      return join(hash, fields);
    },
  };
}

function noSuchInvitation(): AppError {
  return new AppError('not_found', {
    message: 'This invitation is not valid any more. Ask the person who sent it for another.',
  });
}
