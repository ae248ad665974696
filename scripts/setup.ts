/** Runs before the first start: generates missing secrets, so that a new clone starts without configuration. */

import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, lstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { ConfigError, type Env, environment } from '../router/config/config';
import { hasCode } from '../router/lib/system-errors';

/** Excludes characters that look alike (Crockford's base32). 4 groups of 5 characters are 100 random bits. */
const readableAlphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Writes `.env` (mode 0600) into `directory` with the required settings that `env` lacks, and returns the text for the
 * terminal. An existing `.env` only gets the secrets that it lacks. Returns undefined and writes nothing if none is
 * missing. If two set-ups run at once, one of them writes.
 */
export function setUp(directory: string, env: Env): string | undefined {
  const made: Record<string, string> = {
    JWT_SECRET: newSecret(),
    ENCRYPTION_KEY: newSecret(),
    BOOTSTRAP_ADMIN_EMAIL: 'admin@agent-stack.local',
    BOOTSTRAP_ADMIN_PASSWORD: readablePassword(),
  };
  const lacking = Object.entries(made).filter(([name]) => !env[name]?.trim());
  if (lacking.length === 0) return undefined;
  // Bun reads this variable before any of our code runs, and `bun run start` finds it only in this file.
  const lines = [...lacking, ['BUN_CONFIG_MAX_HTTP_REQUESTS', env.BUN_CONFIG_MAX_HTTP_REQUESTS || '8192']];
  const text = lines.map(([name, value]) => `${name}=${value}\n`).join('');
  const header =
    '# Made by the first start. Every other setting is in .env.example. Keep this file secret, and back it up.\n';
  if (!createFile(join(directory, '.env'), header + text)) return addedText(addSecrets(directory, env));
  return greeting(
    env.ROUTER_PUBLIC_BASE_URL || `http://127.0.0.1:${env.FRONTEND_PORT || '18000'}`,
    env.BOOTSTRAP_ADMIN_EMAIL || made.BOOTSTRAP_ADMIN_EMAIL,
    env.BOOTSTRAP_ADMIN_PASSWORD ? '(the one in BOOTSTRAP_ADMIN_PASSWORD)' : made.BOOTSTRAP_ADMIN_PASSWORD,
  );
}

/**
 * Adds the secrets that an existing `.env` lacks, such as that of the first agent-stack, which had no ENCRYPTION_KEY.
 * Returns what it has added; nothing where there is no such file. Throws a `ConfigError`, and adds nothing, if a line
 * refers to a variable without a value: a new secret in its place could hide the right one.
 */
export function addSecrets(directory: string, env: Env): Readonly<Record<string, string>> {
  const file = join(directory, '.env');
  // A link may lead to a file that others use as well.
  if (!lstatSync(file, { throwIfNoEntry: false })?.isFile()) return {};
  const text = readFileSync(file, 'utf8');
  const set = parseEnv(text);
  const lacking = ['JWT_SECRET', 'ENCRYPTION_KEY'].filter((name) => !env[name]?.trim() && !set[name]?.trim());
  const referring = ['JWT_SECRET', 'ENCRYPTION_KEY'].filter((name) => !env[name]?.trim() && set[name]?.includes('$'));
  if (referring.length > 0) throw new ConfigError(referring.map(refersToNothing));
  if (lacking.length === 0) return {};
  const added = Object.fromEntries(lacking.map((name) => [name, newSecret()]));
  const lines = lacking.map((name) => `${name}=${added[name]}\n`).join('');
  appendFileSync(
    file,
    `${text === '' || text.endsWith('\n') ? '' : '\n'}# Added at a start, because it was missing.\n${lines}`,
  );
  return added;
}

function refersToNothing(variable: string) {
  const rule =
    'has a $ in .env, and so refers to another variable, which has no value: set that one, or write the value itself';
  return { variable, rule, example: 'the output of: openssl rand -hex 32' };
}

/** The text for the terminal; undefined if nothing was added. */
function addedText(added: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(added);
  if (names.length === 0) return undefined;
  return `agent-stack has added ${names.join(' and ')} to .env. Keep this file secret, and back it up.\n`;
}

export const newSecret = () => randomBytes(32).toString('hex');

function readablePassword(): string {
  const letters = Array.from(randomBytes(20), (byte) => readableAlphabet.charAt(byte % readableAlphabet.length));
  return letters.join('').replace(/.{5}(?=.)/g, '$&-');
}

/** Returns false if the file exists already. */
function createFile(path: string, text: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
  writeSync(file, text);
  closeSync(file);
  return true;
}

function greeting(address: string, email = '', password = ''): string {
  return `
  agent-stack is set up. This is shown once; the password is also in .env.

    Address    ${address}
    E-mail     ${email}
    Password   ${password}

`;
}

/**
 * Sets up the working folder, and prints what it has done. Ends the process with 1 if the settings have a problem.
 * @returns whether it has written something.
 */
export function setUpHere(): boolean {
  try {
    const told = setUp(process.cwd(), environment);
    process.stdout.write(told ?? '');
    return told !== undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

if (import.meta.main) setUpHere();
