/** Turns a spec into the options of a container. All isolation from the host and from other runners is decided here. */
import type Docker from 'dockerode';
import type { RunnerSpec } from '../driver';
import { runnerHost } from '../runner-host';
import { failure } from './engine';
import type { Place } from './networks';
import { backendOptionsOf, defaultLimits } from './options';
import { FOREIGN_LABEL, PORT_LABEL, RUNNER_LABEL } from './runners';

/**
 * The kernel's accounting period. The driver sets a quota, because the engine refuses `NanoCpus` above the number of
 * CPUs.
 */
const cpuPeriodUs = 100_000;
const logFiles = 2;

export function containerName({ namePrefix, name }: RunnerSpec): string {
  return namePrefix === undefined ? name : `${namePrefix}-${name}`;
}

/**
 * Returns the options for the engine. The agent listens on `port`; it is published on `hostPort`, or on a port of the
 * engine's choice when `hostPort` is absent.
 *
 * Throws the fault `start_failed` when the spec has no image, or when its home contains the engine's socket.
 */
export function containerOf(
  spec: RunnerSpec,
  at: {
    readonly place: Place;
    readonly port: number;
    readonly hostPort: number | undefined;
    readonly socketPath: string | undefined;
    /** Sentence for a runner whose image is built for another architecture. */
    readonly foreign?: string | undefined;
  },
): Docker.ContainerCreateOptions {
  const { place, port } = at;
  const { env, network = {} } = spec;
  const image = imageOf(spec);
  const inside = place.network === 'host' ? { ...env, HOST: runnerHost(), PORT: String(port) } : env;
  return {
    name: containerName(spec),
    Image: image,
    ...(spec.command.length > 0 && { Cmd: [...spec.command] }),
    Env: Object.entries(inside).map(([name, value]) => `${name}=${value}`),
    Labels: {
      ...spec.labels,
      [RUNNER_LABEL]: spec.id,
      [PORT_LABEL]: String(port),
      ...(at.foreign !== undefined && { [FOREIGN_LABEL]: at.foreign }),
    },
    ...(spec.hostname !== undefined && { Hostname: spec.hostname }),
    ...(spec.user !== undefined && { User: spec.user }),
    ...(place.isPublished && { ExposedPorts: { [`${port}/tcp`]: {} } }),
    HostConfig: {
      ...hardening(spec),
      Mounts: [{ Type: 'bind', Source: homeOf(spec, at.socketPath), Target: spec.home.target }],
      NetworkMode: place.network,
      ...(place.isPublished && { PortBindings: { [`${port}/tcp`]: [publish(at.hostPort)] } }),
      ExtraHosts: Object.entries(network.hosts ?? {}).map(([name, address]) => `${name}:${address}`),
      Dns: [...(network.dns ?? [])],
      RestartPolicy: { Name: 'no' },
    },
  };
}

function hardening(spec: RunnerSpec): Docker.HostConfig {
  const options = backendOptionsOf(spec);
  const { memoryBytes, cpus, pids } = { ...defaultLimits, ...spec.limits };
  return {
    CapDrop: ['ALL'],
    CapAdd: options.cap_add,
    SecurityOpt: options.no_new_privileges ? ['no-new-privileges'] : [],
    Privileged: false,
    Init: options.init,
    PidsLimit: pids,
    Memory: memoryBytes,
    MemorySwap: memoryBytes + options.swap_bytes,
    CpuPeriod: cpuPeriodUs,
    CpuQuota: Math.round(cpus * cpuPeriodUs),
    ReadonlyRootfs: options.read_only,
    Tmpfs: options.tmpfs,
    ShmSize: options.shm_bytes,
    LogConfig: {
      Type: options.log_driver,
      Config: { 'max-size': String(Math.ceil(options.log_bytes / logFiles)), 'max-file': String(logFiles) },
    },
    ...(options.runtime !== undefined && { Runtime: options.runtime }),
  };
}

/** Publishes on loopback only. */
function publish(hostPort: number | undefined): { HostIp: string; HostPort: string } {
  return { HostIp: runnerHost(), HostPort: hostPort === undefined ? '' : String(hostPort) };
}

function imageOf({ image }: RunnerSpec): string {
  if (image !== undefined) return image;
  throw failure('start_failed', 'the backend names no image', { image }, 'Give it an "image" in backends.json.');
}

function homeOf({ home }: RunnerSpec, socketPath: string | undefined): string {
  const source = home.hostSource ?? home.source;
  const folder = source.endsWith('/') ? source : `${source}/`;
  const sockets = ['/var/run/docker.sock', '/run/docker.sock', ...(socketPath === undefined ? [] : [socketPath])];
  if (!sockets.some((socket) => socket === source || socket.startsWith(folder))) return source;
  throw failure('start_failed', "the home holds the engine's socket, which would give away the host", { source });
}
