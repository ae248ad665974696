/** The engine and how it is asked: every call ends with its signal, and every failure is a DriverError. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { DriverError, type DriverFault } from '../driver';
import type { DriverOptions } from './options';

const unavailableHint = 'Is the Docker engine running, and may this user open its socket? Try: docker version';

/** The engine's client, for one call. Rejects with the error of the connection while nobody listens at its socket. */
export type Engine = () => Promise<Docker>;

/**
 * Without a host dockerode takes `DOCKER_HOST`, with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` as the docker command
 * does, or the usual socket. Rejects as `unavailable` when those cannot be made sense of.
 */
export async function createEngine({ host, certPath }: Pick<DriverOptions, 'host' | 'certPath'>): Promise<Engine> {
  try {
    const certificates = certPath === undefined ? {} : await readCertificates(certPath);
    const place = host === undefined ? certificates : { ...placeOf(host, certificates), ...certificates };
    const socketPath = socketOf(host ?? process.env.DOCKER_HOST ?? '');
    if (socketPath) return whenHeard(socketPath, () => open(place));
    const client = await open(place);
    return async () => client;
  } catch (cause) {
    throw failure('unavailable', `the engine's address is not usable: ${messageOf(cause)}`, cause);
  }
}

/** The ports that an engine of this machine listens at when its socket is opened to the network, without TLS and with it. */
const USUAL_URLS = ['http://localhost:2375', 'https://localhost:2376'];

/** Where an engine takes commands over the network: the one that is asked, and one of this machine beside its socket. */
export function engineUrls(host: string = process.env.DOCKER_HOST ?? ''): readonly string[] {
  const url = URL.parse(host.replace(/^tcp:/, 'http:'));
  if (!url || !/^https?:$/.test(url.protocol)) return USUAL_URLS;
  // Without a port dockerode takes one of the usual ones.
  const all = url.port ? [url.href] : [`http://${url.hostname}:2375`, `http://${url.hostname}:2376`, url.href];
  return [...all, ...USUAL_URLS];
}

/** Opens once, when somebody listens at the socket for the first time. Until then every call looks anew. */
function whenHeard(socketPath: () => string, open: Engine): Engine {
  let client: Promise<Docker> | undefined;
  return () => {
    client ??= listens(socketPath())
      .then(open)
      .catch((error) => {
        client = undefined;
        throw error;
      });
    return client;
  };
}

/** Loaded here and not at the top: it costs time and 20 MB, which nobody is to pay on a machine without an engine. */
async function open(place: Docker.DockerOptions): Promise<Docker> {
  const { default: Dockerode } = await import('dockerode');
  return new Dockerode(place);
}

/** Where dockerode looks for a socket of the engine; undefined for a URL, and for the pipe of Windows. */
function socketOf(host: string): (() => string) | undefined {
  const path = host.replace(/^unix:\/\//, '');
  if (path !== '' || process.platform === 'win32') return path.startsWith('/') ? () => path : undefined;
  const own = join(homedir(), '.docker/run/docker.sock');
  return () => (existsSync(own) ? own : '/var/run/docker.sock');
}

/** Resolves when somebody listens at the socket; rejects with the words dockerode would have. */
async function listens(socketPath: string): Promise<void> {
  const socket = connect(socketPath);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

/** Every part is said, since what is left out comes from the environment. With certificates `tcp:` is TLS. */
function placeOf(host: string, certificates: Docker.DockerOptions): Docker.DockerOptions {
  const socketPath = host.replace(/^unix:\/\//, '');
  const parts = ['host', 'port', 'socketPath', 'ca', 'cert', 'key'];
  const nothing: Record<string, undefined> = Object.fromEntries(parts.map((part) => [part, undefined]));
  if (socketPath.startsWith('/')) return { ...nothing, protocol: 'http', socketPath };
  const scheme = 'ca' in certificates ? 'https:' : 'http:';
  const url = new URL(host.replace(/^tcp:/, scheme));
  const protocol = url.protocol === 'https:' ? 'https' : 'http';
  const port = url.port || (protocol === 'https' ? 2376 : 2375);
  return { ...nothing, protocol, host: url.hostname, port };
}

/** Under the names that the docker command looks for in `DOCKER_CERT_PATH`. */
async function readCertificates(folder: string): Promise<Docker.DockerOptions> {
  const read = (name: string) => readFile(join(folder, `${name}.pem`));
  // One after the other: of those that are missing, the first is told.
  return { ca: await read('ca'), cert: await read('cert'), key: await read('key') } as Docker.DockerOptions;
}

/**
 * Makes one call. Rejects as `timeout` when the signal aborts, at once even if the engine never ends its answer; as
 * `unavailable` when the engine does not answer; else with a `start_failed` that says what the engine said.
 */
export async function ask<T>(signal: AbortSignal, call: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
  refuseAborted(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(failure('timeout', 'the call was aborted', signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  const answer = call(signal);
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, aborted]);
  } catch (error) {
    if (signal.aborted) throw failure('timeout', 'the call was aborted', signal.reason);
    throw toFailure(error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** As `ask`; undefined for what is not there. */
export async function find<T>(
  signal: AbortSignal,
  call: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  return ask(signal, (abortSignal) =>
    call(abortSignal).catch((error: unknown) => {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }),
  );
}

/** The status of an engine's answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
}

/** What the engine said, without what dockerode puts around it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said: unknown = 'json' in error ? Object(error.json).message : undefined;
  return typeof said === 'string' ? said.trim() : error.message.trim();
}

/** A DriverError of this driver. `message` and `cause` must not contain a value of `env`. */
export function failure(fault: DriverFault, message: string, cause: unknown, hint?: string): DriverError {
  return new DriverError('docker', fault, message, { cause, ...(hint === undefined ? {} : { hint }) });
}

export function toFailure(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const status = statusOf(error);
  const isAway = status === undefined || status === 502 || status === 503;
  if (!isAway) return failure('start_failed', `the engine refused: ${messageOf(error)}`, error);
  return failure('unavailable', `the engine does not answer: ${messageOf(error)}`, error, unavailableHint);
}

/** Rejects as `timeout` when the caller has given up. */
export function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) throw failure('timeout', 'the call was aborted', signal.reason);
}

/** UTF-16 units of one line. Events and progress have a few hundred. */
const lineLengthMax = 65_536;

/**
 * The objects of a stream in which the engine sends one as JSON on each line. Destroys the stream when it is left. Throws
 * on a line that is too long or not JSON.
 */
export async function* objectsOf<One>(stream: NodeJS.ReadableStream): AsyncGenerator<One> {
  let rest = '';
  try {
    for await (const chunk of stream.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield objectOf<One>(line);
      if (rest.length > lineLengthMax) throw tooLong();
    }
    if (rest.trim() !== '') yield objectOf<One>(rest);
  } finally {
    // Leaving the loop alone would keep the connection open.
    destroy(stream);
  }
}

function objectOf<One>(line: string): One {
  if (line.length > lineLengthMax) throw tooLong();
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new Error('the engine sent something that is no object');
  return value as One;
}

function tooLong(): Error {
  return new Error('the engine sent a line that is too long');
}

export function destroy(stream: NodeJS.ReadableStream): void {
  if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy();
}
