/** Chooses the proxy for a call to an upstream. Calls to runners never use a proxy. */
import { isIP } from 'node:net';
import { parse, parseCIDR } from 'ipaddr.js';
import { AppError } from '../lib/errors';
import { canonical, hostOf, isLoopback, portOf } from './addresses';
import type { UrlParts } from './url-parts';

interface ProxySettings {
  /** URLs of proxies, by the scheme of the URL that is called. */
  readonly http?: string;
  readonly https?: string;
  /** Entries of NO_PROXY: `*`, a domain with all below it, an address or a range, each with or without a port. */
  readonly except: readonly string[];
}

/**
 * Returns the URL of the proxy for a call, or `undefined` for a direct call. Throws `upstream_unreachable` for a SOCKS
 * proxy.
 */
export type ProxyFor = (url: UrlParts) => string | undefined;

export function proxyChooser({ http, https, except }: ProxySettings): ProxyFor {
  return (url) => {
    const proxy = url.protocol === 'https:' ? https : http;
    // For a proxy, loopback would mean the proxy's own machine, so loopback is always called directly.
    if (proxy === undefined || isHere(hostOf(url)) || except.some((entry) => matches(entry, url))) return undefined;
    if (/^https?:/.test(proxy)) return proxy;
    throw new AppError('upstream_unreachable', {
      message: 'The LLM API could not be reached: the router is set to a SOCKS proxy, which it cannot use.',
      hint: 'Set HTTP_PROXY and HTTPS_PROXY to an HTTP proxy, or name the host in NO_PROXY.',
    });
  };
}

function isHere(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && isLoopback(host));
}

function matches(entry: string, url: UrlParts): boolean {
  if (entry === '*') return true;
  const host = hostOf(url);
  const { name, port } = splitPort(entry);
  if (port !== undefined && Number(port) !== portOf(url)) return false;
  const plain = name.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(host) !== 0) return isIP(plain) !== 0 ? canonical(plain) === canonical(host) : isInRange(plain, host);
  const domain = plain.replace(/^\*?\./, '').replace(/\.$/, '');
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

/** Splits an entry into host and port. An IPv6 address with a port has brackets. */
function splitPort(entry: string): { name: string; port?: string } {
  const colon = entry.lastIndexOf(':');
  const isBareIPv6 = !entry.endsWith(']') && !entry.startsWith('[') && entry.indexOf(':') !== colon;
  const port = colon === -1 || isBareIPv6 ? '' : entry.slice(colon + 1);
  return /^\d+$/.test(port) ? { name: entry.slice(0, colon), port } : { name: entry };
}

function isInRange(range: string, host: string): boolean {
  try {
    const [network, bits] = parseCIDR(range);
    const address = parse(canonical(host));
    return network.kind() === address.kind() && address.match(network, bits);
  } catch {
    // The entry is not a range.
    return false;
  }
}
