/** From containers to runners: which are ours, how they are, and where the router reaches them. */

import type Docker from 'dockerode';
import type { DriverServices, Health, Owned } from '../driver';
import { runnerHost } from '../runner-host';
import { ask, type Engine, failure, find } from './engine';
import type { Networks } from './networks';
import type { DriverOptions } from './options';
import type { Ports } from './ports';

/** By these a container is found and known, never by its name. */
export const RUNNER_LABEL = 'agent-stack.runner';
/** The port on which the agent listens where it runs. */
export const PORT_LABEL = 'agent-stack.port';
/** Says that the image is made for another machine, where it is. */
export const FOREIGN_LABEL = 'agent-stack.foreign';

/** A container that was started again, by hand or by a restart policy, has another `startedAt`. */
export type DockerHandle = { readonly runnerId: string; readonly containerId: string; readonly startedAt?: string };

/** Exit code of what SIGKILL has ended. */
const KILLED = 137;

/** What the driver's verbs stand on. */
export interface Ground {
  readonly docker: Engine;
  readonly services: DriverServices;
  readonly options: DriverOptions;
  readonly networks: Networks;
  readonly ports: Ports;
  /** Containers as they were first seen, if not known to be gone, by id: what a reconnected watch looks for. */
  readonly known: Map<string, Known>;
  /** Ids of containers this driver is ending: their exit is no news. */
  readonly stopping: Set<string>;
  /** Ids of containers that made way in a start: nothing about them is news. */
  readonly replaced: Set<string>;
  /** Ids of containers that have ended and cannot be removed: they count as gone. */
  readonly left: Set<string>;
}

/** Ends the name of a container that has ended and cannot be removed, so that the next life of the router knows it. */
const LEFT = '-left';

export interface Known {
  readonly handle: DockerHandle;
  readonly url?: string;
}

/** The runner's container. Undefined when there is none, or when its labels do not prove it is the one. */
export async function findContainer(
  ground: Ground,
  handle: DockerHandle,
  signal: AbortSignal,
): Promise<{ readonly info: Docker.ContainerInspectInfo; readonly isOurs: boolean } | undefined> {
  const { docker, services } = ground;
  const info = await find(signal, async (abortSignal) =>
    (await docker()).getContainer(handle.containerId).inspect({ abortSignal }),
  );
  if (info === undefined || isLeft(ground, info)) return undefined;
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
  return (await inspectOwned(ground, signal, runnerId)).map(toOwned);
}

/** As `findOwned`, in the engine's words. */
export async function inspectOwned(
  ground: Ground,
  signal: AbortSignal,
  runnerId?: string,
): Promise<readonly Docker.ContainerInspectInfo[]> {
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
  const owned = infos.filter((info) => info !== undefined).filter((info) => !isLeft(ground, info));
  for (const info of owned) {
    // One that was only made had no life yet.
    if (known.get(info.Id)?.handle.startedAt === undefined) known.set(info.Id, toOwned(info));
  }
  return owned;
}

export function toOwned(info: Docker.ContainerInspectInfo): Owned<DockerHandle> {
  const handle = handleOf(info);
  const health = healthOf(info);
  const url = health.state === 'exited' ? undefined : urlOf(info);
  return { runnerId: handle.runnerId, handle, health, ...(url === undefined ? {} : { url }) };
}

export function handleOf(info: Docker.ContainerInspectInfo): DockerHandle {
  const { Config: config, Id: containerId, State: state } = info;
  const runnerId = config.Labels[RUNNER_LABEL] ?? '';
  return { runnerId, containerId, ...(state.Status !== 'created' && { startedAt: state.StartedAt }) };
}

/** @param handle of the life that is asked for, when it need not be the present one. */
export function healthOf(info: Docker.ContainerInspectInfo, handle?: DockerHandle): Health {
  const { Config: config, State: state } = info;
  // Restarted behind our back: another life, which may listen elsewhere while somebody else has the old address.
  if (handle?.startedAt !== undefined && handle.startedAt !== state.StartedAt) {
    return { state: 'exited', reason: 'somebody restarted it on its platform' };
  }
  // While the engine waits to restart a container, and while it is paused, it says that it runs.
  if (state.Paused) return { state: 'paused' };
  if (state.Running && !state.Restarting) {
    const url = urlOf(info);
    return { state: 'running', startedAtMs: Date.parse(state.StartedAt), ...(url !== undefined && { url }) };
  }
  // One that was created and never started has ended as far as anybody can use it.
  if (state.Status === 'created') return { state: 'exited' };
  const { ExitCode: exitCode } = state;
  const reason = exitCode === 0 ? undefined : config.Labels[FOREIGN_LABEL];
  // The engine also notes the end of a child; only with SIGKILL it was the agent that had no memory.
  const outOfMemory = state.OOMKilled && exitCode === KILLED;
  return { state: 'exited', exitCode, ...(outOfMemory && { outOfMemory }), ...(reason !== undefined && { reason }) };
}

/** Where the router reaches a running container: its published port, or its own address where none is published. */
export function urlOf(info: Docker.ContainerInspectInfo): string | undefined {
  const port = info.Config.Labels[PORT_LABEL];
  const { NetworkMode: mode = '' } = info.HostConfig;
  if (mode === 'host') return `http://${runnerHost()}:${port}`;
  const published = info.NetworkSettings.Ports[`${port}/tcp`]?.[0];
  if (published !== undefined) return `http://${published.HostIp}:${published.HostPort}`;
  const networks = info.NetworkSettings.Networks;
  // Podman says `bridge` for every mode, and has the network that was named as the first.
  const address = (networks[mode] ?? Object.values(networks)[0])?.IPAddress;
  return address ? `http://${address}:${port}` : undefined;
}

/** Does nothing for a container that is not paused. */
export async function letGoOn(
  { docker }: Ground,
  { Id: id, State: state }: Docker.ContainerInspectInfo,
  signal: AbortSignal,
): Promise<void> {
  if (!state.Paused) return;
  const unpaused = find(signal, async (abortSignal) => (await docker()).getContainer(id).unpause({ abortSignal }));
  await unpaused.catch((error: unknown) => {
    if (!/is not paused/.test(String(error))) throw error;
  });
}

function isLeft({ left }: Ground, { Id: id, Name: name }: Docker.ContainerInspectInfo): boolean {
  return left.has(id) || name.endsWith(LEFT);
}

/**
 * Puts a container aside that has ended and cannot be removed, such as one with an immutable file in its layer: it gets
 * another name, the administrator is told once, and nobody's next start has to wait for it. Rejects with `why` when it
 * has not ended.
 */
export async function setAside(ground: Ground, handle: DockerHandle, why: unknown, signal: AbortSignal): Promise<void> {
  const { docker, services, known, left } = ground;
  const { containerId: id } = handle;
  const found = await findContainer(ground, handle, signal).catch(() => Promise.reject(why));
  if (found === undefined) return;
  if (found.info.State.Running) throw why;
  const name = `${found.info.Name.replace(/^\//, '')}${LEFT}`;
  // Without its new name it is known for as long as this process lives.
  await ask(signal, async () => (await docker()).getContainer(id).rename({ name })).catch(() => undefined);
  left.add(id);
  known.delete(id);
  services.log('error', 'container.left', { container: id, name, reason: String(why), remedy: `docker rm -f ${id}` });
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
