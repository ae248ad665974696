/** Makes the parts of this subject. */

import type { UserLimitsService } from '../accounts/users/limits';
import type { UsersStore } from '../accounts/users/store';
import type { IdleService } from '../agents/idle';
import type { OwnService } from '../agents/own';
import type { AgentsStore } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { CredentialsService } from '../credentials/credentials';
import type { Events } from '../lib/events';
import type { Vault } from '../lib/vault';
import type { MetricsService } from '../metrics/metrics';
import type { DriverRegistry } from '../platforms/drivers';
import type { PlatformsService } from '../platforms/health';
import type { HostPaths } from '../platforms/host-paths';
import type { ImagesService } from '../platforms/images';
import type { AddressesService } from '../platforms/router-address';
import { adoptionService } from './adoption';
import type { Settled } from './cleanup';
import { loadsService } from './loads';
import { sweep } from './reaper';
import { runnersService } from './runners';
import type { RunnersStore } from './store';

export function wireRunners(uses: {
  userLimits: Pick<UserLimitsService, 'runnersOf'>;
  config: Pick<Config, 'capacity' | 'homesRoot' | 'pauseIdleMs' | 'readyTimeoutMs' | 'seedsRoot'>;
  stores: { runners: RunnersStore; users: UsersStore; agents: AgentsStore };
  installationId: string;
  host: HostPaths;
  backends: BackendRegistry;
  drivers: DriverRegistry;
  platforms: PlatformsService;
  images: ImagesService;
  addresses: AddressesService;
  credentials: CredentialsService;
  idle: IdleService;
  own: OwnService;
  vault: Vault;
  events: Events;
  metrics: MetricsService;
  now: () => number;
  steady: () => number;
}) {
  const { config, stores, host, backends, drivers, credentials, idle, vault, now, userLimits } = uses;
  const settled: Settled = new Set();
  const runners = runnersService({
    ...uses,
    homesRoot: config.homesRoot,
    seedsRoot: config.seedsRoot,
    hostPath: host.of,
    readyTimeoutMs: config.readyTimeoutMs,
    limits: { ...config.capacity, runnersOf: userLimits.runnersOf },
    runners: stores.runners,
    users: stores.users,
    settled,
  });
  // A running runner keeps its environment: changed values need a new runner.
  credentials.onChange(runners.valuesChanged);
  const adoption = adoptionService({
    ...{ runners, rows: stores.runners, agents: stores.agents, backends, drivers, vault, settled },
  });
  return {
    runners,
    loads: loadsService({ runners, now }),
    /** Takes back the runners of drivers that were silent, or not there, until now. */
    adopt: () => adoption.run(),
    /** One pass of the reaper. */
    sweep: () => sweep({ runners, idle, backends, users: stores.users, pauseIdleMs: config.pauseIdleMs }),
  };
}
