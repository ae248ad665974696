/**
 * Where the broker may call (law 22). Users type base URLs: none may lead to a place where the router's machine keeps
 * secrets, however the address is written and whatever its name resolves to.
 */
import { lookup as lookUp } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { AppError } from '../lib/errors';
import { Lookup as Found, type Soon } from '../lib/lookup';
import { Recent } from '../lib/lru';
import { baseUrlProblem, canonical, hostOf, isLoopback, NEVER_CALLED, portOf, reachOf } from './addresses';
import type { ProxyFor } from './proxies';
import { partsOf, type UrlParts, urlParts } from './url-parts';

/** Milliseconds for which resolved addresses are used without another lookup. */
const RESOLUTION_MS = 10_000;
const RESOLUTIONS_MAX = 1_000;
const BASE_URLS_MAX = 1_000;

/** Returns all addresses of a host name. Rejects when it has none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** Resolves names with the machine's resolver; IPv4 first, because more machines have it. */
export const systemLookup: Lookup = async (host) => {
  const found = await lookUp(host, { all: true });
  return found.sort((a, b) => a.family - b.family).map(({ address }) => address);
};

/** Sentences of refusals. */
export interface PolicyWords {
  unknown(host: string): string;
  refused(problem: string): string;
  readonly ours: string;
  readonly platform: string;
}

const LLM_WORDS: PolicyWords = {
  unknown: (host) => `LLM_BASE_URL: no address is known for "${host}". Check its spelling.`,
  refused: (problem) => `LLM_BASE_URL: ${problem}.`,
  ours: 'That is the router itself. Set the address of an LLM API',
  platform: 'That is what runs the agents. Set the address of an LLM API',
};

interface UpstreamPolicy {
  /** Whether loopback and private addresses may be called. */
  readonly allowPrivate: boolean;
  /** Ports of the router's own listeners on this machine, and the origin under which people reach them. */
  readonly ownPorts: readonly number[];
  readonly ownOrigin?: string;
  /**
   * URLs at which platforms take commands, from the drivers. Read for each call, because drivers may be loaded later.
   */
  platforms?(): readonly string[];
  /** Absent: every call is made directly. */
  readonly proxyFor?: ProxyFor;
  /** How the setting that names the place refuses one. By default that of an LLM API. */
  readonly words?: PolicyWords;
}

interface Resolution {
  readonly addresses: Found<readonly string[]>;
  readonly untilMs: number;
}

export type UpstreamAddresses = ReturnType<typeof upstreamAddresses>;

/** @param deps.now milliseconds of a clock that is never set. */
export function upstreamAddresses(deps: { policy: UpstreamPolicy; lookup: Lookup; now: () => number }) {
  const { policy, lookup, now } = deps;
  const { allowPrivate, ownPorts, proxyFor = () => undefined } = policy;
  const words = policy.words ?? LLM_WORDS;
  const ownOrigin = policy.ownOrigin === undefined ? undefined : new URL(policy.ownOrigin);
  const resolutions = new Recent<string, Resolution>(RESOLUTIONS_MAX);
  /** The parts of base URLs by their texts. In memory only, as the keys that belong to them: a token may be in a path. */
  const baseUrls = new Recent<string, UrlParts>(BASE_URLS_MAX);

  function resolve(host: string): Soon<readonly string[]> {
    const known = resolutions.get(host);
    if (known && known.untilMs > now()) return known.addresses.result;
    const found = lookup(host).catch((cause: unknown) => {
      resolutions.delete(host, resolution);
      throw new AppError('upstream_unreachable', {
        message: words.unknown(host),
        cause,
      });
    });
    const resolution = { addresses: new Found(found), untilMs: now() + RESOLUTION_MS };
    resolutions.set(host, resolution);
    return found;
  }

  const addressesOf = (host: string): Soon<readonly string[]> => (isIP(host) ? [host] : resolve(host));

  /** Throws `invalid_request` for what is no base URL. */
  function read(text: string): UrlParts {
    const known = baseUrls.get(text);
    if (known) return known;
    refuse(baseUrlProblem(text));
    const parts = partsOf(new URL(text));
    baseUrls.set(text, parts);
    return parts;
  }

  function problemOf(url: UrlParts, address: string): string | undefined {
    const reach = reachOf(address);
    if (reach === 'never') return NEVER_CALLED;
    if (reach === 'private' && !allowPrivate) {
      return 'Private addresses are not called here (the administrator can set ALLOW_PRIVATE_UPSTREAMS)';
    }
    const isOwnName = ownOrigin !== undefined && isSamePlace(url, ownOrigin);
    // An agent that calls itself through the router would do so forever.
    const isOurs = isOwnName || (ownPorts.includes(portOf(url)) && isThisMachine(address));
    return isOurs ? words.ours : undefined;
  }

  /** Whether a call would reach the command interface of a platform: access to it gives control of the machine. */
  async function isPlatform(
    url: UrlParts,
    places: readonly UrlParts[],
    addresses: readonly string[],
  ): Promise<boolean> {
    for (const place of places) {
      if (isSamePlace(place, url)) return true;
      const theirs = (await Promise.try(addressesOf, hostOf(place)).catch(() => [])).map(canonical);
      if (theirs.some(isThisMachine) && addresses.some(isThisMachine)) return true;
      if (addresses.some((address) => theirs.includes(canonical(address)))) return true;
    }
    return false;
  }

  function refuse(problem: string | undefined): void {
    if (problem) throw new AppError('invalid_request', { message: words.refused(problem) });
  }

  function allowed(url: UrlParts): Soon<readonly string[]> {
    const isProxied = proxyFor(url) !== undefined;
    const found = addressesOf(hostOf(url));
    if (!(found instanceof Promise)) return checked(url, found);
    const known = found.catch((error: unknown) => {
      if (isProxied) return [];
      throw error;
    });
    return known.then((addresses) => checked(url, addresses));
  }

  function checked(url: UrlParts, addresses: readonly string[]): Soon<readonly string[]> {
    // One forbidden address is enough: a name that mixes allowed and forbidden addresses is likely an attack.
    for (const address of addresses) refuse(problemOf(url, address));
    const places = (policy.platforms?.() ?? []).map(urlParts).filter((place) => portOf(place) === portOf(url));
    if (places.length === 0) return addresses;
    return isPlatform(url, places, addresses).then((is) => {
      if (is) refuse(words.platform);
      return addresses;
    });
  }

  return {
    /**
     * The addresses at which this base URL may be called. The caller connects to one of them, so that the name cannot
     * resolve to another address between the check and the call (DNS rebinding). Empty for a name that only the proxy
     * can resolve. Throws `invalid_request` when one of the addresses is not allowed, and `upstream_unreachable` when
     * there is none.
     */
    of: (baseUrl: string): Soon<readonly string[]> => allowed(read(baseUrl)),

    /** Like `of`, for a whole URL, which may have a query. */
    async ofUrl(url: URL): Promise<readonly string[]> {
      refuse(baseUrlProblem(url.origin));
      return allowed(url);
    },

    /** The proxy for calls of this URL, or `undefined`. */
    proxyOf: (url: UrlParts): string | undefined => proxyFor(url),

    /** Makes the next call resolve the name again, because no connection was possible at its addresses. */
    forget(baseUrl: string): void {
      resolutions.delete(hostOf(new URL(baseUrl)));
    },
  };
}

function isSamePlace(one: UrlParts, other: UrlParts): boolean {
  return hostOf(one) === hostOf(other) && portOf(one) === portOf(other);
}

function isThisMachine(address: string): boolean {
  if (isLoopback(address)) return true;
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.some((one) => canonical(one.address) === canonical(address));
}
