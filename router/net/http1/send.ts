/**
 * HTTP/1.1 over plain sockets, for requests to runners. Bun's `fetch` passes every request and every chunk between
 * threads: 15 µs more of a request's 185 µs, and 3 MB instead of 0.9 MB for a slow reader (decisions 0022 and 0030). `fetch`
 * also sends a request again by itself when a resting connection breaks; nothing here is sent twice.
 */
import type { Abortable } from '../../lib/abort';
import { CONNECT_MS, ConnectTimeoutError, NotConnectedError } from '../connect-timeout';
import { Connection, type WireAnswer } from './connection';
import { idleConnection } from './idle';
import { requestBytes, type WireRequest } from './request';

/** Milliseconds. A connection that was idle for less cannot have been closed unnoticed. */
const RESTED_MS = 1;

/**
 * Sends a request and resolves with the head of its answer. Rejects with the signal's reason; with `NotConnectedError`,
 * before anything was sent; with the error of the connection on which it was sent; or with `MalformedError`. Never sends a
 * request twice.
 */
export function send(request: WireRequest): Promise<WireAnswer> {
  const { url, address, peer = '', signal } = request;
  const hostname = address ?? url.hostname.replace(/^\[|\]$/g, '');
  const bytes = requestBytes(request);
  const port = url.port || 80;
  const destination = `${hostname} ${port} ${peer}`;
  signal.throwIfAborted();
  const idle = idleConnection(destination);
  if (idle && idle.restedMs <= RESTED_MS) return idle.send(request.method, bytes, signal);
  return sendSoon({ destination, hostname, port: Number(port), hasRested: idle !== undefined }, request, bytes);
}

/** Sends when it is known that a connection is open. */
async function sendSoon(place: Place, request: WireRequest, bytes: Uint8Array[]): Promise<WireAnswer> {
  const { method, signal, connectMs = CONNECT_MS } = request;
  let connection: Connection | undefined;
  if (place.hasRested) {
    // The peer's close may have arrived and not been read yet. The event loop has read it only after the second turn.
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    connection = idleConnection(place.destination);
    signal.throwIfAborted();
  }
  connection ??= await connect(place, connectMs, signal);
  return connection.send(method, bytes, signal);
}

interface Place {
  readonly destination: string;
  readonly hostname: string;
  readonly port: number;
  /** Whether there is a connection that nobody has used for a while. */
  readonly hasRested: boolean;
}

/**
 * Opens a connection. Rejects with `NotConnectedError`, or with the signal's reason; if the caller has aborted meanwhile,
 * the connection is kept for the next request.
 */
function connect({ destination, hostname, port }: Place, limitMs: number, signal: Abortable): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reject(new NotConnectedError(new ConnectTimeoutError(limitMs)));
  }, limitMs);
  const leave = () => reject(signal.reason);
  signal.addEventListener('abort', leave, { once: true });
  const left = (connection: Connection) => (isLate || signal.aborted ? connection.keepIdle() : resolve(connection));
  Connection.open(destination, hostname, port)
    .then(left, (cause: unknown) => reject(new NotConnectedError(cause)))
    .finally(() => {
      clearTimeout(timer);
      // Otherwise all of this would live as long as the answer.
      signal.removeEventListener('abort', leave);
    });
  return promise;
}
