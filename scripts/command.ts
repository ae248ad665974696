/** What the commands for operators have in common: a text at the end, or a sentence about what to do first. */
import { ConfigError } from '../router/config/config';
import { DatabaseError } from '../router/database/checks';
import { InUseError } from '../router/database/database';
import { WrongKeyError } from '../router/database/sealing';

type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Prints what `run` returns. If it throws, prints the error and ends the process with 1: the message alone of an error
 * that the operator can do something about, otherwise all of it.
 * @param own further classes of such errors.
 */
export async function runCommand(run: () => Promise<string>, ...own: readonly ErrorClass[]): Promise<void> {
  try {
    process.stdout.write(`${await run()}\n`);
  } catch (error) {
    const known: readonly ErrorClass[] = [ConfigError, DatabaseError, InUseError, WrongKeyError, ...own];
    const isKnown = error instanceof Error && known.some((one) => error instanceof one);
    process.stderr.write(`${isKnown ? error.message : Bun.inspect(error)}\n`);
    process.exit(1);
  }
}
