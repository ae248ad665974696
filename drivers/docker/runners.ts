/** Finds our runners among the containers, and reads their health and their addresses. */
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { DriverServices, Health, Owned } from '../driver';
import { runnerHost } from '../runner-host';
import { callEngine, type Engine, failure, find } from './engine';
import type { Networks } from './networks';
import type { DriverOptions } from './options';
import type { Ports } from './ports';

/** A runner's container is found by this label, never by its name. */
export const RUNNER_LABEL = 'agent-stack.runner';
/** Label with the port on which the agent listens inside the container. */
export const PORT_LABEL = 'agent-stack.port';
/** Label with a sentence about the image's architecture, if that is not the machine's. */
export const FOREIGN_LABEL = 'agent-stack.foreign';

/** A container that was started again, by hand or by a restart policy, has another `startedAt`. */
export type DockerHandle = { readonly runnerId: string; readonly containerId: string; readonly startedAt?: string };

/** How often to remove a container that the engine is just restarting, for two seconds: a restart takes about one. */
const REMOVE_TRIES = 20;
const REMOVE_GAP_MS = 100;
/** Exit code of a process that SIGKILL has ended. */
const KILLED = 137;

/** The parts and the state that the methods of the driver share. */
export interface DriverParts {
  readonly docker: Engine;
  readonly services: DriverServices;
  readonly options: DriverOptions;
  readonly networks: Networks;
  readonly ports: Ports;
  /**
   * Container id → the container as it was first seen, for containers that are not known to be gone. A reconnected
   * watch looks for these.
   */
  readonly known: Map<string, Known>;
  /** Ids of containers that this driver is stopping. Their exit is not reported. */
  readonly stopping: Set<string>;
  /** Ids of containers that a start has replaced. Nothing about them is reported. */
  readonly replaced: Set<string>;
  /** Ids of containers that have ended and cannot be removed. They count as gone. */
  readonly left: Set<string>;
}

/**
 * Suffix of the name of a container that has ended and cannot be removed. The driver recognises it by this after a
 * restart.
 */
const LEFT = '-left';

export interface Known {
  readonly handle: DockerHandle;
  readonly url?: string;
}

/**
 * Returns the runner's container; undefined when it does not exist, or when its labels do not prove that it is ours.
 */
export async function findContainer(
  parts: DriverParts,
  handle: DockerHandle,
  signal: AbortSignal,
): Promise<{ readonly info: Docker.ContainerInspectInfo; readonly isOurs: boolean } | undefined> {
  const { docker, services } = parts;
  const info = await find(signal, async (abortSignal) =>
    (await docker()).getContainer(handle.containerId).inspect({ abortSignal }),
  );
  if (info === undefined || isLeft(parts, info)) return undefined;
  const { Labels: labels } = info.Config;
  const isOurs =
    labels[services.installationLabel] === services.installationId && labels[RUNNER_LABEL] === handle.runnerId;
  return { info, isOurs };
}

/** Returns every container with the installation's label, or only those of one runner; also exited ones. */
export async function findOwned(
  parts: DriverParts,
  signal: AbortSignal,
  runnerId?: string,
): Promise<readonly Owned<DockerHandle>[]> {
  const owned = await inspectOwned(parts, signal, runnerId);
  const byRunner = Map.groupBy(owned, (info) => handleOf(info).runnerId);
  return [...byRunner.values()].flatMap((infos) => {
    // Whoever copies a container copies its labels. The copy is younger, and not the driver's.
    const [original, ...copies] = infos.toSorted((a, b) => Date.parse(a.Created) - Date.parse(b.Created));
    for (const { Id: id, Name: name } of copies) parts.services.log('warn', 'container.copied', { id, name });
    return original === undefined ? [] : [toOwned(original)];
  });
}

