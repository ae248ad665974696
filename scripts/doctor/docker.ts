/** The checks of `bun run doctor` for backends whose runners are containers. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import { callEngine, createEngine, type Engine, find, messageOf } from '../../drivers/docker/engine';
import { buildCommand } from '../../drivers/docker/images';
import { createNetworks } from '../../drivers/docker/networks';
import { backendOptionsOf, type DriverOptions, options as driverOptions } from '../../drivers/docker/options';
import { type DriverServices, INSTALLATION_LABEL, type RunnerSpec } from '../../drivers/driver';
import type { Backend } from '../../router/backends/backends';
import { runnerNetwork } from '../../router/backends/traits';
import type { Config } from '../../router/config/config';
import { type Check, type Finding, note, ok, problem } from './finding';
import { whyNotListen } from './host';
import { lastWords } from './last-words';
import { probe } from './probe';

const ASK_MS = 15_000;
/** API version of Engine 20.10, the oldest tested version. */
const API_VERSION = 1.41;
const FIREWALL = 'the firewall rules of drivers/docker/README.md, under Networks, close that';
const OTHER_ENGINES = 'drivers/docker/README.md, under Other engines, says what to set up';

export interface Examined {
  readonly config: Config;
  readonly docker: Engine;
  readonly options: DriverOptions;
  readonly services: DriverServices;
  readonly backend: Backend;
}

export const dockerChecks: readonly Check<Examined>[] = [
  { name: 'image', run: image },
  { name: 'network', run: network },
  { name: 'output', run: lastWords },
];

/** Connects to the engine as the driver does, and rejects with the same errors. */
export async function connectEngine(config: Config): Promise<{ docker: Engine; options: DriverOptions }> {
  const options = Value.Parse(driverOptions, config.driverOptions.docker ?? {});
  return { docker: await createEngine(options), options };
}

export async function engine(docker: Engine): Promise<readonly Finding[]> {
  try {
    await callEngine(AbortSignal.timeout(ASK_MS), async () => (await docker()).ping());
  } catch (error) {
    if (!/EACCES/.test(String(error))) throw error;
    const remedy = 'sudo usermod -aG docker "$USER", then sign in again; with Compose, DOCKER_GID in .env';
    return problem("this user may not open the engine's socket", remedy);
  }
  // A proxy in front of the socket may block this call.
  const version = await callEngine(AbortSignal.timeout(ASK_MS), async () => (await docker()).version()).catch(
    () => undefined,
  );
  if (version === undefined) return ok('it answers, and does not tell its version');
  if (Number(version.ApiVersion) < API_VERSION) {
    return problem(`version ${version.Version} is older than 20.10`, 'https://docs.docker.com/engine/install/');
  }
  return [...ok(`version ${version.Version}`), ...(await limits(docker))];
}

/**
 * An engine that cannot set limits, such as a rootless one on control groups version 1, starts runners nevertheless.
 */
async function limits(docker: Engine): Promise<readonly Finding[]> {
  const info = await callEngine(AbortSignal.timeout(ASK_MS), async () => (await docker()).info()).catch(
    () => undefined,
  );
  const cannot = { MemoryLimit: 'memory', CpuCfsQuota: 'CPUs', PidsLimit: 'processes' };
  const names = Object.entries(cannot).flatMap(([member, name]) => (info?.[member] === false ? [name] : []));
  if (names.length === 0) return [];
  return note(`runners can take all ${names.join(', ')} of this machine: the engine sets no limits`, OTHER_ENGINES);
}

async function image({ docker, backend }: Examined): Promise<readonly Finding[]> {
  const { image: name } = backend;
  if (name === undefined) return problem('the backend names no image', 'give it an "image" in backends.json');
  if (await isThere(docker, name)) return ok(name);
  const command = buildCommand(name);
  if (command !== undefined) return problem(`${name} is not on this machine, and nobody publishes it`, command);
  return note(`${name} is not on this machine: the first start of a runner fetches it`, `docker pull ${name}`);
}

async function isThere(docker: Engine, name: string): Promise<boolean> {
  return (await find(AbortSignal.timeout(ASK_MS), async () => (await docker()).getImage(name).inspect())) !== undefined;
}

/**
 * Checks from inside a container that is configured like a runner's. Skipped while the image is missing, which another
 * check reports.
 */
