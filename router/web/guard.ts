/** What every request must prove before it is routed: a Host that is ours, and on unsafe methods its origin (law 21). */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { AppError } from '../lib/errors';
import { Recent } from '../lib/lru';
import { allowsOrigin, type CorsOrigins } from './cors';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface Guard {
  /** Throws `misdirected` or `forbidden`. */
  check(request: Request): void;
}

/** Elysia 1.4 takes the path of a shorter Host from the wrong place, so that another route answers. */
const HOST_LENGTH_MIN = 4;
const HOSTS_MAX = 100;

/**
 * A name that somebody else's DNS can point at this machine must be listed; an address cannot be rebound, so IP literals
 * are always ours.
 * @param options.allowedHosts names without a port, in lower case.
 * @param options.corsOrigins whose pages may call `/v1` with a key.
 */
export function createGuard(options: {
  readonly allowedHosts: readonly string[];
  readonly publicUrl?: string;
  readonly corsOrigins?: CorsOrigins;
}): Guard {
  const publicUrl = options.publicUrl === undefined ? undefined : new URL(options.publicUrl);
  const names = new Set(['localhost', hostname().toLowerCase(), ...options.allowedHosts, publicUrl?.hostname]);
  const isOurs = (name: string) => names.has(name) || isIP(name.replace(/^\[|\]$/g, '')) > 0;
  // Clients come with the same one again and again.
  const trusted = new Recent<string, true>(HOSTS_MAX);

  return {
    check(request) {
      // A real request without one has a URL without a host; one made in this process has no such header.
      const host = (request.headers.get('host') ?? URL.parse(request.url)?.host ?? '').toLowerCase();
      if (!trusted.get(host)) {
        const name = host.replace(/:\d+$/, '');
        if (host.length < HOST_LENGTH_MIN || !isOurs(name)) {
          throw new AppError('misdirected', {
            message: `The router does not answer for "${name}".`,
            hint: 'Add the name to ALLOWED_HOSTS or set ROUTER_PUBLIC_BASE_URL.',
          });
        }
        trusted.set(host, true);
      }
      if (SAFE_METHODS.has(request.method) || provesOrigin(request, [host, publicUrl?.host])) return;
      // With an Authorization header no cookie counts, and no page can make a browser add one.
      if (!(request.headers.has('authorization') && allowsOrigin(options.corsOrigins, request))) {
        throw new AppError('forbidden', { message: 'This request came from another site and was refused.' });
      }
    },
  };
}

/**
 * A browser always names the origin of an unsafe request. One that names none is not a browser's, and carries no cookie
 * that somebody else could have made it send.
 * @param hosts ours, with their ports: another port of the same machine is another site.
 */
function provesOrigin(request: Request, hosts: readonly (string | undefined)[]): boolean {
  const site = request.headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  const origin = request.headers.get('origin');
  if (origin === null) return true;
  const from = URL.parse(origin);
  return from !== null && hosts.includes(from.host);
}
