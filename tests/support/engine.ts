/**
 * A Docker engine for tests: a running one, used unchanged; otherwise, as root on Linux, one of our own, which ends
 * with the test process.
 *
 *     await conformDriver({ plugin, image: await testImage(), available: engineAvailable });
 *     const suite = (await engineAvailable()) === true ? describe : describe.skip;
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import type { DriverPlugin } from '../../drivers/driver';
import { answers, type Dockerd, dockerdObstacle, startDockerd } from './dockerd';

/** At `DOCKER_HOST`, or at the default socket. */
export const docker = new Docker();
/** The environment for a router in a process of its own: without it, that router finds no engine. */
export const engineHost = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
/** Kept for the life of this process, like the engine itself. */
const kept: Dockerd[] = [];
let availability: Promise<true | string> | undefined;

/** Returns true, or the reason why there is no engine. Starts one, once, if that is possible. */
export function engineAvailable(): Promise<true | string> {
  availability ??= answers(docker).then((isThere) => isThere || startEngine());
  return availability;
}

/**
 * Like `engineAvailable`, for tests outside the conformance suite: prints the reason and returns false; in CI
 * (`CI=true`) throws, because a skipped suite counts as failed there.
 */
export async function requireEngine(title: string): Promise<boolean> {
  const available = await engineAvailable();
  if (available === true) return true;
  if (process.env.CI === 'true') throw new Error(`${title} must run in CI: ${available}`);
  process.stderr.write(`${title} (skipped: ${available})\n`);
  return false;
}

/**
 * The plugin unchanged, and a list of the installations that it was created for, so that their networks can be removed.
 */
export function recorded(plugin: DriverPlugin): { readonly plugin: DriverPlugin; removeAll(): Promise<void> } {
  const installations = new Set<string>();
  const create: DriverPlugin['create'] = (options, services) => {
    installations.add(services.installationId);
    return plugin.create(options, services);
  };
  return {
    plugin: { ...plugin, create },
    async removeAll() {
      for (const installationId of installations) await removeInstallation(installationId);
    },
  };
}

/** Removes first the containers and then the networks of an installation. Everything else on the engine stays. */
export async function removeInstallation(installationId: string): Promise<void> {
  const filters = { label: [`agent-stack.installation=${installationId}`] };
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove();
}

/** Runs a command in a running container, by default as its own user, and returns its output without colours. */
export async function runInside(container: Docker.Container, command: readonly string[], user = ''): Promise<string> {
  const exec = await container.exec({
    ...{ Cmd: [...command], User: user },
    ...{ AttachStdout: true, AttachStderr: true, Tty: true },
  });
  const stream = await exec.start({ Tty: true });
  return Bun.stripANSI(await new Response(stream as unknown as ReadableStream).text()).replaceAll('\r', '');
}

interface EngineSocket extends AsyncDisposable {
  readonly path: string;
  /** Breaks the open connections, and refuses new ones. */
  cut(): void;
  heal(): Promise<void>;
}

/** A second socket of the engine, which a test can cut without harming the engine. */
export async function createEngineSocket(): Promise<EngineSocket> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-stack-engine-'));
  const path = join(directory, 'docker.sock');
  const open = new Set<Socket>();
  let server: Server | undefined;
  const socketPath = (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock';
  const pipe = (from: Socket) => {
    const to = connect(socketPath);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  };
  const cut = () => {
    server?.close();
    server = undefined;
    for (const socket of open) socket.destroy();
  };
  const heal = async () => {
    await rm(path, { force: true });
    const listening = createServer(pipe).listen(path);
    server = listening;
    await once(listening, 'listening');
  };
  await heal();
  return {
    ...{ path, cut, heal },
    async [Symbol.asyncDispose]() {
      cut();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startEngine(): Promise<true | string> {
  if (process.env.DOCKER_HOST) return `no engine answers at DOCKER_HOST=${process.env.DOCKER_HOST}`;
  const obstacle = dockerdObstacle();
  if (obstacle !== undefined) return `no Docker engine answers, and ${obstacle}`;
  return startDockerd(docker, '/var/run/docker.pid').then(
    (started) => {
      kept.push(started);
      return true as const;
    },
    (error: Error) => error.message,
  );
}
