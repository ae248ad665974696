/** The errors of one driver. */
import { DriverError, type DriverFault } from './driver';

/** @param driver its name, which begins each message. */
export function failuresOf(driver: string) {
  /** `message` and `cause` must not contain a value of `env`. */
  function failure(fault: DriverFault, message: string, cause: unknown, hint?: string): DriverError {
    return new DriverError(driver, fault, message, { cause, ...(hint === undefined ? {} : { hint }) });
  }

  return {
    failure,

    /** Throws the fault `timeout` when the signal is aborted. */
    refuseAborted(signal: AbortSignal): void {
      if (signal.aborted) throw failure('timeout', 'the call was aborted', signal.reason);
    },
  };
}
