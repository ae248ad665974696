/** Passwords: the one policy for all of them, and hashing, of which a bounded amount runs at once. */
import { randomBytes } from 'node:crypto';
import { AppError } from '../../lib/errors';
import { createTurns } from '../../lib/turns';
// From @zxcvbn-ts/language-common (MIT), by scripts/passwords.ts.
import commonPasswords from './common-passwords.txt' with { type: 'text' };
import { createHashing, HASHING_AT_ONCE, type Hashing } from './hashing';

/** The minimum of NIST SP 800-63B, and of the predecessor. */
export const PASSWORD_LENGTH_MIN = 8;
const PASSWORD_LENGTH_MAX = 200;
/** Hashes that may wait. More would wait longer than some seconds, and are refused. */
const HASHING_QUEUED_MAX = 300;

/** bcrypt ignores what follows, and the predecessor's library cut it off. Bun hashes a longer password to these bytes first. */
const BCRYPT_BYTES_MAX = 72;

const COMMON: ReadonlySet<string> = new Set(commonPasswords.split('\n').slice(0, -1));

/** Returns why a password is refused; undefined when it is not. */
export function passwordProblem(password: string): string | undefined {
  if (password.length < PASSWORD_LENGTH_MIN) return `At least ${PASSWORD_LENGTH_MIN} characters`;
  if (password.length > PASSWORD_LENGTH_MAX) return `At most ${PASSWORD_LENGTH_MAX} characters`;
  if (COMMON.has(password.toLowerCase())) return 'One of the most common passwords, which are guessed first';
  return undefined;
}

export type PasswordsService = ReturnType<typeof passwordsService>;

/**
 * Both functions throw `overloaded` when too many hashes wait for their turn.
 * @param options.isOpen whether others than the administrator sign in with passwords.
 * @param options.atOnce how many run at once.
 * @param options.queuedMax how many may wait.
 */
export function passwordsService({
  isOpen = true,
  atOnce = HASHING_AT_ONCE,
  queuedMax = HASHING_QUEUED_MAX,
  hashing = createHashing(atOnce),
}: {
  isOpen?: boolean;
  atOnce?: number;
  queuedMax?: number;
  hashing?: Hashing;
} = {}) {
  const turns = createTurns({ atOnce, queuedMax, refusal: tooManyWaiting });
  // Verified where there is no hash, so that both answers take the same time.
  let decoyHash: Promise<string> | undefined;

  const hash = (password: string): Promise<string> => turns('', () => hashing.hash(password));

  return {
    isOpen,
    /** Throws `forbidden` where nobody but the administrator has a password. */
    requireOpen(): void {
      if (isOpen) return;
      throw new AppError('forbidden', {
        message: 'Nobody but the administrator signs in with a password here.',
        hint: 'PASSWORD_SIGN_IN is false.',
      });
    },
    hash,
    /** @param known the user's hash; empty or undefined where there is none, which no password matches. */
    async matches(password: string, known: string | undefined): Promise<boolean> {
      decoyHash ??= hash(randomBytes(32).toString('base64url'));
      decoyHash.catch(() => {
        decoyHash = undefined;
      });
      const against = known || (await decoyHash);
      if (password.length > PASSWORD_LENGTH_MAX) return false;
      const compared = isBcrypt(against) ? Buffer.from(password).subarray(0, BCRYPT_BYTES_MAX) : password;
      return (await turns('', () => hashing.verify(compared, against))) && Boolean(known);
    },
    /** Whether a hash is of the predecessor (`bun run import`) and is replaced when its user signs in. */
    isOutdated: isBcrypt,
  };
}

function isBcrypt(hash: string): boolean {
  return hash.startsWith('$2');
}

function tooManyWaiting(): AppError {
  return new AppError('overloaded', {
    message: 'Too many people sign in at this moment. Try again in a few seconds.',
    retryAfterSeconds: 5,
  });
}
