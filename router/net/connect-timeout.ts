/**
 * The time limit of a connection with its TLS handshake. Requests have other limits, because an answer may take long.
 */

/**
 * In milliseconds. The loss of a first packet is repaired within 3 s; a host that needs longer for the second packet is
 * down.
 */
export const CONNECT_MS = 10_000;
export const CONNECT_TIMEOUT = 'CONNECT_TIMEOUT';

/** The attempt to connect got no answer. Nothing of the request was sent. */
export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError';
  readonly code = CONNECT_TIMEOUT;
  constructor(limitMs: number) {
    super(`There was no connection within ${limitMs / 1000} s`);
  }
}

/**
 * There was no connection, or it ended before the request had its turn, so nothing of a request was sent. `cause` is why.
 * The system's error code alone does not tell: a connection whose host vanishes during an answer breaks with
 * `EHOSTUNREACH` too.
 */
export class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
  constructor(override readonly cause: unknown) {
    super('There was no connection');
  }
}
