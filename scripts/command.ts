/** What the commands for operators have in common: their arguments, and a text at the end or a sentence about what to do first. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError } from '../router/config/config';
import { DatabaseError } from '../router/database/checks';
import { InUseError } from '../router/database/database';
import { WrongKeyError } from '../router/database/sealing';
import { storageFault } from '../router/lib/storage-faults';

type ErrorClass = abstract new (...args: never[]) => Error;

/** The words before the name of a command. The executable has the commands itself. */
export const PROGRAM = Bun.main.startsWith('/$bunfs/') ? 'agent-stack' : 'bun run';

/** Thrown where there is no data, so that a command does not begin an installation in a wrong place. */
class NoDatabaseError extends Error {
  override readonly name = 'NoDatabaseError';
}

/**
 * The arguments of this process. Ends it with 0 and the usage where `--help` is among them, and with 1 where they are not
 * right.
 */
export function readArguments({
  usage,
  argumentsMax = 0,
  flags = [],
}: {
  readonly usage: string;
  readonly argumentsMax?: number;
  /** Options without a value, besides `--help`. */
  readonly flags?: readonly string[];
}): { readonly args: readonly string[]; readonly flags: ReadonlySet<string> } {
  const names = ['help', ...flags];
  try {
    const { values, positionals } = parseArgs({
      args: process.argv.slice(2),
      options: Object.fromEntries(names.map((name) => [name, { type: 'boolean' as const }])),
      allowPositionals: true,
    });
    if (values.help) {
      process.stdout.write(`${usage}\n`);
      process.exit(0);
    }
    if (positionals.length <= argumentsMax) return { args: positionals, flags: new Set(Object.keys(values)) };
  } catch {
    // An unknown option: the usage says which there are.
  }
  process.stderr.write(`${usage}\n`);
  process.exit(1);
}

/** Throws where there is no database that the command could work on. */
export function requireDatabase(path: string): void {
  if (existsSync(path)) return;
  throw new NoDatabaseError(`There is no database ${path}, so there is nothing to do. Is STACK_DATA_ROOT right?`);
}

/**
 * Prints what `run` returns. If it throws, prints the error and ends the process with 1: the message alone of an error
 * that the operator can do something about, otherwise all of it.
 * @param own further classes of such errors.
 */
export async function runCommand(run: () => Promise<string>, ...own: readonly ErrorClass[]): Promise<void> {
  try {
    process.stdout.write(`${await run()}\n`);
  } catch (error) {
    const known: readonly ErrorClass[] = [
      ConfigError,
      DatabaseError,
      InUseError,
      WrongKeyError,
      NoDatabaseError,
      ...own,
    ];
    const isKnown = error instanceof Error && known.some((one) => error instanceof one);
    const fault = isKnown ? undefined : storageFault(error);
    const words = fault && `The database cannot be used: ${fault.what}. ${fault.remedy}`;
    process.stderr.write(`${isKnown ? error.message : (words ?? Bun.inspect(error))}\n`);
    process.exit(1);
  }
}
