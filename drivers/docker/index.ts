/** Hosts runners as containers of a Docker engine, hardened by default. See `README.md`. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Driver, defineDriver, type Health, type Started } from '../driver';
import { callEngine, createEngine, engineUrls, find, toFailure } from './engine';
import { createImages } from './images';
import { tailOf } from './logs';
import { createNetworks } from './networks';
import { backendOptions, options } from './options';
import { createPorts } from './ports';
import {
  type DockerHandle,
  type DriverParts,
  findContainer,
  findOwned,
  healthOf,
  type Known,
  letGoOn,
} from './runners';
import { startRunner } from './start';
import { createStats } from './stats';
import { stopRunner } from './stop';
import { watchRunners } from './watch';

export default defineDriver({
  name: 'docker',
  summary: 'Runs agents as containers of a Docker engine',
  platform: 'Docker',
  isolates: true,
  options,
  backendOptions,
  async create(options, services): Promise<Driver<DockerHandle>> {
    const docker = await createEngine(options);
    const networks = createNetworks(docker, services, options);
    const parts = {
      ...{ docker, networks, services, options, ports: createPorts(services.portRange) },
      known: new Map<string, Known>(),
      stopping: new Set<string>(),
      replaced: new Set<string>(),
      left: new Set<string>(),
    };
    return createDriver(parts, options.authFile ?? join(homedir(), '.docker/config.json'));
  },
});

function createDriver(parts: DriverParts, authFile: string): Driver<DockerHandle> {
  const { docker, networks, options } = parts;
  const starting = new Map<string, Promise<Started<DockerHandle>>>();
  const watches = new AbortController();
  return {
    name: 'docker',
    platformUrls: engineUrls(options.host),
    async ping(signal) {
      await callEngine(signal, async () => (await docker()).ping());
    },
    async version(signal) {
      const { Platform, Version } = await callEngine(signal, async () => (await docker()).version());
      return `${Platform?.Name || 'Docker'} ${Version}`;
    },
    routerAddress: (port, signal, runner = { options: {} }) => networks.routerAddress(port, runner, signal),
    prepare: createImages(docker, authFile),
    start(spec, context) {
      const start =
        starting.get(spec.id) ??
        startRunner(parts, spec, context)
          .catch((error) => Promise.reject(toFailure(error)))
          .finally(() => starting.delete(spec.id));
      starting.set(spec.id, start);
      return start;
    },
    inspect: (handle, signal) => inspect(parts, handle, signal),
    stop: (handle, { graceMs }) => stopRunner(parts, handle, graceMs),
    list: (signal) => findOwned(parts, signal),
    pause: (handle, signal) => pause(parts, handle, signal),
    resume: (handle, signal) => resume(parts, handle, signal),
    async logs({ containerId }, { tailLines, signal }) {
      return (await find(signal, (abortSignal) => tailOf(docker, containerId, tailLines, abortSignal))) ?? [];
    },
    watch: (signal) => watchRunners(parts, AbortSignal.any([signal, watches.signal])),
    stats: createStats(parts),
    async [Symbol.asyncDispose]() {
      watches.abort();
    },
  };
}

/** Does nothing when the container does not run or is another life. */
async function pause(parts: DriverParts, handle: DockerHandle, signal: AbortSignal): Promise<void> {
  const found = await findContainer(parts, handle, signal);
  if (!found?.isOurs || healthOf(found.info, handle).state !== 'running') return;
  const { Id: id } = found.info;
  await find(signal, async (abortSignal) => (await parts.docker()).getContainer(id).pause({ abortSignal }));
}

/** Does nothing when the container does not exist. */
async function resume(parts: DriverParts, handle: DockerHandle, signal: AbortSignal): Promise<void> {
  const found = await findContainer(parts, handle, signal);
  if (found?.isOurs) await letGoOn(parts, found.info, signal);
}

async function inspect(parts: DriverParts, handle: DockerHandle, signal: AbortSignal): Promise<Health> {
  try {
    const found = await findContainer(parts, handle, signal);
    // A container without our labels does not belong to this runner.
    return found?.isOurs ? healthOf(found.info, handle) : { state: 'gone' };
  } catch (error) {
    return { state: 'unknown', reason: String(error) };
  }
}