async function network(examined: Examined): Promise<readonly Finding[]> {
  const { config, docker, options, services, backend } = examined;
  if (backend.image === undefined || !(await isThere(docker, backend.image))) return [];
  const wish = { network: runnerNetwork(backend), options: backend.driverOptions };
  const networks = createNetworks(docker, services, options);
  const signal = AbortSignal.timeout(ASK_MS);
  const place = await networks.place(wish, signal);
  const { url, listenHost } = await networks.routerAddress(config.internal.port, wish, signal);
  const host = config.internal.host ?? listenHost;
  await using listeners = await listen(host, config.internal.port);
  if (listeners.reason !== undefined) return unheard(host, listeners.reason);

  await using mark = await leaveMark(config);
  const { hostname } = new URL(url);
  const env = {
    PROBE_ROUTER: url,
    PROBE_OTHER: `http://${hostname}:${listeners.otherPort}`,
    PROBE_MARK: join(backend.mountTarget, 'mark'),
  };
  try {
    const sight = await probe(docker, specOf(examined, mark, env), place);
    if (sight === undefined) return note(`${backend.image} has no bun, node or python3 to look around with`);
    const isHost = place.network === 'host';
    return [
      ...(sight.router ? ok(`runners reach the router at ${url}`) : unreached(config, url)),
      ...(sight.other && !isHost ? note(`runners reach other services of this machine at ${hostname}`, FIREWALL) : []),
      ...(sight.home === mark.text ? ok(`homes are below ${config.hostStackRoot}`) : untranslated(config)),
    ];
  } catch (error) {
    if (/source path does not exist/.test(messageOf(error))) return untranslated(config);
    throw error;
  }
}

function unheard(host: string, reason: string): readonly Finding[] {
  const remedy = `in a container: network_mode: host. Otherwise: ${OTHER_ENGINES}`;
  return problem(`the router cannot listen at ${host}, where runners look for it: ${reason}`, remedy);
}

function unreached({ internal }: Config, url: string): readonly Finding[] {
  const port = internal.port;
  if (internal.host !== undefined) {
    return problem(
      `runners do not reach the router at ${url}: it listens at ${internal.host} only`,
      'take ROUTER_BIND_HOST out of .env',
    );
  }
  return problem(
    `runners do not reach the router at ${url}`,
    `iptables -I INPUT -i as-+ -p tcp --dport ${port} -j ACCEPT`,
  );
}

function untranslated({ dataRoot, hostStackRoot }: Config): readonly Finding[] {
  return problem(
    `the engine does not find ${dataRoot} at ${hostStackRoot}`,
    'HOST_STACK_ROOT=… in .env: the path of the data folder on the machine of the engine',
  );
}

/** Two listeners: on the internal port, unless a router listens there, and on another port. */
async function listen(host: string, port: number) {
  const reason = await whyNotListen(host, port);
  const serve = (at: number) => Bun.serve({ hostname: host, port: at, fetch: () => new Response() });
  const servers = reason === undefined ? [serve(0), serve(port)] : reason === 'EADDRINUSE' ? [serve(0)] : [];
  return {
    ...(servers.length === 0 && reason !== undefined && { reason }),
    otherPort: servers[0]?.port,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.stop(true)));
    },
  };
}

/** A folder like a home, to check that the engine finds it. */
async function leaveMark({ dataRoot, hostStackRoot }: Config) {
  const source = await mkdtemp(join(dataRoot, 'doctor-'));
  const text = crypto.randomUUID();
  await writeFile(join(source, 'mark'), text, { mode: 0o644 });
  // The user of the image may be any user.
  await chmod(source, 0o755);
  return {
    ...{ source, text, hostSource: source.replace(dataRoot, hostStackRoot) },
    [Symbol.asyncDispose]: () => rm(source, { recursive: true, force: true }),
  };
}

/** Has no installation label, so that no router treats the container as one of its runners. */
function specOf(
  { backend }: Examined,
  home: { readonly source: string; readonly hostSource: string },
  env: RunnerSpec['env'],
): RunnerSpec {
  const id = `doctor-${crypto.randomUUID().slice(0, 8)}`;
  const options = backendOptionsOf({ options: backend.driverOptions });
  return {
    ...{ id, name: `ar-${id}`, command: [], env, port: backend.internalPort, limits: {}, labels: {}, options },
    ...(backend.image !== undefined && { image: backend.image }),
    ...(backend.user !== undefined && { user: backend.user }),
    network: runnerNetwork(backend),
    home: { source: home.source, hostSource: home.hostSource, target: backend.mountTarget },
  };
}

export const servicesOf = (installationId: string, stateDir: string): DriverServices => ({
  ...{ installationId, installationLabel: INSTALLATION_LABEL, stateDir },
  log: () => undefined,
});
