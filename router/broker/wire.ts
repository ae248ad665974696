/** Makes the parts of this subject. */
import type { Config } from '../config/config';
import type { Secrets } from '../config/secrets';
import type { CredentialsService } from '../credentials/credentials';
import { steadyMs } from '../lib/time';
import type { MetricsService } from '../metrics/metrics';
import { systemLookup, upstreamAddresses } from '../net/address-policy';
import { proxyChooser } from '../net/proxies';
import type { DriverRegistry } from '../platforms/drivers';
import type { LimitsService } from '../usage/limits';
import type { MeteringService } from '../usage/metering';
import { createAsk } from './ask';
import { createHops } from './hops';
import { upstreamsService } from './upstreams';

export function wireBroker(uses: {
  config: Pick<Config, 'allowPrivateUpstreams' | 'public' | 'publicUrl'>;
  secrets: Pick<Secrets, 'proxies'>;
  internalPort: number;
  drivers: DriverRegistry;
  credentials: CredentialsService;
  limits: LimitsService;
  metering: MeteringService;
  metrics: MetricsService;
}) {
  const { config, secrets, internalPort, drivers, credentials } = uses;
  const { allowPrivateUpstreams, publicUrl } = config;
  const ownPorts = [config.public.port, internalPort];
  const policy = {
    allowPrivate: allowPrivateUpstreams,
    ownPorts,
    ...(publicUrl !== undefined && { ownOrigin: publicUrl }),
    platforms: () => drivers.platformUrls(),
    proxyFor: proxyChooser(secrets.proxies),
  };
  const addresses = upstreamAddresses({ policy, lookup: systemLookup, now: steadyMs });
  const upstreams = upstreamsService({ credentials, addresses });
  return {
    upstreams,
    ask: createAsk({ ...uses, upstreams }),
    hops: createHops(),
    /** Refuses upstreams at a port of this router that no setting names. */
    listensAt: (port: number) => void ownPorts.push(port),
  };
}
