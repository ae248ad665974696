/** Makes the parts of this subject. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type DriverServices, INSTALLATION_LABEL } from '../../drivers/driver';
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { Events } from '../lib/events';
import { driversLog } from '../lib/log';
import { DriverRegistry } from './drivers';
import { platformsService } from './health';
import { imagesService } from './images';
import { addressesService } from './router-address';

type DriversConfig = Pick<Config, 'backendsPath' | 'dataRoot' | 'driverOptions' | 'driversDir' | 'portRange'>;

/**
 * Throws `DriversError` when an enabled backend cannot be hosted.
 * @param owned ends the drivers.
 */
export async function wirePlatforms(
  uses: {
    config: DriversConfig;
    /** The rows of runners of an earlier life. */
    stores: { runners: { list(): Promise<readonly { readonly driver: string }[]> } };
    installationId: string;
    backends: BackendRegistry;
    events: Events;
    internalPort: number;
    listenOn: (host: string) => boolean;
    steady: () => number;
  },
  owned: AsyncDisposableStack,
) {
  const { config, stores, installationId, backends, events, internalPort, listenOn, steady } = uses;
  const drivers = owned.use(
    await DriverRegistry.load({
      ...(config.driversDir !== undefined && { driversDir: config.driversDir }),
      packagesFrom: dirname(config.backendsPath),
      options: config.driverOptions,
      backends: backends.all(),
      withRunners: (await stores.runners.list()).map(({ driver }) => driver),
      services: (driver) => driverServices(driver, config, installationId),
    }),
  );
  const platforms = platformsService({ drivers, events });
  const images = imagesService({ backends, drivers, platforms, events, now: steady });
  const addresses = addressesService({ backends, drivers, internalPort, listenOn });
  return { drivers, platforms, images, addresses };
}

function driverServices(driver: string, config: DriversConfig, installationId: string): DriverServices {
  const stateDir = join(config.dataRoot, 'drivers', driver);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  return {
    installationId,
    installationLabel: INSTALLATION_LABEL,
    stateDir,
    ...(config.portRange && { portRange: config.portRange }),
    log: (level, event, fields = {}) => driversLog[level]({ driver, ...fields }, event),
  };
}
