/** Reads the errors that drivers throw. */
import type { DriverFault } from '../../drivers/driver';

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
