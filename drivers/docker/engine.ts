/** The engine and how it is asked: every call ends with its signal, and every failure is a DriverError. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { DriverError, type DriverFault } from '../driver';
import type { DriverOptions } from './options';

const unavailableHint = 'Is the Docker engine running, and may this user open its socket? Try: docker version';

/**
 * Opens no connection yet. Without a host dockerode takes `DOCKER_HOST`, with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` as
 * the docker command does, or the usual socket. Rejects as `unavailable` when those cannot be made sense of.
 */
export async function createClient({ host, certPath }: Pick<DriverOptions, 'host' | 'certPath'>): Promise<Docker> {
  try {
    // Loaded here and not at the top: it costs 175 ms and 25 MB, which only an installation with docker backends pays.
    const { default: Dockerode } = await import('dockerode');
    const certificates = certPath === undefined ? {} : await readCertificates(certPath);
    return new Dockerode(host === undefined ? certificates : { ...placeOf(host, certificates), ...certificates });
  } catch (cause) {
    throw failure('unavailable', `the engine's address is not usable: ${messageOf(cause)}`, cause);
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
  const [ca, cert, key] = await Promise.all(['ca', 'cert', 'key'].map((name) => readFile(join(folder, `${name}.pem`))));
  return { ca, cert, key } as Docker.DockerOptions;
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

/** The lines of a stream in which the engine sends one JSON object a line. Destroys the stream when it is left. */
export async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of stream.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      yield* lines.filter((line) => line.trim() !== '');
    }
    if (rest.trim() !== '') yield rest;
  } finally {
    // Leaving the loop alone would keep the connection open.
    destroy(stream);
  }
}

export function destroy(stream: NodeJS.ReadableStream): void {
  if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy();
}
