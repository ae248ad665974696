/** Runs before the first start: generates missing secrets, so that a new clone starts without configuration. */
import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, lstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Env, environment } from '../router/config/config';

/** Excludes characters that look alike (Crockford's base32). 4 groups of 5 characters are 100 random bits. */
const readableAlphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Writes `.env` (mode 0600) into `directory` with the required settings that `env` lacks, and returns the text for the
 * terminal. An existing `.env` only gets the secrets that it lacks. Returns undefined and writes nothing if none is missing. If two set-ups run at once,
 * one of them writes.
 */
export function setUp(directory: string, env: Env): string | undefined {
  const made: Record<string, string> = {
    JWT_SECRET: randomBytes(32).toString('hex'),
    ENCRYPTION_KEY: randomBytes(32).toString('hex'),
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
  const file = join(directory, '.env');
  if (!createFile(file, header + text)) return completeFile(file, made, env);
  return greeting(
    env.ROUTER_PUBLIC_BASE_URL || `http://127.0.0.1:${env.FRONTEND_PORT || '18000'}`,
    env.BOOTSTRAP_ADMIN_EMAIL || made.BOOTSTRAP_ADMIN_EMAIL,
    env.BOOTSTRAP_ADMIN_PASSWORD ? '(the one in BOOTSTRAP_ADMIN_PASSWORD)' : made.BOOTSTRAP_ADMIN_PASSWORD,
  );
}

/**
 * Adds the secrets that an existing `.env` lacks, such as that of the first agent-stack, which had no ENCRYPTION_KEY.
 * Returns the text for the terminal; undefined if the file lacks none.
 */
function completeFile(file: string, made: Readonly<Record<string, string>>, env: Env): string | undefined {
  // A link may lead to a file that others use as well.
  if (!lstatSync(file).isFile()) return undefined;
  const text = readFileSync(file, 'utf8');
  const lacking = ['JWT_SECRET', 'ENCRYPTION_KEY'].filter((name) => !env[name]?.trim() && !isSet(text, name));
  if (lacking.length === 0) return undefined;
  const lines = lacking.map((name) => `${name}=${made[name]}\n`).join('');
  appendFileSync(
    file,
    `${text === '' || text.endsWith('\n') ? '' : '\n'}# Added at a start, because it was missing.\n${lines}`,
  );
  return `agent-stack has added ${lacking.join(' and ')} to .env. Keep this file secret, and back it up.\n`;
}

function isSet(text: string, name: string): boolean {
  return new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=\\s*\\S`, 'm').test(text);
}

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
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
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

if (import.meta.main) process.stdout.write(setUp(process.cwd(), environment) ?? '');
