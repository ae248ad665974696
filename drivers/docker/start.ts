/**
 * Starts a runner: returns the one that exists for the id, or creates a container. A failed start leaves nothing
 * behind.
 */
import type Docker from 'dockerode';
import { DriverError, type RunnerSpec, type StartContext, type Started } from '../driver';
import { containerName, containerOf } from './container';
import { callEngine, failure, find, messageOf, refuseAborted, statusOf, toFailure } from './engine';
import { tailOf } from './logs';
import type { Place } from './networks';
import { rangeFull } from './ports';
import {
  type DockerHandle,
  type DriverParts,
  FOREIGN_LABEL,
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

/**
 * An abort must be honoured within a second (law 12). This part of the second is for removing what was created (law 3).
 */
const abortMs = 800;
const cleanUpMs = 30_000;
const tailLines = 10;
/** One line may be as long as the whole output. */
const outputChars = 4_000;

/** Starts the runner, or returns the one that already exists for this spec id. */
export async function startRunner(
  parts: DriverParts,
  spec: RunnerSpec,
  context: StartContext,
): Promise<Started<DockerHandle>> {
  const { signal } = context;
  for (const info of await inspectOwned(parts, signal, spec.id)) {
    const { handle, url } = toOwned(info);
    await letGoOn(parts, info, signal);
    if (url !== undefined) return { handle, url };
    parts.replaced.add(handle.containerId);
    await removeContainer(parts, handle.containerId, signal).catch((error) => setAside(parts, handle, error, signal));
  }
  const place = await parts.networks.place(spec, signal);
  for (const name of spec.network?.extra ?? []) await parts.networks.require(name, signal);
  context.progress({ stage: 'create', message: 'Creating the container' });
  refuseAborted(signal);
  const late = Promise.withResolvers<never>();
  let timer: Timer | undefined;
  const abort = () => {
    timer = setTimeout(() => late.reject(failure('timeout', 'the start was aborted', signal.reason)), abortMs);
  };
  signal.addEventListener('abort', abort, { once: true });
  const launched = launchSomewhere(parts, spec, place, context);
  launched.catch(() => undefined);
  try {
    return await Promise.race([launched, late.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** Publishes on the first free host port, if this driver picks the port. */
async function launchSomewhere(
  parts: DriverParts,
  spec: RunnerSpec,
  place: Place,
  context: StartContext,
): Promise<Started<DockerHandle>> {
  const { docker, ports, services } = parts;
  const { socketPath: path } = (await docker()).modem as { socketPath?: unknown };
  const socketPath = typeof path === 'string' ? path : undefined;
  const known = { place, socketPath, foreign: await foreignTo(parts, spec, context.signal) };
  const isHost = place.network === 'host';
  if (!isHost && (!place.isPublished || services.portRange === undefined)) {
    return launch(parts, spec, containerOf(spec, { ...known, port: spec.port, hostPort: undefined }), context);
  }
  let taken: unknown;
  for (const picked of ports.free()) {
    using _ = picked;
    const { port } = picked;
    const at = isHost ? { port, hostPort: undefined } : { port: spec.port, hostPort: port };
    try {
      return await launch(parts, spec, containerOf(spec, { ...known, ...at }), context);
    } catch (error) {
      if (!(error instanceof DriverError) || !isPortTaken.test(error.message)) throw error;
      taken = error;
    }
  }
  throw rangeFull(services.portRange, taken);
}

/**
 * Returns a sentence if the image is built for another architecture; undefined if it is not, or if the engine does not
 * say.
 */
async function foreignTo(
  { docker }: DriverParts,
  { image = '' }: RunnerSpec,
  signal: AbortSignal,
): Promise<string | undefined> {
  // For an image without a name, dockerode would call a host named "images".
  if (image === '') return undefined;
  const made = await find(signal, async () => (await docker()).getImage(image).inspect());
  // A proxy in front of the engine's socket may block this call.
  const engine = await find(signal, async () => (await docker()).version()).catch(() => undefined);
  if (!made?.Architecture || !engine?.Arch || made.Architecture === engine.Arch) return undefined;
  return `its image is made for ${made.Architecture}, and this machine is ${engine.Arch}`;
}

/** Does not pass the signal: the engine may create the container although the request was aborted. */
async function launch(
  parts: DriverParts,
  spec: RunnerSpec,
  body: Docker.ContainerCreateOptions,
  context: StartContext,
): Promise<Started<DockerHandle>> {
  const { docker, known } = parts;
  const client = await docker();
  const container = await client.createContainer(body).catch((error) => refused(parts, spec, error));
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
    if (healthOf(info).state !== 'running' || url === undefined) throw await endedAtOnce(parts, spec, info);
    refuseAborted(context.signal);
    known.set(container.id, { handle: handleOf(info), url });
    return { handle: handleOf(info), url };
  } catch (error) {
    parts.replaced.add(container.id);
    // A container that cannot be removed now is found by its label later, as after a crash.
    await removeContainer(parts, container.id, AbortSignal.timeout(cleanUpMs)).catch((left) =>
      parts.services.log('warn', 'container.left', { container: container.id, reason: String(left) }),
    );
    throw startFailure(spec, error, body.Labels?.[FOREIGN_LABEL]);
  }
}

/**
 * Returns the error for a container that was not created. If one of our own containers has the name, the next `start`
 * finds it.
 */
async function refused({ docker }: DriverParts, spec: RunnerSpec, error: unknown): Promise<never> {
  const status = statusOf(error);
  const image = spec.image ?? '';
  if (status === 404 && /no such image/i.test(messageOf(error))) {
    throw failure('image_missing', `the engine has no image ${image}`, says(spec, error), `Try: docker pull ${image}`);
  }
  // Podman 4 has a different status for this.
  if (status !== 409 && !/name .+ is already in use/.test(messageOf(error))) throw startFailure(spec, error);
  const name = containerName(spec);
  const signal = AbortSignal.timeout(cleanUpMs);
  const other = await find(signal, async (abortSignal) => (await docker()).getContainer(name).inspect({ abortSignal }));
  const isThis = other?.Config.Labels[RUNNER_LABEL] === spec.id;
  const message = isThis ? `the runner is being started elsewhere` : `another container is called ${name}`;
  const hint = isThis ? undefined : `Rename or remove it, or set another container_prefix: docker inspect ${name}`;
  throw failure('name_taken', message, says(spec, error), hint);
}

/** The container ended before it could be inspected. It is removed, so the error contains its last output. */
async function endedAtOnce(
  parts: DriverParts,
  spec: RunnerSpec,
  info: Docker.ContainerInspectInfo,
): Promise<DriverError> {
  const lines = await callEngine(AbortSignal.timeout(cleanUpMs), (signal) =>
    tailOf(parts.docker, info.Id, tailLines, signal),
  );
  const output = withoutSecrets(spec, lines.join('\n')).slice(-outputChars).toWellFormed();
  const { ExitCode: exitCode } = info.State;
  const foreign = info.Config.Labels[FOREIGN_LABEL];
  const message = `the container ended at once with exit code ${exitCode}${foreign === undefined ? '' : `: ${foreign}`}`;
  return failure('start_failed', message, { exitCode }, output && `Its last output:\n${output}`);
}

const isPortTaken = /port is already allocated|address already in use|ports are not available/;
const isFull = /all ports are allocated|no available IPv4/;

/** @param foreign Sentence about an image for another architecture. */
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

/** Returns the engine's message only, because its error quotes an environment that it refuses (law 9). */
function says(spec: RunnerSpec, error: unknown): { readonly status: number | undefined; readonly message: string } {
  return { status: statusOf(error), message: withoutSecrets(spec, messageOf(error)) };
}

/** Values shorter than four characters are no secrets, and would match parts of other words. */
function withoutSecrets({ env }: RunnerSpec, text: string): string {
  const values = Object.values(env).filter((value) => value.length >= 4);
  return values.toSorted((a, b) => b.length - a.length).reduce((rest, value) => rest.replaceAll(value, '…'), text);
}