/** Like `findOwned`, in the engine's own types. */
export async function inspectOwned(
  parts: DriverParts,
  signal: AbortSignal,
  runnerId?: string,
): Promise<readonly Docker.ContainerInspectInfo[]> {
  const { docker, services, known } = parts;
  const label = [`${services.installationLabel}=${services.installationId}`];
  if (runnerId !== undefined) label.push(`${RUNNER_LABEL}=${runnerId}`);
  const summaries = await callEngine(signal, async (abortSignal) =>
    (await docker()).listContainers({ all: true, filters: { label }, abortSignal }),
  );
  const infos = await Promise.all(
    summaries.map(({ Id }) =>
      find(signal, async (abortSignal) => (await docker()).getContainer(Id).inspect({ abortSignal })),
    ),
  );
  // A container that was removed between the two calls is not returned.
  const owned = infos.filter((info) => info !== undefined).filter((info) => !isLeft(parts, info));
  for (const info of owned) {
    // A container that was only created has had no life yet.
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

/** @param handle The life to check; absent for the present life. */
export function healthOf(info: Docker.ContainerInspectInfo, handle?: DockerHandle): Health {
  const { Config: config, State: state } = info;
  // The container was restarted outside the router. It is another life, which may have another address; its old address
  // may belong to another runner.
  if (handle?.startedAt !== undefined && handle.startedAt !== state.StartedAt) {
    return { state: 'exited', reason: 'somebody restarted it on its platform' };
  }
  // The engine reports a container as running also while it waits to restart it, and while it is paused.
  if (state.Paused) return { state: 'paused' };
  if (state.Running && !state.Restarting) {
    const url = urlOf(info);
    return { state: 'running', startedAtMs: Date.parse(state.StartedAt), ...(url !== undefined && { url }) };
  }
  // A container that was created and never started counts as ended.
  if (state.Status === 'created') return { state: 'exited' };
  const { ExitCode: exitCode } = state;
  const reason = exitCode === 0 ? undefined : config.Labels[FOREIGN_LABEL];
  // The engine also reports OOMKilled when only a child was killed. The agent itself was killed if its exit code is
  // that of SIGKILL.
  const outOfMemory = state.OOMKilled && exitCode === KILLED;
  return { state: 'exited', exitCode, ...(outOfMemory && { outOfMemory }), ...(reason !== undefined && { reason }) };
}

/** Returns the address of a running container: its published port, or its own address if no port is published. */
export function urlOf(info: Docker.ContainerInspectInfo): string | undefined {
  const port = info.Config.Labels[PORT_LABEL];
  const { NetworkMode: mode = '' } = info.HostConfig;
  if (mode === 'host') return `http://${runnerHost()}:${port}`;
  const published = info.NetworkSettings.Ports[`${port}/tcp`]?.[0];
  if (published !== undefined) return `http://${published.HostIp}:${published.HostPort}`;
  const networks = info.NetworkSettings.Networks;
  // Podman reports `bridge` as the mode of every container, and lists the requested network first.
  const address = (networks[mode] ?? Object.values(networks)[0])?.IPAddress;
  return address ? `http://${address}:${port}` : undefined;
}

/** Does nothing when the container is not paused. */
export async function letGoOn(
  { docker }: DriverParts,
  { Id: id, State: state }: Docker.ContainerInspectInfo,
  signal: AbortSignal,
): Promise<void> {
  if (!state.Paused) return;
  const unpaused = find(signal, async (abortSignal) => (await docker()).getContainer(id).unpause({ abortSignal }));
  await unpaused.catch((error: unknown) => {
    if (!/is not paused/.test(String(error))) throw error;
  });
}

function isLeft({ left }: DriverParts, { Id: id, Name: name }: Docker.ContainerInspectInfo): boolean {
  return left.has(id) || name.endsWith(LEFT);
}

/**
 * Renames a container that has ended and cannot be removed, for example because of an immutable file in its layer. The
 * driver logs it once for the administrator, and the agent's next start does not wait for it. Rejects with `why` when
 * the container has not ended.
 */
export async function setAside(
  parts: DriverParts,
  handle: DockerHandle,
  why: unknown,
  signal: AbortSignal,
): Promise<void> {
  const { docker, services, known, left } = parts;
  const { containerId: id } = handle;
  const found = await findContainer(parts, handle, signal).catch(() => Promise.reject(why));
  if (found === undefined) return;
  if (found.info.State.Running) throw why;
  const name = `${found.info.Name.replace(/^\//, '')}${LEFT}`;
  // If the rename fails, this process still remembers the id.
  await callEngine(signal, async () => (await docker()).getContainer(id).rename({ name })).catch(() => undefined);
  left.add(id);
  known.delete(id);
  services.log('error', 'container.left', { container: id, name, reason: String(why), remedy: `docker rm -f ${id}` });
}

/** Ends and removes a container with its anonymous volumes. Does nothing when it is gone or being removed. */
export async function removeContainer({ docker, known }: DriverParts, id: string, signal: AbortSignal): Promise<void> {
  const container = async () => (await docker()).getContainer(id);
  const remove = () =>
    find(signal, async (abortSignal) => (await container()).remove({ force: true, v: true, abortSignal }));
  for (let triesLeft = REMOVE_TRIES - 1; ; triesLeft -= 1) {
    try {
      await remove();
      break;
    } catch (error) {
      if (/already in progress/.test(String(error))) {
        await find(signal, async (abortSignal) => (await container()).wait({ condition: 'removed', abortSignal }));
        break;
      }
      // Between the end of a container and its start by a restart policy, the engine reports it as running but cannot kill it.
      if (triesLeft === 0 || !/is not running/.test(String(error))) throw error;
      await delay(REMOVE_GAP_MS, undefined, { signal });
    }
  }
  known.delete(id);
}

export function notOurs(handle: DockerHandle): Error {
  const message = `the container ${handle.containerId.slice(0, 12)} does not carry this runner's labels`;
  return failure('name_taken', message, { ...handle });
}
