/** How runners reach the internal listener: each driver names the address, and the listener listens there. */
import type { Driver } from '../../drivers/driver';
import type { Backend, BackendRegistry } from '../backends/backends';
import { runnerNetwork } from '../backends/traits';
import { AppError } from '../lib/errors';
import { driversLog } from '../lib/log';
import { onClock } from '../lib/time';
import { ListenError } from '../web/listening';
import { asDriverFailure } from './driver-error';
import type { DriverRegistry } from './drivers';

const ADDRESS_MS = 10_000;

export type AddressesService = ReturnType<typeof addressesService>;

export function addressesService(deps: {
  backends: BackendRegistry;
  drivers: DriverRegistry;
  internalPort: number;
  /** Makes the internal listener listen on this address of the host as well. @returns whether it does now. */
  listenOn: (host: string) => boolean;
}) {
  const { backends, drivers, internalPort, listenOn } = deps;
  /** Names of the backends whose runners can reach the listener. */
  const reached = new Set<string>();

  /** The router's base URL for runners of this backend. Rejects with the driver's error, or when the router cannot listen. */
  async function urlFor(driver: Driver, backend: Backend, signal: AbortSignal): Promise<string> {
    const runner = { network: runnerNetwork(backend), options: drivers.optionsFor(backend) };
    const { url, listenHost } = await driver.routerAddress(internalPort, signal, runner).catch((thrown: unknown) => {
      throw signal.aborted ? thrown : asDriverFailure(driver, thrown);
    });
    if (listen(listenHost)) reached.add(backend.name);
    return url;
  }

  function listen(host: string): boolean {
    try {
      return listenOn(host);
    } catch (cause) {
      if (!(cause instanceof ListenError)) throw cause;
      const message = 'The agent would not reach the router, which cannot listen for it.';
      throw new AppError('driver_unavailable', { message, hint: cause.message, cause });
    }
  }

  return {
    urlFor,

    /**
     * Listens for the runners of every enabled backend, including runners of an earlier life. Call it again until every
     * driver has answered; a silent driver does not delay the others.
     */
    async reachAll(): Promise<void> {
      const open = backends.all().filter(({ name, disabled }) => !disabled && !reached.has(name));
      await Promise.all(
        open.map(async (backend) => {
          const driver = drivers.find(backend.driver);
          if (!driver) return;
          await onClock(ADDRESS_MS, undefined, (clock) => urlFor(driver, backend, clock)).catch((error: unknown) => {
            driversLog.debug({ driver: backend.driver, backend: backend.name, err: error }, 'address.delayed');
          });
        }),
      );
    },
  };
}
