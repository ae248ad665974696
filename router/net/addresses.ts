/** Classifies IP addresses and checks base URLs, by their text alone. */
import { isIP, isIPv6 } from 'node:net';
import { type IPv4, IPv6, parse, subnetMatch } from 'ipaddr.js';
import { lazy } from '../lib/lazy';
import { Recent } from '../lib/lru';
import type { UrlParts } from './url-parts';

/** Names under which clouds serve a machine's secrets. They are refused whatever they resolve to. */
const METADATA_NAMES = new Set(['metadata', 'metadata.google.internal', 'metadata.azure.internal', 'instance-data']);
/** Metadata addresses outside of the link-local network: Alibaba, Azure, Oracle, AWS and Google. */
const METADATA = lazy(() =>
  rangesOf(...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', 'fd00:ec2::254/128', 'fd20:ce::254/128']),
);
/** Benchmarking (RFC 2544): local proxies resolve every name to an address of this range. */
const LOCAL_PROXIES = lazy(() => rangesOf('198.18.0.0/15'));
/** Range names of ipaddr.js, which follow IANA's registries of special-purpose addresses. */
const PRIVATE_KINDS = new Set(['loopback', 'private', 'carrierGradeNat', 'uniqueLocal']);

export type Reach = 'never' | 'private' | 'public';

/** Addresses whose reach is remembered: each call of a runner asks for that of its upstream. */
const REACHES_MAX = 1_000;
const reaches = new Recent<string, Reach>(REACHES_MAX);

type Address = IPv4 | IPv6;

function rangesOf(...subnets: readonly string[]): readonly [Address, number][] {
  return subnets.map((subnet) => {
    const [address = '', bits] = subnet.split('/');
    return [parse(address), Number(bits)];
  });
}

function isIn(ranges: readonly [Address, number][], address: Address): boolean {
  const ofKind = ranges.filter(([one]) => one.kind() === address.kind());
  return subnetMatch(address, { in: ofKind as [Address, number][] }, 'out') === 'in';
}

/**
 * `private`: loopback, private networks and those of carriers. `public`: addresses that IANA's registries call globally
 * reachable. `never`: everything else, such as link-local, metadata, multicast, documentation and reserved addresses,
 * and IPv6 addresses that hide an IPv4 address in an obsolete way (compatible, translated, Teredo, 6to4, ISATAP).
 * @param address an IP address without brackets.
 */
export function reachOf(address: string): Reach {
  let reach = reaches.get(address);
  if (reach === undefined) {
    reach = readReach(address);
    reaches.set(address, reach);
  }
  return reach;
}

function readReach(address: string): Reach {
  const plain = plainOf(address);
  if (isIn(METADATA(), plain)) return 'never';
  const kind = plain.range();
  if (PRIVATE_KINDS.has(kind) || isIn(LOCAL_PROXIES(), plain)) return 'private';
  if (kind !== 'unicast') return 'never';
  return plain instanceof IPv6 && (!isGlobal(plain) || isIsatap(plain)) ? 'never' : 'public';
}

/** Whether an address means the machine that connects to it. */
export function isLoopback(address: string): boolean {
  return plainOf(address).range() === 'loopback';
}

/** One form for all spellings of an address: an IPv4 address that is mapped into IPv6 becomes IPv4. */
export function canonical(address: string): string {
  return plainOf(address).toNormalizedString();
}

/** The IPv4 address that an IPv6 address stands for: mapped (`::ffff:…`), or NAT64 as DNS64 creates it (RFC 6052). */
function plainOf(address: string): Address {
  if (!isIPv6(address)) return parse(address);
  // ipaddr.js reads `::1.2.3.4` as mapped, so the URL parser first writes the address in its one spelling, without
  // dots.
  const parsed = parse(hostOf(new URL(`http://[${address.replace(/%.*/, '')}]`)));
  if (!(parsed instanceof IPv6)) return parsed;
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address();
  const [first, second, ...rest] = parsed.parts;
  const isNat64 = first === 0x64 && second === 0xff9b && rest.slice(0, 4).every((part) => part === 0);
  return isNat64 ? parse(parsed.toByteArray().slice(12).join('.')) : parsed;
}

/** Global unicast is 2000::/3 (RFC 4291); ipaddr.js also calls unassigned addresses unicast. */
function isGlobal({ parts }: IPv6): boolean {
  return (parts[0] ?? 0) >> 13 === 1;
}

/** RFC 5214: the interface id contains an IPv4 address. */
function isIsatap({ parts }: IPv6): boolean {
  return (parts[4] === 0 || parts[4] === 0x200) && parts[5] === 0x5efe;
}

/**
 * The host of a URL without brackets and without the final dot. The URL parser has already normalised every spelling of
 * an IPv4 address.
 */
export function hostOf({ hostname }: Pick<UrlParts, 'hostname'>): string {
  return hostname.replace(/^\[|\]$|\.$/g, '');
}

export function portOf({ port, protocol }: Pick<UrlParts, 'port' | 'protocol'>): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

export const NEVER_CALLED = 'Link-local, metadata and other special addresses are never called';

/**
 * Scheme, host and port, path. The host may not contain characters that the URL parser would decode or take for the
 * start of another part.
 */
const BASE_URL = /^https?:\/\/[^\s/\\?#@%]+(?<path>(?:\/[A-Za-z0-9._~!$&'()*+,=:@%-]*)*)$/i;
/** An escape that another parser may read as a separator, a dot, an escape or the end of the path. */
const HIDDEN = /%(?![0-9a-f]{2})|%(2e|2f|5c|3f|23|25|3b|7f|[01][0-9a-f])/i;

/** Says what is wrong with the text of a base URL, if anything. The addresses of its name are checked at each call. */
export function baseUrlProblem(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return 'Must be an http or https address, such as https://api.openai.com/v1';
  }
  const path = BASE_URL.exec(value)?.groups?.path;
  // A path that the parser has changed would be called at another place than the reader sees.
  const isPlain = path !== undefined && !HIDDEN.test(path) && !path.replace(/(?<!\/)\/+$/, '').includes('//');
  if (!isPlain || url.pathname !== (path || '/') || url.username || url.password) {
    return 'Must be a plain address and path, without user, query, #, spaces, or . and .. as parts of the path';
  }
  const host = hostOf(url);
  if (METADATA_NAMES.has(host)) return NEVER_CALLED;
  return isIP(host) && reachOf(host) === 'never' ? NEVER_CALLED : undefined;
}

/**
 * The URL of a path below a base URL that has passed `baseUrlProblem`. Only the path is appended to; the other parts of
 * the base URL stay.
 */
export function addressBelow(baseUrl: string, path: string): string {
  const url = new URL(baseUrl);
  url.pathname = `${url.pathname.replace(/(?<!\/)\/+$/, '')}/${path}`;
  url.search = '';
  url.hash = '';
  return url.href;
}
