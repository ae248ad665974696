/** Calls the engine. Every call ends when its signal aborts, and every failure is a DriverError. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { DriverError } from '../driver';
import { failuresOf } from '../failures';
import type { DriverOptions } from './options';

export const { failure, refuseAborted } = failuresOf('docker');

const unavailableHint = 'Is the Docker engine running, and may this user open its socket? Try: docker version';

/**
 * Returns the engine's client for one call. Rejects with the connection's error while the engine does not listen at its
 * socket.
 */
export type Engine = () => Promise<Docker>;

/**
 * Without `host`, dockerode reads `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` as the docker command does,
 * or takes the default socket. Rejects with the fault `unavailable` when these are invalid.
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

/** The default ports of an engine of this machine that is open to the network: without TLS, and with TLS. */
const USUAL_URLS = ['http://localhost:2375', 'https://localhost:2376'];

/** URLs at which an engine takes commands: the configured one, and those of an engine of this machine. */
export function engineUrls(host: string = process.env.DOCKER_HOST ?? ''): readonly string[] {
  const url = URL.parse(host.replace(/^tcp:/, 'http:'));
  if (!url || !/^https?:$/.test(url.protocol)) return USUAL_URLS;
  // Without a port in the URL, dockerode takes one of the default ports.
  const all = url.port ? [url.href] : [`http://${url.hostname}:2375`, `http://${url.hostname}:2376`, url.href];
  return [...all, ...USUAL_URLS];
}

/**
 * Opens the client once, when the engine listens at the socket for the first time. Until then every call tries again.
 */
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

/** Imported here and not at the top, because dockerode costs time and 20 MB, also on machines without an engine. */
async function open(place: Docker.DockerOptions): Promise<Docker> {
  const { default: Dockerode } = await import('dockerode');
  return new Dockerode(place);
}

/**
 * Returns the path where dockerode looks for the engine's socket; undefined for a URL, and for a named pipe of Windows.
 */
function socketOf(host: string): (() => string) | undefined {
  const path = host.replace(/^unix:\/\//, '');
  if (path !== '' || process.platform === 'win32') return path.startsWith('/') ? () => path : undefined;
  const own = join(homedir(), '.docker/run/docker.sock');
  return () => (existsSync(own) ? own : '/var/run/docker.sock');
}

/** Resolves when the engine listens at the socket; rejects with the error that dockerode would give. */
async function listens(socketPath: string): Promise<void> {
  const socket = connect(socketPath);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

/**
 * Sets every field, because dockerode reads missing fields from the environment. With certificates, `tcp:` means TLS.
 */
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

/** Reads the files by the names that the docker command uses in `DOCKER_CERT_PATH`. */
async function readCertificates(folder: string): Promise<Docker.DockerOptions> {
  const read = (name: string) => readFile(join(folder, `${name}.pem`));
  // Read one after another, so that the error names the first missing file.
  return { ca: await read('ca'), cert: await read('cert'), key: await read('key') } as Docker.DockerOptions;
}

/**
 * Makes one call. Rejects with `timeout` as soon as the signal aborts, even if the engine never ends its answer; with
 * `unavailable` when the engine does not answer; otherwise with `start_failed` and the engine's message.
 */
export async function callEngine<T>(signal: AbortSignal, call: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
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

/** Like `callEngine`, but resolves with undefined when the engine answers 404. */
export async function find<T>(
  signal: AbortSignal,
  call: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  return callEngine(signal, (abortSignal) =>
    call(abortSignal).catch((error: unknown) => {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }),
  );
}

/** Returns the status of the engine's answer; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
}

/** Returns the engine's own message, without the text that dockerode adds. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said: unknown = 'json' in error ? Object(error.json).message : undefined;
  return typeof said === 'string' ? said.trim() : error.message.trim();
}

export function toFailure(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const status = statusOf(error);
  const isAway = status === undefined || status === 502 || status === 503;
  if (!isAway) return failure('start_failed', `the engine refused: ${messageOf(error)}`, error);
  return failure('unavailable', `the engine does not answer: ${messageOf(error)}`, error, unavailableHint);
}

/** UTF-16 units of one line. Events and progress have a few hundred. */
const lineLengthMax = 65_536;

/**
 * The objects of a stream in which the engine sends one as JSON on each line. Destroys the stream when the caller leaves
 * it. Throws on a line that is too long or not JSON.
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
    // A stream that is left and not destroyed keeps its connection open.
    destroy(stream);
  }
}

function objectOf<One>(line: string): One {
  if (line.length > lineLengthMax) throw tooLong();
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new Error('the engine sent a line that is not a JSON object');
  return value as One;
}

function tooLong(): Error {
  return new Error('the engine sent a line that is too long');
}

export function destroy(stream: NodeJS.ReadableStream): void {
  if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy();
}
