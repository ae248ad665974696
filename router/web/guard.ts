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
  /**
   * Whether a cookie says who sends a request of `/v1`: a script of a page of ours has sent it, or a program. Not where a
   * browser goes there by itself, led by a link, a form or an image, nor for a page of another site, whatever its method:
   * nobody has wished for the first, and the second is to show a key.
   */
  trustsCookie(request: Request): boolean;
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

  const hostOf = (request: Request) =>
    (request.headers.get('host') ?? URL.parse(request.url)?.host ?? '').toLowerCase();

  return {
    trustsCookie(request) {
      return isOfScript(request.headers) && provesOrigin(request, [hostOf(request), publicUrl?.host]);
    },
    check(request) {
      // A real request without one has a URL without a host; one made in this process has no such header.
      const host = hostOf(request);
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
 * Whether a script may have sent this, and not a browser by itself. Browsers tell (Fetch Metadata); those that do not, as
 * over plain HTTP to another machine, ask for a document by its type, and name the page that has led them.
 */
function isOfScript(headers: Headers): boolean {
  const told = (name: string) => headers.get(`sec-fetch-${name}`);
  const [site, mode, dest] = [told('site'), told('mode'), told('dest')];
  if (site !== null && site !== 'same-origin') return false;
  if (mode !== null && mode !== 'cors' && mode !== 'same-origin') return false;
  if (dest !== null && dest !== 'empty') return false;
  return !headers.has('upgrade-insecure-requests') && !/\bx?html\b/i.test(headers.get('accept') ?? '');
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
