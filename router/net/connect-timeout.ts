/** How long a connection, and the handshake over it, may take. A request has other clocks: it may be thought about for long. */

/** Loss of a first packet is made good within 3 s; a host that takes longer for its second is not there. */
export const CONNECT_MS = 10_000;
export const CONNECT_TIMEOUT = 'CONNECT_TIMEOUT';

/** Nobody has answered the attempt to connect. Nothing of a request was sent. */
export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError';
  readonly code = CONNECT_TIMEOUT;
  constructor(limitMs: number) {
    super(`There was no connection within ${limitMs / 1000} s`);
  }
}
