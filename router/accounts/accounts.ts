/** Accounts: sign-up, sign-in, sessions, the bootstrap admin. */

import { timingSafeEqual } from 'node:crypto';
import { isUniqueViolation } from '../database/database';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newId, sha256 } from '../lib/ids';
import { accountsLog } from '../lib/log';
import { lineProblem } from '../lib/text';
import type { Session, User, UserName, UsersStore } from './store';

/** The minimum of NIST SP 800-63B, and of the predecessor. */
const PASSWORD_LENGTH_MIN = 8;
const PASSWORD_LENGTH_MAX = 200;
const EMAIL_LENGTH_MAX = 254;
const NAME_LENGTH_MAX = 80;
/** Characters of a field as typed, with surrounding blanks; a longer text is refused unread. */
const TYPED_LENGTH_MAX = 1_000;
const SLUG_LENGTH_MAX = 24;
/**
 * The first recommendation of OWASP for argon2id. With Bun's default of 64 MiB, eight sign-ins at once would take half
 * a gigabyte.
 */
const HASHING = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const;

export interface SignUp {
  readonly email: string;
  readonly password: string;
  readonly name?: string;
  readonly inviteCode?: string;
}

export type AccountsService = ReturnType<typeof accountsService>;

export function accountsService(deps: {
  users: UsersStore;
  events: Events;
  signup: { readonly open: boolean; readonly inviteCode?: string };
  sessionTtlSeconds: number;
  now: () => number;
}) {
  const { users, events, signup, sessionTtlSeconds, now } = deps;
  // Verified when the user does not exist, so that both answers take the same time.
  let decoyHash: Promise<string> | undefined;

  async function insertUser(fields: { email: string; password: string; name: string; role: User['role'] }) {
    const { email, password, name, role } = fields;
    const passwordHash = await Bun.password.hash(password, HASHING);
    const base = slugify(name || (email.split('@')[0] ?? ''));
    for (;;) {
      const slug = freeSlug(base, await users.slugsLike(base));
      try {
        return await users.insert({ id: newId(), email, name, slug, role, passwordHash, createdAtMs: now() });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        if (await users.findByEmail(email)) throw emailTaken();
        if (role === 'admin' && (await users.findAdmin())) throw new AppError('conflict', { cause: error });
        // Another sign-up took the slug in between: choose again.
      }
    }
  }

  function requireSignUpOpen(): void {
    if (!signup.open) throw new AppError('forbidden', { message: 'Sign-up is closed. Ask the administrator.' });
  }

  return {
    signupOpen: signup.open,
    inviteRequired: signup.inviteCode !== undefined,

    /** Throws `forbidden` when sign-up is closed. */
    requireSignUpOpen,

    /** Creates a regular user. Throws `forbidden`, or `invalid_fields` with an error per field. */
    async signUp(input: SignUp): Promise<User> {
      requireSignUpOpen();
      if (signup.inviteCode !== undefined && !sameText(shortened(input.inviteCode).trim(), signup.inviteCode)) {
        throw new AppError('forbidden', {
          message: 'That invite code is not valid.',
          fields: { invite_code: 'Not valid' },
        });
      }
      const email = normaliseEmail(input.email);
      const name = shortened(input.name).trim();
      const fields: Record<string, string> = {};
      if (!isEmail(email)) fields.email = 'Not an e-mail address';
      const password = passwordProblem(input.password);
      if (password) fields.password = password;
      const nameProblem = lineProblem(name, NAME_LENGTH_MAX);
      if (nameProblem) fields.name = nameProblem;
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      if (await users.findByEmail(email)) throw emailTaken();
      const user = await insertUser({ email, password: input.password, name, role: 'user' });
      accountsLog.info({ user: user.id }, 'user.signed_up');
      return user;
    },

    /** Throws `wrong_credentials`, both for an unknown user and for a wrong password. */
    async signIn(email: string, password: string): Promise<User> {
      const user = await users.findByEmail(normaliseEmail(email));
      decoyHash ??= Bun.password.hash('decoy', HASHING);
      const hash = user?.passwordHash ?? (await decoyHash);
      const right = password.length <= PASSWORD_LENGTH_MAX && (await Bun.password.verify(password, hash));
      if (!user || !right) throw new AppError('wrong_credentials');
      return user;
    },

    async openSession(userId: string): Promise<Session> {
      const nowMs = now();
      await users.deleteExpiredSessions(nowMs);
      const session: Session = {
        id: newId(),
        userId,
        createdAtMs: nowMs,
        expiresAtMs: nowMs + sessionTtlSeconds * 1000,
      };
      await users.insertSession(session);
      return session;
    },

    /** The first users by e-mail address. */
    list: (limit: number): Promise<readonly User[]> => users.list(limit),

    /** The addresses of those of the users that are there. */
    namesOf: (ids: readonly string[]): Promise<readonly UserName[]> => users.namesOf(ids),

    findByEmail: (email: string): Promise<User | undefined> => users.findByEmail(normaliseEmail(email)),

    find: (id: string): Promise<User | undefined> => users.find(id),

    findSession: (id: string) => users.findSession(id, now()),

    /** Signs out: the session's token is no longer valid and its live streams end (law 20). */
    async closeSession(session: Session): Promise<void> {
      await users.deleteSession(session.id);
      events.publish(session.userId, { kind: 'revoked', credentialId: session.id });
    },

    /** Creates the first admin. Throws a clear error when the address belongs to a user who is not an admin. */
    async bootstrapAdmin(admin: { email: string; name: string; password: string }): Promise<void> {
      const existing = await users.findAdmin();
      if (existing) return;
      const email = normaliseEmail(admin.email);
      if (await users.findByEmail(email)) {
        throw new Error(
          `BOOTSTRAP_ADMIN_EMAIL ${email} already belongs to a regular user, and there is no admin. Choose another address.`,
        );
      }
      const user = await insertUser({ email, password: admin.password, name: admin.name, role: 'admin' });
      accountsLog.info({ user: user.id }, 'admin.created');
    },
  };
}

