/** Reads the errors that drivers throw. */
import { type Driver, DriverError, type DriverFault } from '../../drivers/driver';
import { withoutKeys } from '../lib/ids';
import { TimedOut } from '../lib/time';

/** The members of a driver's error that the router reads. */
interface DriverFailure {
  readonly fault: DriverFault;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The driver's message without the driver's name, which is only for the log, and without keys, which it should not contain. */
export function driverMessage({ message }: DriverFailure): string {
  return withoutKeys(message.replace(/^\[[^\]]*\] /, ''));
}

/** The driver's hint, likewise. */
export function driverHint({ hint }: DriverFailure): string | undefined {
  return typeof hint === 'string' ? withoutKeys(hint) : undefined;
}

/** Checked by shape: a driver from npm may bring its own copy of `DriverError`. */
export function isDriverFailure(thrown: unknown): thrown is DriverFailure {
  return thrown instanceof Error && thrown.name === 'DriverError' && 'fault' in thrown;
}

/** What a driver threw, as a failure of the driver where its contract does not know it. Its text is only for the log. */
export function asDriverFailure(
  { name }: Pick<Driver, 'name'>,
  thrown: unknown,
  fault: DriverFault = 'start_failed',
): unknown {
  if (isDriverFailure(thrown) || thrown instanceof TimedOut) return thrown;
  const kind = thrown instanceof Error ? thrown.name : typeof thrown;
  const message = `its driver "${name}" failed (${kind}). The log has the reason.`;
  // The log writes a cause only if it is an error.
  const cause = thrown instanceof Error ? thrown : new Error(Bun.inspect(thrown));
  return new DriverError(name, fault, message, { cause });
}
