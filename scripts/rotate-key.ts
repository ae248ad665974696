/**
 * `bun run rotate-key`: changes the key that encrypts the stored credentials. The router must be stopped.
 *
 * The new key is written to `.env` before anything is encrypted with it, and the old key stays there until everything
 * is. So after an interruption, the next start or another run of this command continues.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { type Env, environment, loadConfig } from '../router/config/config';
import { lockDatabase, openDatabase } from '../router/database/database';
import { installationStore } from '../router/database/installation-store';
import { sealedStore } from '../router/database/sealed-store';
import { openVault } from '../router/database/sealing';
import { PROGRAM, readArguments, requireDatabase, runCommand } from './command';
import { inheritance, writeNewFile } from './owners';

const CURRENT = 'ENCRYPTION_KEY';
const PREVIOUS = 'ENCRYPTION_KEY_PREVIOUS';

/** A sentence about what the administrator must do first. */
class Refusal extends Error {}

/**
 * Rotates the key in the `.env` of `directory` and in the database. If that is impossible, throws a sentence and
 * changes nothing.
 */
async function rotate(directory: string, env: Env): Promise<string> {
  const file = join(directory, '.env');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const inFile = parseEnv(text)[CURRENT];
  if (inFile?.includes('$')) {
    throw new Refusal(
      `${CURRENT} in ${file} has a $, and so refers to another variable. Write the key itself there, or change it where it\n` +
        `is set: put a new one (openssl rand -hex 32) there, the former one into ${PREVIOUS}, and start the router once.`,
    );
  }
  if (inFile === undefined || inFile !== env[CURRENT]) {
    throw new Refusal(
      `${CURRENT} is not set in ${file}, so this command cannot change it there. Where it is set: put a new one\n` +
        `(openssl rand -hex 32) into ${CURRENT}, the former one into ${PREVIOUS}, and start the router once.`,
    );
  }
  const { config, secrets } = loadConfig(env);
  requireDatabase(config.databasePath);
  using _made = inheritance(config);
  using _lock = lockDatabase(config.databasePath);
  const database = openDatabase(config.databasePath, config.backups.root);
  try {
    const stores = { installation: installationStore(database.db), sealed: sealedStore(database.db) };
    // Completes an interrupted rotation, and refuses a key that is not the key of the database.
    await openVault(stores, secrets.encryptionKey, secrets.previousEncryptionKey);
    const next = randomBytes(32).toString('hex');
    replace(file, withValue(withValue(text, CURRENT, next), PREVIOUS, inFile));
    await openVault(stores, Buffer.from(next, 'hex'), secrets.encryptionKey);
    replace(file, withValue(withValue(text, CURRENT, next), PREVIOUS, undefined));
  } finally {
    database.close();
  }
  return `Everything in ${config.databasePath} is sealed under a new ${CURRENT}, which is in ${file}.
The credentials in older backups can be read with the former key alone, which is not kept: make a backup now.`;
}

/** Returns the text with `name` set to `value`, or without `name`. Bun reads `name: value`, too, and lines that end in CR. */
function withValue(text: string, name: string, value: string | undefined): string {
  const lines = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*[=:].*(?:\\r\\n|\\r|\\n|$)`, 'gm');
  const rest = text.replace(lines, '').replace(/[\r\n]+$/, '');
  return `${[rest, value === undefined ? '' : `${name}=${value}`].filter((part) => part !== '').join('\n')}\n`;
}

/** Writes the file atomically: after a crash it has the old or the new text. Its owner and its mode stay. */
function replace(file: string, text: string): void {
  const next = `${file}.next`;
  writeNewFile(next, text, statSync(file));
  renameSync(next, file);
}

/** Rotates the key and prints what was done, or why it was refused. */
export async function run(): Promise<void> {
  readArguments({
    usage: `Usage, while the router is stopped: ${PROGRAM} rotate-key   encrypts all secrets anew, with a new ${CURRENT} in .env
Older backups need the former key, which is not kept: copy .env to where they are first, unless the key is known to others.`,
  });
  await runCommand(() => rotate(process.cwd(), environment), Refusal);
}

if (import.meta.main) await run();
