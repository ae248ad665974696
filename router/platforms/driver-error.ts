/** Errors that drivers throw, as the router reads them. */
import type { DriverFault } from '../../drivers/driver';

/** What of a driver's error the router reads. */
interface DriverFailure {
  readonly fault: DriverFault;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A driver's own words, without its name, which is for the log. */
export function wordsOf({ message }: DriverFailure): string {
  return message.replace(/^\[[^\]]*\] /, '');
}

/** By its shape: a driver from npm brings its own copy of `DriverError`. */
export function isDriverFailure(thrown: unknown): thrown is DriverFailure {
  return thrown instanceof Error && thrown.name === 'DriverError' && 'fault' in thrown;
}
