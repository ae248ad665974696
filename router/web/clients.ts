/**
 * Where a request comes from: the connection's address, or what trusted proxies say of it. The one place that reads the
 * headers `X-Forwarded-…`; limits, sessions and the audit use no other.
 */
import { isIP } from 'node:net';
import proxyAddr from 'proxy-addr';
import { networkOf } from '../lib/network';

interface Server {
  requestIP(request: Request): { address: string } | null;
}

export type Clients = ReturnType<typeof createClients>;

/** @param trusted addresses and ranges of proxies, as `TRUST_PROXY` has them. Empty: headers are not read. */
export function createClients(trusted: readonly string[]) {
  const isTrusted = trusted.length === 0 ? undefined : proxyAddr.compile([...trusted]);

  /** The address of the connection, be it a client's or a proxy's; empty for a request that is made inside this process. */
  const peerOf = (request: Request, server: Server | null) => server?.requestIP(request)?.address ?? '';

  /**
   * The address of the client: the last one of `X-Forwarded-For` that no trusted proxy has, if the connection is that of a
   * trusted proxy. An entry that is no address ends the list, because what stands before it may be invented.
   */
  function address(request: Request, server: Server | null): string {
    const peer = peerOf(request, server);
    const forwarded = request.headers.get('x-forwarded-for');
    if (!isTrusted || forwarded === null || !isIP(peer)) return peer;
    const told = forwarded.split(',').map((entry) => entry.trim());
    const known = told.slice(told.findLastIndex((entry) => !isIP(entry)) + 1);
    const headers = { 'x-forwarded-for': known.join(',') };
    return proxyAddr({ headers, connection: { remoteAddress: peer } } as never, isTrusted);
  }

  return {
    address,

    /** The network of the client, as limits count it. */
    network: (request: Request, server: Server | null): string => networkOf(address(request, server) || 'local'),

    /** Scheme, host and port by which the client reaches the router, for links. */
    origin(request: Request, server: Server | null): string {
      const { host, protocol } = new URL(request.url);
      const peer = peerOf(request, server);
      const told = request.headers.get('x-forwarded-proto');
      const isProxied = isTrusted !== undefined && isIP(peer) > 0 && isTrusted(peer, 0);
      return `${isProxied && (told === 'https' || told === 'http') ? `${told}:` : protocol}//${host}`;
    },
  };
}
