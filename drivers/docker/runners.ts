/** From containers to runners: which are ours, how they are, and where the router reaches them. */
import type Docker from 'dockerode';
import type { DriverServices, Health, Owned } from '../driver';
import { ask, type Engine, failure, find } from './engine';
import type { Networks } from './networks';
import type { DriverOptions } from './options';

/** By these a container is found and known, never by its name. */
export const RUNNER_LABEL = 'agent-stack.runner';
/** The port on which the agent listens where it runs. */
export const PORT_LABEL = 'agent-stack.port';

export type DockerHandle = { readonly runnerId: string; readonly containerId: string };

/** What the driver's verbs stand on. */
export interface Ground {
  readonly docker: Engine;
  readonly services: DriverServices;
  readonly options: DriverOptions;
  readonly networks: Networks;
  /** Containers seen so far and not known to be gone, by id with their runner's: what a reconnected watch looks for. */
  readonly known: Map<string, string>;
  /** Ids of containers this driver is ending: their exit is no news. */
  readonly stopping: Set<string>;
  /** Ids of containers that made way in a start: nothing about them is news. */
  readonly replaced: Set<string>;
}

/** The runner's container. Undefined when there is none, or when its labels do not prove it is the one. */
export async function findContainer(
  { docker, services }: Ground,
  handle: DockerHandle,
  signal: AbortSignal,
): Promise<{ readonly info: Docker.ContainerInspectInfo; readonly isOurs: boolean } | undefined> {
  const info = await find(signal, async (abortSignal) =>
    (await docker()).getContainer(handle.containerId).inspect({ abortSignal }),
  );
  if (info === undefined) return undefined;
  const { Labels: labels } = info.Config;
  const isOurs =
    labels[services.installationLabel] === services.installationId && labels[RUNNER_LABEL] === handle.runnerId;
  return { info, isOurs };
}

/** Every container with the installation's label, or only those of one runner; also those that have exited. */
export async function findOwned(
  ground: Ground,
  signal: AbortSignal,
  runnerId?: string,
): Promise<readonly Owned<DockerHandle>[]> {
  const { docker, services, known } = ground;
  const label = [`${services.installationLabel}=${services.installationId}`];
  if (runnerId !== undefined) label.push(`${RUNNER_LABEL}=${runnerId}`);
  const summaries = await ask(signal, async (abortSignal) =>
    (await docker()).listContainers({ all: true, filters: { label }, abortSignal }),
  );
  const infos = await Promise.all(
    summaries.map(({ Id }) =>
      find(signal, async (abortSignal) => (await docker()).getContainer(Id).inspect({ abortSignal })),
    ),
  );
  // One that went between the two calls is not there.
  const owned = infos.filter((info) => info !== undefined).map(toOwned);
  for (const { handle } of owned) known.set(handle.containerId, handle.runnerId);
  return owned;
}

function toOwned(info: Docker.ContainerInspectInfo): Owned<DockerHandle> {
  const handle = handleOf(info);
  const health = healthOf(info);
  const url = health.state === 'running' ? urlOf(info) : undefined;
  return { runnerId: handle.runnerId, handle, health, ...(url === undefined ? {} : { url }) };
}

export function handleOf(info: Docker.ContainerInspectInfo): DockerHandle {
  return { runnerId: info.Config.Labels[RUNNER_LABEL] ?? '', containerId: info.Id };
}

export function healthOf({ State: state }: Docker.ContainerInspectInfo): Health {
  // A paused container runs. One that was created and never started has ended as far as anybody can use it.
  if (state.Running) return { state: 'running', startedAtMs: Date.parse(state.StartedAt) };
  if (state.Status === 'created') return { state: 'exited' };
  const outOfMemory = state.OOMKilled && state.ExitCode !== 0;
  return { state: 'exited', exitCode: state.ExitCode, ...(outOfMemory && { outOfMemory }) };
}

/** Where the router reaches a running container: its published port, or its own address where none is published. */
export function urlOf(info: Docker.ContainerInspectInfo): string | undefined {
  const port = info.Config.Labels[PORT_LABEL];
  const { NetworkMode: mode = '' } = info.HostConfig;
  if (mode === 'host') return `http://127.0.0.1:${port}`;
  const published = info.NetworkSettings.Ports[`${port}/tcp`]?.[0];
  if (published !== undefined) return `http://${published.HostIp}:${published.HostPort}`;
  const networks = info.NetworkSettings.Networks;
  // Podman says `bridge` for every mode, and has the network that was named as the first.
  const address = (networks[mode] ?? Object.values(networks)[0])?.IPAddress;
  return address ? `http://${address}:${port}` : undefined;
}

/** Ends and removes a container with its anonymous volumes. What is gone already, or being removed, is fine. */
export async function removeContainer({ docker, known }: Ground, id: string, signal: AbortSignal): Promise<void> {
  const container = async () => (await docker()).getContainer(id);
  try {
    await find(signal, async (abortSignal) => (await container()).remove({ force: true, v: true, abortSignal }));
  } catch (error) {
    if (!/already in progress/.test(String(error))) throw error;
    await find(signal, async (abortSignal) => (await container()).wait({ condition: 'removed', abortSignal }));
  }
  known.delete(id);
}

export function notOurs(handle: DockerHandle): Error {
  const message = `the container ${handle.containerId.slice(0, 12)} does not carry this runner's labels`;
  return failure('name_taken', message, { ...handle });
}