/**
 * The form in which an address is stored and compared. A too long address becomes the empty text, which no account has.
 * Its length is checked first, because one character can become eighteen.
 */
export function normaliseEmail(typed: string): string {
  const email = typed.length > TYPED_LENGTH_MAX ? '' : typed.normalize('NFKC').trim().toLowerCase();
  return email.length > EMAIL_LENGTH_MAX ? '' : email;
}

/** The typed text; a text that is longer than any field may be is cut. */
function shortened(typed = ''): string {
  return typed.slice(0, TYPED_LENGTH_MAX);
}

function isEmail(email: string): boolean {
  return lineProblem(email, EMAIL_LENGTH_MAX) === undefined && /^[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+$/.test(email);
}

function passwordProblem(password: string): string | undefined {
  if (password.length < PASSWORD_LENGTH_MIN) return `At least ${PASSWORD_LENGTH_MIN} characters`;
  if (password.length > PASSWORD_LENGTH_MAX) return `At most ${PASSWORD_LENGTH_MAX} characters`;
  return undefined;
}

function emailTaken(): AppError {
  return new AppError('conflict', {
    message: 'That e-mail address already has an account.',
    fields: { email: 'Already has an account' },
  });
}

function slugify(text: string): string {
  const slug = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH_MAX)
    .replace(/^-|-$/g, '');
  return slug || 'user';
}

function freeSlug(base: string, taken: readonly string[]): string {
  const used = new Set(taken);
  let slug = base;
  for (let n = 2; used.has(slug); n += 1) slug = `${base}-${n}`;
  return slug;
}

/** Compares in a time that does not depend on where the texts differ. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(a)), Buffer.from(sha256(b)));
}
