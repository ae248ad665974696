/**
 * Where the broker may call (law 22). A base URL is what a user has typed: it must not lead to where the router's machine
 * keeps secrets, whatever way its address is written and whatever its name resolves to.
 */
import { lookup as lookUp } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { AppError } from '../lib/errors';
import { Recent } from '../lib/lru';

/** So long an address is called without asking for it again. */
const RESOLUTION_MS = 10_000;
const RESOLUTIONS_MAX = 1_000;
/** The names under which clouds serve the secrets of a machine. */
const METADATA_NAME = /^metadata(\.google\.internal)?\.?$/i;

/**
 * Never called: "this" network, link-local with the metadata of clouds, multicast and reserved ones, from IANA's
 * registries of special-purpose addresses; the metadata addresses outside of these, of Alibaba, Azure, AWS and Google;
 * and IPv6 that hides an IPv4 address in a way which nothing needs any more (compatible, translated, Teredo, 6to4).
 */
const NEVER = listOf(
  ...['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', '100.100.100.200/32', '168.63.129.16/32'],
  ...['::/128', 'fe80::/10', 'fec0::/10', 'ff00::/8', 'fd00:ec2::254/128', 'fd20:ce::254/128'],
  ...['::ffff:0:0:0/96', '64:ff9b:1::/48', '2001::/32', '2002::/16', '100::/64'],
);
/** Loopback, private, and shared by carriers: called if the administrator allows it. */
const PRIVATE = listOf(
  ...['10.0.0.0/8', '127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '192.0.0.0/24'],
  ...['198.18.0.0/15', '::1/128', 'fc00::/7'],
);
/** `::/96`, where an IPv4 address may be written behind the prefix; without `::` and `::1`. */
const COMPATIBLE = listOf('::/96');
const LOOPBACK = listOf('127.0.0.0/8', '::1/128');

function listOf(...subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', bits] = subnet.split('/');
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}

const isIn = (list: BlockList, address: string): boolean => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

export type Reach = 'never' | 'private' | 'public';

/** What kind of address this is. @param address an IP address without brackets. */
export function reachOf(address: string): Reach {
  const plain = plainOf(address);
  if (isIn(NEVER, plain)) return 'never';
  if (isIn(PRIVATE, plain)) return 'private';
  return isIPv6(plain) && isIn(COMPATIBLE, plain) ? 'never' : 'public';
}

/** The IPv4 address that an IPv6 one stands for: mapped (`::ffff:…`), or of NAT64 as DNS64 gives it (RFC 6052). */
function plainOf(address: string): string {
  if (!isIPv6(address)) return address;
  const canonical = hostOf(new URL(`http://[${address.replace(/%.*/, '')}]`));
  const [, high, low] = /^(?:::ffff:|64:ff9b::)(?:([0-9a-f]+):)?([0-9a-f]+)$/.exec(canonical) ?? [];
  if (low === undefined) return address;
  const bytes = [high ?? '0', low].map((group) => Number.parseInt(group, 16)).flatMap((two) => [two >> 8, two & 255]);
  return bytes.join('.');
}

/** The host of a URL without brackets. The URL parser has made decimal, octal and hexadecimal addresses plain. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** What is wrong with a base URL as it is written, if anything. What its name resolves to is looked at for each call. */
export function baseUrlProblem(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return 'Must be an http or https address, such as https://api.openai.com/v1';
  }
  if (url.username || url.password || url.search || url.hash) return 'Must be a plain address without user, query or #';
  const host = hostOf(url);
  if (METADATA_NAME.test(host) || (isIP(host) && reachOf(host) === 'never')) return NEVER_CALLED;
  return undefined;
}

const NEVER_CALLED = 'Link-local, metadata and other special addresses are never called';

/** All addresses of a host name. Rejects when it has none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** As the machine resolves names; IPv4 first, which more machines have. */
export const systemLookup: Lookup = async (host) => {
  const found = await lookUp(host, { all: true });
  return found.sort((a, b) => a.family - b.family).map(({ address }) => address);
};

export interface UpstreamPolicy {
  /** Whether loopback and private addresses may be called. */
  readonly allowPrivate: boolean;
  /** Ports of our own listeners on this machine, and the origin under which people reach them. */
  readonly ownPorts: readonly number[];
  readonly ownOrigin?: string;
}

interface Resolution {
  readonly addresses: Promise<readonly string[]>;
  readonly untilMs: number;
}

export type UpstreamAddresses = ReturnType<typeof upstreamAddresses>;

/** @param deps.now milliseconds of a clock that is not set. */
export function upstreamAddresses(deps: { policy: UpstreamPolicy; lookup: Lookup; now: () => number }) {
  const { policy, lookup, now } = deps;
  const resolutions = new Recent<string, Resolution>(RESOLUTIONS_MAX);

  function resolve(host: string): Promise<readonly string[]> {
    const known = resolutions.get(host);
    if (known && known.untilMs > now()) return known.addresses;
    const addresses = lookup(host).catch((cause: unknown) => {
      resolutions.delete(host, resolution);
      throw new AppError('upstream_unreachable', {
        message: `LLM_BASE_URL: no address is known for "${host}". Check its spelling.`,
        cause,
      });
    });
    const resolution = { addresses, untilMs: now() + RESOLUTION_MS };
    resolutions.set(host, resolution);
    return addresses;
  }

  function problemOf(url: URL, address: string): string | undefined {
    const reach = reachOf(address);
    if (reach === 'never') return NEVER_CALLED;
    if (reach === 'private' && !policy.allowPrivate) {
      return 'Private addresses are not called here (the administrator can set ALLOW_PRIVATE_UPSTREAMS)';
    }
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    const isOurs = url.origin === policy.ownOrigin || (policy.ownPorts.includes(port) && isThisMachine(address));
    // An agent that asks itself asks for ever.
    return isOurs ? 'That is the router itself. Set the address of an LLM API' : undefined;
  }

  return {
    /**
     * The addresses at which this base URL may be called, and nowhere else: who connects, connects to one of them, so
     * that a name cannot come to mean another address between the check and the call (DNS rebinding).
     * Throws `invalid_request` when one of them may not be called, `upstream_unreachable` when there is none.
     */
    async of(baseUrl: string): Promise<readonly string[]> {
      const refuse = (problem: string | undefined) => {
        if (problem) throw new AppError('invalid_request', { message: `LLM_BASE_URL: ${problem}.` });
      };
      refuse(baseUrlProblem(baseUrl));
      const url = new URL(baseUrl);
      const host = hostOf(url);
      const addresses = isIP(host) ? [host] : await resolve(host);
      // One bad address is enough: a name that mixes them is up to something.
      for (const address of addresses) refuse(problemOf(url, address));
      return addresses;
    },

    /** Looks the name up anew for the next call, because nobody answered where it led. */
    forget(baseUrl: string): void {
      resolutions.delete(hostOf(new URL(baseUrl)));
    },
  };
}

function isThisMachine(address: string): boolean {
  const plain = plainOf(address);
  if (isIn(LOOPBACK, plain)) return true;
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.some((one) => one.address === plain);
}
