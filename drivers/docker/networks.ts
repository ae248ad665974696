/** The networks of runners: two of the installation, created on demand, and those of the administrator. */
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { DriverServices, RouterAddress, RunnerSpec } from '../driver';
import { callEngine, type Engine, failure, find, statusOf } from './engine';
import { backendOptionsOf, type DriverOptions } from './options';

/** How often to look for a network that another process is creating: for two seconds. */
const APPEARS_TRIES = 20;
const APPEARS_GAP_MS = 100;
const APPEARS_MS = 5_000;

/**
 * The option that lets containers reach each other. An engine that does not know it, such as Podman, omits it from
 * `inspect`.
 */
const NEIGHBOURS = 'com.docker.network.bridge.enable_icc';
const togetherHint =
  'Runners that may reach each other can have a network of yours: docker network create NAME, "network_mode": "NAME".';

/** The network of a runner. */
export interface Place {
  /** Name of the network, or `host`. */
  readonly network: string;
  /** Whether the router reaches the runner at a published port. Otherwise it connects to the runner's own address. */
  readonly isPublished: boolean;
  /** Address of the host in that network. */
  readonly gateway: string | undefined;
}

/** The fields of a spec that decide its network. */
type Wish = Pick<RunnerSpec, 'network' | 'options'>;
type Own = 'own' | 'sealed';

export interface Networks {
  /**
   * Creates the installation's network when it does not exist. Rejects with `start_failed` when a network of the
   * administrator does not exist.
   */
  place(wish: Wish, signal: AbortSignal): Promise<Place>;
  /** Rejects with `start_failed` when no network has that name. */
  require(name: string, signal: AbortSignal): Promise<Docker.NetworkInspectInfo>;
  routerAddress(port: number, wish: Wish, signal: AbortSignal): Promise<RouterAddress>;
}

export function createNetworks(docker: Engine, services: DriverServices, options: DriverOptions): Networks {
  const creating = new Map<Own, Promise<Docker.NetworkInspectInfo>>();

  const inspect = (name: string, signal: AbortSignal) =>
    find(signal, async () => (await docker()).getNetwork(name).inspect());

  const ensure = async (own: Own, signal: AbortSignal): Promise<Docker.NetworkInspectInfo> => {
    const { name } = namesOf(services.installationId, own);
    const found = (await inspect(name, signal)) ?? (await createOnce(own, signal));
    if (found.Labels?.[services.installationLabel] !== services.installationId) {
      const hint = `Rename or remove it: docker network rm ${name}`;
      throw failure('name_taken', `the network ${name} was not made by this installation`, { name }, hint);
    }
    if (found.Options?.[NEIGHBOURS] === 'false') return found;
    throw failure('start_failed', 'this engine does not keep runners in one network apart', { name }, togetherHint);
  };

  const createOnce = async (own: Own, signal: AbortSignal): Promise<Docker.NetworkInspectInfo> => {
    const create = creating.get(own) ?? createNetwork(docker, services, own).finally(() => creating.delete(own));
    creating.set(own, create);
    return callEngine(signal, () => create);
  };

  const require = async (name: string, signal: AbortSignal): Promise<Docker.NetworkInspectInfo> => {
    const found = await inspect(name, signal);
    if (found !== undefined) return found;
    const hint = `Make it (docker network create ${name}), or take it out of backends.json.`;
    throw failure('start_failed', `there is no network called ${name}`, { name }, hint);
  };

  const place = async (wish: Wish, signal: AbortSignal): Promise<Place> => {
    const mode = wish.network?.mode ?? 'bridge';
    const { network: own } = backendOptionsOf(wish);
    if (mode === 'bridge') {
      const found = await ensure(own, signal);
      return { network: found.Name, isPublished: !found.Internal, gateway: gatewayOf(found) };
    }
    if (own === 'sealed') throw failure('start_failed', `a sealed runner cannot be in the network ${mode}`, { mode });
    if (mode === 'host') return { network: mode, isPublished: false, gateway: '127.0.0.1' };
    if (mode === 'none' || mode.includes(':')) {
      throw failure('start_failed', `the router cannot reach a runner with the network mode ${mode}`, { mode });
    }
    const found = await require(mode, signal);
    return { network: found.Name, isPublished: !found.Internal, gateway: gatewayOf(found) };
  };

  return {
    place,
    require,
    async routerAddress(port, wish, signal) {
      const { routerHost, listenHost = '127.0.0.1' } = options;
      if (routerHost !== undefined) return { url: `http://${routerHost}:${port}`, listenHost };
      const { network, gateway } = await place(wish, signal);
      if (gateway !== undefined) return { url: `http://${gateway}:${port}`, listenHost: gateway };
      const hint = 'Set routerHost in the options of the docker driver.';
      throw failure('start_failed', `the network ${network} has no gateway`, { network }, hint);
    },
  };
}

/**
 * Names contain a hash, because an installation's id may be long and the name of a network interface has at most 15
 * characters.
 */
function namesOf(installationId: string, own: Own): { readonly name: string; readonly bridge: string } {
  const hash = new Bun.CryptoHasher('sha256').update(installationId).digest('hex').slice(0, 10);
  const isSealed = own === 'sealed';
  return { name: `agent-stack-${hash}${isSealed ? '-sealed' : ''}`, bridge: `as-${hash}${isSealed ? 's' : ''}` };
}

async function createNetwork(docker: Engine, services: DriverServices, own: Own): Promise<Docker.NetworkInspectInfo> {
  const { name, bridge } = namesOf(services.installationId, own);
  const wish = {
    Name: name,
    Driver: 'bridge',
    CheckDuplicate: true,
    Internal: own === 'sealed',
    Options: {
      'com.docker.network.bridge.name': bridge,
      [NEIGHBOURS]: 'false',
    },
    Labels: { [services.installationLabel]: services.installationId },
  };
  try {
    await (await docker()).createNetwork(wish);
  } catch (error) {
    // Another process of this installation was faster: the name is taken (409), or its bridge is (403) and the network
    // appears a moment later.
    if (statusOf(error) !== 409 && statusOf(error) !== 403) throw error;
    for (let left = APPEARS_TRIES; left > 0; left -= 1) {
      const found = await find(AbortSignal.timeout(APPEARS_MS), async () =>
        (await docker()).getNetwork(name).inspect(),
      );
      if (found !== undefined) return found;
      await delay(APPEARS_GAP_MS);
    }
    throw error;
  }
  return (await docker()).getNetwork(name).inspect();
}

function gatewayOf({ IPAM: ipam }: Docker.NetworkInspectInfo): string | undefined {
  const gateways = (ipam?.Config ?? []).map(({ Gateway }) => Gateway?.split('/')[0]);
  return gateways.find((gateway) => gateway?.includes('.'));
}
