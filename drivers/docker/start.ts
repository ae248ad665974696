/** Starts a runner: finds the one its id already has, else makes a container, and leaves nothing when that fails. */
import type Docker from 'dockerode';
import { DriverError, type RunnerSpec, type StartContext, type Started } from '../driver';
import { containerName, containerOf } from './container';
import { ask, failure, find, messageOf, refuseAborted, statusOf, toFailure } from './engine';
import { tailOf } from './logs';
import type { Place } from './networks';
import { rangeFull } from './ports';
import {
  type DockerHandle,
  FOREIGN_LABEL,
  type Ground,
  handleOf,
  healthOf,
  inspectOwned,
  letGoOn,
  RUNNER_LABEL,
  removeContainer,
  setAside,
  toOwned,
  urlOf,
} from './runners';

/** An abort is honoured within a second (law 12); until then there is time to take away what was made (law 3). */
const abortMs = 800;
const cleanUpMs = 30_000;
const tailLines = 10;
/** One line may be as long as the whole output. */
const outputChars = 4_000;

/** Starts the runner, or finds the one that this spec id already has. */
export async function startRunner(
  ground: Ground,
  spec: RunnerSpec,
  context: StartContext,
): Promise<Started<DockerHandle>> {
  const { signal } = context;
  for (const info of await inspectOwned(ground, signal, spec.id)) {
    const { handle, url } = toOwned(info);
    await letGoOn(ground, info, signal);
    if (url !== undefined) return { handle, url };
    ground.replaced.add(handle.containerId);
    await removeContainer(ground, handle.containerId, signal).catch((error) => setAside(ground, handle, error, signal));
  }
  const place = await ground.networks.place(spec, signal);
  for (const name of spec.network?.extra ?? []) await ground.networks.require(name, signal);
  context.progress({ stage: 'create', message: 'Creating the container' });
  refuseAborted(signal);
  const late = Promise.withResolvers<never>();
  let timer: Timer | undefined;
  const abort = () => {
    timer = setTimeout(() => late.reject(failure('timeout', 'the start was aborted', signal.reason)), abortMs);
  };
  signal.addEventListener('abort', abort, { once: true });
  const launched = launchSomewhere(ground, spec, place, context);
  launched.catch(() => undefined);
  try {
    return await Promise.race([launched, late.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** At the first port of the host that nobody else has, where the runner needs one of our choice. */
async function launchSomewhere(
  ground: Ground,
  spec: RunnerSpec,
  place: Place,
  context: StartContext,
): Promise<Started<DockerHandle>> {
  const { docker, ports, services } = ground;
  const { socketPath: path } = (await docker()).modem as { socketPath?: unknown };
  const socketPath = typeof path === 'string' ? path : undefined;
  const known = { place, socketPath, foreign: await foreignTo(ground, spec, context.signal) };
  const isHost = place.network === 'host';
  if (!isHost && (!place.isPublished || services.portRange === undefined)) {
    return launch(ground, spec, containerOf(spec, { ...known, port: spec.port, hostPort: undefined }), context);
  }
  let taken: unknown;
  for (const picked of ports.free()) {
    using _ = picked;
    const { port } = picked;
    const at = isHost ? { port, hostPort: undefined } : { port: spec.port, hostPort: port };
    try {
      return await launch(ground, spec, containerOf(spec, { ...known, ...at }), context);
    } catch (error) {
      if (!(error instanceof DriverError) || !isPortTaken.test(error.message)) throw error;
      taken = error;
    }
  }
  throw rangeFull(services.portRange, taken);
}

/** What is said of an image that is made for another machine; undefined where it is not, or the engine does not tell. */
async function foreignTo(
  { docker }: Ground,
  { image = '' }: RunnerSpec,
  signal: AbortSignal,
): Promise<string | undefined> {
  // Of an image without a name dockerode would ask a host called "images".
  if (image === '') return undefined;
  const made = await find(signal, async () => (await docker()).getImage(image).inspect());
  // Not every proxy before the engine's socket lets this one through.
  const engine = await find(signal, async () => (await docker()).version()).catch(() => undefined);
  if (!made?.Architecture || !engine?.Arch || made.Architecture === engine.Arch) return undefined;
  return `its image is made for ${made.Architecture}, and this machine is ${engine.Arch}`;
}

/** Not cut short by the signal: a request that is given up half-way may still make a container. */
async function launch(
  ground: Ground,
  spec: RunnerSpec,
  body: Docker.ContainerCreateOptions,
  context: StartContext,
): Promise<Started<DockerHandle>> {
  const { docker, known } = ground;
  const client = await docker();
  const container = await client.createContainer(body).catch((error) => refused(ground, spec, error));
  known.set(container.id, { handle: { runnerId: spec.id, containerId: container.id } });
  try {
    for (const name of spec.network?.extra ?? []) {
      refuseAborted(context.signal);
      await client.getNetwork(name).connect({ Container: container.id });
    }
    refuseAborted(context.signal);
    context.progress({ stage: 'start', message: 'Starting the container' });
    await container.start();
    refuseAborted(context.signal);
    const info = await container.inspect();
    const url = urlOf(info);
    if (healthOf(info).state !== 'running' || url === undefined) throw await endedAtOnce(ground, spec, info);
    refuseAborted(context.signal);
    known.set(container.id, { handle: handleOf(info), url });
    return { handle: handleOf(info), url };
  } catch (error) {
    ground.replaced.add(container.id);
    // What cannot be removed now is found by its label, as after a crash.
    await removeContainer(ground, container.id, AbortSignal.timeout(cleanUpMs)).catch((left) =>
      ground.services.log('warn', 'container.left', { container: container.id, reason: String(left) }),
    );
    throw startFailure(spec, error, body.Labels?.[FOREIGN_LABEL]);
  }
}

/** Why no container was made. One of ours that has the name meanwhile is found by the next `start`. */
async function refused({ docker }: Ground, spec: RunnerSpec, error: unknown): Promise<never> {
  const status = statusOf(error);
  const image = spec.image ?? '';
  if (status === 404 && /no such image/i.test(messageOf(error))) {
    throw failure('image_missing', `the engine has no image ${image}`, says(spec, error), `Try: docker pull ${image}`);
  }
  // Podman 4 says so with a status of its own.
  if (status !== 409 && !/name .+ is already in use/.test(messageOf(error))) throw startFailure(spec, error);
  const name = containerName(spec);
  const signal = AbortSignal.timeout(cleanUpMs);
  const other = await find(signal, async (abortSignal) => (await docker()).getContainer(name).inspect({ abortSignal }));
  const isThis = other?.Config.Labels[RUNNER_LABEL] === spec.id;
  const message = isThis ? `the runner is being started elsewhere` : `another container is called ${name}`;
  const hint = isThis ? undefined : `Rename or remove it, or set another container_prefix: docker inspect ${name}`;
  throw failure('name_taken', message, says(spec, error), hint);
}

/** It ran, and was over before it could be looked at. The container goes, so its last words are told here. */
async function endedAtOnce(ground: Ground, spec: RunnerSpec, info: Docker.ContainerInspectInfo): Promise<DriverError> {
  const lines = await ask(AbortSignal.timeout(cleanUpMs), (signal) =>
    tailOf(ground.docker, info.Id, tailLines, signal),
  );
  const output = withoutSecrets(spec, lines.join('\n')).slice(-outputChars).toWellFormed();
  const { ExitCode: exitCode } = info.State;
  const foreign = info.Config.Labels[FOREIGN_LABEL];
  const message = `the container ended at once with exit code ${exitCode}${foreign === undefined ? '' : `: ${foreign}`}`;
  return failure('start_failed', message, { exitCode }, output && `Its last output:\n${output}`);
}

const isPortTaken = /port is already allocated|address already in use|ports are not available/;
const isFull = /all ports are allocated|no available IPv4/;

/** @param foreign what is said of an image for another machine. */
function startFailure(spec: RunnerSpec, error: unknown, foreign?: string): DriverError {
  if (error instanceof DriverError || statusOf(error) === undefined) return toFailure(error);
  const cause = says(spec, error);
  const said = `the container could not be started: ${foreign === undefined ? '' : `${foreign}: `}${cause.message}`;
  if (isPortTaken.test(said) || isFull.test(said)) {
    return failure('no_capacity', said, cause, 'Widen the range of ports or addresses.');
  }
  const hint = /source path does not exist/.test(cause.message)
    ? "The engine does not see the home at this path. In a container the router needs the host's path: HOST_STACK_ROOT."
    : undefined;
  return failure('start_failed', said, cause, hint);
}

/** What the engine said: it quotes an environment it refuses, so its own error is not passed on (law 9). */
function says(spec: RunnerSpec, error: unknown): { readonly status: number | undefined; readonly message: string } {
  return { status: statusOf(error), message: withoutSecrets(spec, messageOf(error)) };
}

/** Shorter values than four characters are no secrets, and stand in other words. */
function withoutSecrets({ env }: RunnerSpec, text: string): string {
  const values = Object.values(env).filter((value) => value.length >= 4);
  return values.toSorted((a, b) => b.length - a.length).reduce((rest, value) => rest.replaceAll(value, '…'), text);
}
