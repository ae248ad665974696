/** Reads the fields that people type about an account, and refuses wrong ones. */
import { AppError } from '../lib/errors';
import { lineProblem } from '../lib/text';

const EMAIL_LENGTH_MAX = 254;
const NAME_LENGTH_MAX = 80;
/** Characters of a field as typed, with surrounding blanks; a longer text is refused unread. */
const TYPED_LENGTH_MAX = 1_000;

/**
 * The form in which an address is stored and compared. A too long address becomes the empty text, which no account has.
 * Its length is checked first, because one character can become eighteen.
 */
export function normaliseEmail(typed: string): string {
  const email = typed.length > TYPED_LENGTH_MAX ? '' : typed.normalize('NFKC').trim().toLowerCase();
  return email.length > EMAIL_LENGTH_MAX ? '' : email;
}

/** The typed text without surrounding blanks; a text that is longer than any field may be is cut. */
export function trimmed(typed = ''): string {
  return typed.slice(0, TYPED_LENGTH_MAX).trim();
}

/** Reads the address and the name of a new user. */
export function readNewUser(typed: { readonly email: string; readonly name?: string | undefined }) {
  const email = normaliseEmail(typed.email);
  const name = trimmed(typed.name);
  return { email, name, problems: { email: emailProblem(email), name: nameProblem(name) } };
}

export function emailProblem(email: string): string | undefined {
  const isAddress = /^[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+$/.test(email);
  return isAddress && lineProblem(email, EMAIL_LENGTH_MAX) === undefined ? undefined : 'Not an e-mail address';
}

export function nameProblem(name: string): string | undefined {
  return lineProblem(name, NAME_LENGTH_MAX);
}

/** @param problems field → what is wrong with it, or undefined. Throws `invalid_fields` when something is. */
export function requireValid(problems: Readonly<Record<string, string | undefined>>): void {
  const found = Object.entries(problems).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (found.length > 0) throw new AppError('invalid_fields', { fields: Object.fromEntries(found) });
}

export function emailTaken(): AppError {
  return new AppError('conflict', {
    message: 'That e-mail address already has an account.',
    fields: { email: 'Already has an account' },
  });
}
