/** Makes the parts of this subject. */
import type { Config, Secrets } from '../config/config';
import type { CredentialsService } from '../credentials/credentials';
import { steadyMs } from '../lib/time';
import { systemLookup, upstreamAddresses } from '../net/address-policy';
import { proxyChooser } from '../net/proxies';
import type { DriverRegistry } from '../platforms/drivers';
import { createHops } from './hops';
import { upstreamsService } from './upstreams';

export function wireBroker(uses: {
  config: Pick<Config, 'allowPrivateUpstreams' | 'public' | 'publicUrl'>;
  secrets: Pick<Secrets, 'proxies'>;
  internalPort: number;
  drivers: DriverRegistry;
  credentials: CredentialsService;
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
  return {
    upstreams: upstreamsService({ credentials, addresses }),
    hops: createHops(),
    /** Refuses upstreams at a port of this router that no setting names. */
    listensAt: (port: number) => void ownPorts.push(port),
  };
}
