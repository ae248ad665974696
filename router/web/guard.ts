/** Checks every request before it is routed: its Host must be ours, and unsafe methods need a valid origin (law 21). */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { AppError } from '../lib/errors';
import { Recent } from '../lib/lru';
import { allowsOrigin, type CorsOrigins, isOpenAiDoor } from './cors';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface Guard {
  /** Throws `misdirected` or `forbidden`. */
  check(request: Request): void;
  /**
   * Whether a cookie may identify the sender of a `/v1` request: a script of one of our pages, or a program, sent it.
   * Not when a browser navigates there by a link, a form or an image, because no user may have intended that; and not
   * for a page of another site, whatever the method, because such a page must send a key.
   */
  trustsCookie(request: Request): boolean;
}

/** With a shorter Host, Elysia 1.4 cuts the path at the wrong place, so that another route answers. */
const HOST_LENGTH_MIN = 4;
const HOSTS_MAX = 100;

/**
 * Other people's DNS can point a name at this machine, so names must be listed; an IP address cannot be rebound, so IP
 * literals are always allowed.
 * @param options.allowedHosts names without a port, in lower case.
 * @param options.corsOrigins origins whose pages may call `/v1` with a key.
 */
export function createGuard(options: {
  readonly allowedHosts: readonly string[];
  readonly publicUrl?: string;
  readonly corsOrigins?: CorsOrigins;
}): Guard {
  const publicUrl = options.publicUrl === undefined ? undefined : new URL(options.publicUrl);
  const names = new Set(['localhost', hostname().toLowerCase(), ...options.allowedHosts, publicUrl?.hostname]);
  const isOurs = (name: string) => names.has(name) || isIP(name.replace(/^\[|\]$/g, '')) > 0;
  // Clients repeat the same Host.
  const trusted = new Recent<string, true>(HOSTS_MAX);

  const hostOf = (request: Request) =>
    (request.headers.get('host') ?? URL.parse(request.url)?.host ?? '').toLowerCase();

  return {
    trustsCookie(request) {
      return isOfScript(request.headers) && provesOrigin(request, [hostOf(request), publicUrl?.host]);
    },
    check(request) {
      // A network request without a Host header has a URL without a host; a request that is made inside this process
      // has a URL but no Host header.
      const host = hostOf(request);
      if (!trusted.get(host)) {
        const name = host.replace(/:\d+$/, '');
        if (host.length < HOST_LENGTH_MIN || !isOurs(name)) {
          throw new AppError('misdirected', {
            message: `The router does not accept requests for the host "${name}".`,
            hint: 'Add the name to ALLOWED_HOSTS or set ROUTER_PUBLIC_BASE_URL.',
          });
        }
        trusted.set(host, true);
      }
      const isPreflight = request.method === 'OPTIONS' && request.headers.has('access-control-request-method');
      const isSafe = SAFE_METHODS.has(request.method) && !isPreflight;
      if (isSafe || provesOrigin(request, [host, publicUrl?.host])) return;
      // With an Authorization header no cookie counts, and no foreign page can make a browser add one.
      const hasNoCookie = isPreflight || request.headers.has('authorization');
      if (!(hasNoCookie && allowsOrigin(options.corsOrigins, request))) {
        throw new AppError('forbidden', {
          message: 'This request came from another site and was refused.',
          hint: isOpenAiDoor(request) ? 'CORS_ORIGINS lists the sites whose pages may call /v1 with a key.' : undefined,
        });
      }
    },
  };
}

/**
 * Whether a script may have sent this request, and not a navigation of the browser. Browsers say so in Fetch Metadata
 * headers (https://www.w3.org/TR/fetch-metadata/). Browsers that do not send them, as over plain HTTP to another
 * machine, accept a document's media type and name the page that led to the request.
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
 * Browsers always send the origin of an unsafe request. A request without one does not come from a browser, so no
 * foreign page can have made it carry a cookie.
 * @param hosts our hosts with their ports: another port of the same machine is another site.
 */
function provesOrigin(request: Request, hosts: readonly (string | undefined)[]): boolean {
  const site = request.headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'none';
  const origin = request.headers.get('origin');
  if (origin === null) return true;
  const from = URL.parse(origin);
  return from !== null && hosts.includes(from.host);
}
