/** Reads the errors that drivers throw. */
import { type Driver, DriverError, type DriverFault } from '../../drivers/driver';

/** The members of a driver's error that the router reads. */
interface DriverFailure {
  readonly fault: DriverFault;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The driver's message without the driver's name, which is only for the log. */
export function driverMessage({ message }: DriverFailure): string {
  return message.replace(/^\[[^\]]*\] /, '');
}

/** Checked by shape: a driver from npm may bring its own copy of `DriverError`. */
export function isDriverFailure(thrown: unknown): thrown is DriverFailure {
  return thrown instanceof Error && thrown.name === 'DriverError' && 'fault' in thrown;
}

/** What a driver threw, as a failure of the driver where its contract does not know it. Its text is only for the log. */
export function asDriverFailure({ name }: Driver, thrown: unknown): unknown {
  if (isDriverFailure(thrown)) return thrown;
  const kind = thrown instanceof Error ? thrown.name : typeof thrown;
  const message = `its driver "${name}" failed (${kind}). The log has the reason.`;
  return new DriverError(name, 'start_failed', message, { cause: thrown });
}
