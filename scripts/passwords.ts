/**
 * Writes router/accounts/passwords/common-passwords.txt, which is committed, from @zxcvbn-ts/language-common. Run it after
 * an update of that package.
 */
import { join } from 'node:path';
import { PASSWORD_LENGTH_MIN } from '../router/accounts/passwords/passwords';

/** Passwords taken from the package's list, the most common first. A longer list refuses more passwords that nobody guesses. */
const RANKS_MAX = 10_000;

const root = join(import.meta.dir, '..');
const all: string[] = await Bun.file(join(root, 'node_modules/@zxcvbn-ts/language-common/src/passwords.json')).json();
const listed = all.slice(0, RANKS_MAX).filter((password) => password.length >= PASSWORD_LENGTH_MIN);
await Bun.write(join(root, 'router/accounts/passwords/common-passwords.txt'), `${listed.join('\n')}\n`);
