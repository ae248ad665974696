/** What every request must prove before it is routed: a Host that is ours, and on unsafe methods its origin (law 21). */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { AppError } from '../errors';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface Guard {
  /** Throws `misdirected` or `forbidden`. */
  check(request: Request): void;
}

/**
 * A name that somebody else's DNS can point at this machine must be listed; an address cannot be rebound, so IP literals
 * are always ours. Elysia 1.4 also misroutes hosts of three characters or fewer, which are never listed.
 */
export function createGuard(options: { readonly allowedHosts: readonly string[]; readonly publicUrl?: string }): Guard {
  const publicHost = options.publicUrl ? new URL(options.publicUrl).hostname : undefined;
  const names = new Set([
    'localhost',
    hostname().toLowerCase(),
    ...options.allowedHosts,
    ...(publicHost ? [publicHost] : []),
  ]);
  const isOurs = (host: string) => host.length > 3 && (names.has(host) || isIP(host.replace(/^\[|\]$/g, '')) > 0);

  return {
    check(request) {
      const host = request.headers.get('host') ?? new URL(request.url).host;
      const name = host.replace(/:\d+$/, '').toLowerCase();
      if (!isOurs(name)) {
        throw new AppError('misdirected', {
          message: `The router does not answer for "${name}".`,
          hint: 'Add the name to ALLOWED_HOSTS or set ROUTER_PUBLIC_BASE_URL.',
        });
      }
      if (!SAFE_METHODS.has(request.method) && !provesOrigin(request, host, publicHost)) {
        throw new AppError('forbidden', { message: 'This request came from another site and was refused.' });
      }
    },
  };
}

/**
 * A browser always names the origin of an unsafe request. One that names none is not a browser's, and carries no cookie
 * that somebody else could have made it send.
 */
function provesOrigin(request: Request, host: string, publicHost: string | undefined): boolean {
  const site = request.headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  const origin = request.headers.get('origin');
  if (origin === null) return true;
  const from = URL.parse(origin);
  return from !== null && (from.host === host || (publicHost !== undefined && from.hostname === publicHost));
}
