/** The docker driver on Podman, in a separate module, because another process of the conformance suite loads it too. */
import docker from '../../drivers/docker/index';
import type { DriverPlugin } from '../../drivers/driver';

/** Created by the administrator: the driver creates no network of its own on Podman. */
export const NETWORK = 'agents';

/** Every runner is in the administrator's network, because the driver creates none of its own here. */
function placed({ create, ...rest }: DriverPlugin): DriverPlugin {
  const network = { mode: NETWORK };
  return {
    ...rest,
    async create(options, services) {
      const driver = await create(options, services);
      return {
        ...driver,
        start: (spec, context) => driver.start({ ...spec, network: { ...network, ...spec.network } }, context),
        routerAddress: (port, signal) => driver.routerAddress(port, signal, { options: {}, network }),
      };
    },
  };
}

export default placed(docker);
