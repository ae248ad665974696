/** What an IP address is, and what a base URL may look like, by their text alone. */
import { isIP, isIPv6 } from 'node:net';
import { type IPv4, IPv6, parse, subnetMatch } from 'ipaddr.js';

/** The names under which clouds serve the secrets of a machine, whatever they resolve to. */
const METADATA_NAMES = new Set(['metadata', 'metadata.google.internal', 'metadata.azure.internal', 'instance-data']);
/** Metadata outside of the link-local network: of Alibaba, Azure, Oracle, AWS and Google. */
const METADATA = rangesOf(
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', 'fd00:ec2::254/128', 'fd20:ce::254/128'],
);
/** Benchmarking (RFC 2544): local proxies answer for every name with an address of it. */
const LOCAL_PROXIES = rangesOf('198.18.0.0/15');
/** Kinds of ipaddr.js, which has them from IANA's registries of special-purpose addresses. */
const PRIVATE_KINDS = new Set(['loopback', 'private', 'carrierGradeNat', 'uniqueLocal']);

export type Reach = 'never' | 'private' | 'public';

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
 * `private`: loopback, private networks and those of carriers. `public`: what the registries call globally reachable.
 * `never`: everything else, such as link-local, metadata, multicast, documentation, reserved, and IPv6 that hides an IPv4
 * address in a way which nothing needs any more (compatible, translated, Teredo, 6to4, ISATAP).
 * @param address an IP address without brackets.
 */
export function reachOf(address: string): Reach {
  const plain = plainOf(address);
  if (isIn(METADATA, plain)) return 'never';
  const kind = plain.range();
  if (PRIVATE_KINDS.has(kind) || isIn(LOCAL_PROXIES, plain)) return 'private';
  if (kind !== 'unicast') return 'never';
  return plain instanceof IPv6 && (!isGlobal(plain) || isIsatap(plain)) ? 'never' : 'public';
}

/** Whether an address leads to the machine of whoever connects to it. */
export function isLoopback(address: string): boolean {
  return plainOf(address).range() === 'loopback';
}

/** An address in one form for all its spellings: IPv4 that stands in IPv6 as what it is. */
export function canonical(address: string): string {
  return plainOf(address).toNormalizedString();
}

/** The IPv4 address that an IPv6 one stands for: mapped (`::ffff:…`), or of NAT64 as DNS64 gives it (RFC 6052). */
function plainOf(address: string): Address {
  if (!isIPv6(address)) return parse(address);
  // ipaddr.js reads `::1.2.3.4` as mapped. The URL parser knows one spelling only, without dots.
  const parsed = parse(hostOf(new URL(`http://[${address.replace(/%.*/, '')}]`)));
  if (!(parsed instanceof IPv6)) return parsed;
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address();
  const [first, second, ...rest] = parsed.parts;
  const isNat64 = first === 0x64 && second === 0xff9b && rest.slice(0, 4).every((part) => part === 0);
  return isNat64 ? parse(parsed.toByteArray().slice(12).join('.')) : parsed;
}

/** Global unicast is 2000::/3 (RFC 4291); whatever else ipaddr.js calls unicast is not assigned to anybody. */
function isGlobal({ parts }: IPv6): boolean {
  return (parts[0] ?? 0) >> 13 === 1;
}

/** RFC 5214: the interface id says an IPv4 address. */
function isIsatap({ parts }: IPv6): boolean {
  return (parts[4] === 0 || parts[4] === 0x200) && parts[5] === 0x5efe;
}

/** The host of a URL without brackets and without the root's dot. The URL parser has made every spelling of an IPv4 address plain. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$|\.$/g, '');
}

export function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

export const NEVER_CALLED = 'Link-local, metadata and other special addresses are never called';

/** Scheme, host and port, path. The host has nothing that the URL parser would decode or take for another part. */
const BASE_URL = /^https?:\/\/[^\s/\\?#@%]+(?<path>(?:\/[A-Za-z0-9._~!$&'()*+,=:@%-]*)*)$/i;
/** An escape of what another reader of the path may take for a separator, a dot, an escape, or the path's end. */
const HIDDEN = /%(?![0-9a-f]{2})|%(2e|2f|5c|3f|23|25|3b|7f|[01][0-9a-f])/i;

/** What is wrong with a base URL as it is written, if anything. What its name resolves to is looked at for each call. */
export function baseUrlProblem(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return 'Must be an http or https address, such as https://api.openai.com/v1';
  }
  const path = BASE_URL.exec(value)?.groups?.path;
  // What the parser has changed would be called at another path than the one that was read.
  const isPlain = path !== undefined && !HIDDEN.test(path) && !path.replace(/(?<!\/)\/+$/, '').includes('//');
  if (!isPlain || url.pathname !== (path || '/') || url.username || url.password) {
    return 'Must be a plain address and path, without user, query, #, spaces, or . and .. as parts of the path';
  }
  const host = hostOf(url);
  if (METADATA_NAMES.has(host)) return NEVER_CALLED;
  return isIP(host) && reachOf(host) === 'never' ? NEVER_CALLED : undefined;
}

/** The address of a path below a base URL that has no problem. By its path only: nothing else of the base URL takes part. */
export function addressBelow(baseUrl: string, path: string): string {
  const url = new URL(baseUrl);
  url.pathname = `${url.pathname.replace(/(?<!\/)\/+$/, '')}/${path}`;
  url.search = '';
  url.hash = '';
  return url.href;
}
