/** Maps an IP address to the network that a provider usually assigns to one customer. */
import ipaddr from 'ipaddr.js';

/**
 * Hexadecimal groups of a /64, the smallest network that a customer gets
 * ([RFC 6177](https://www.rfc-editor.org/rfc/rfc6177)).
 */
const NETWORK_GROUPS = 4;

/**
 * Returns an IPv4 address unchanged (also from an IPv4-mapped IPv6 address), and the /64 of an IPv6 address. Returns
 * other text unchanged.
 */
export function networkOf(address: string): string {
  const plain = address.replace(/%.*/s, '');
  if (!ipaddr.isValid(plain)) return address;
  const parsed = ipaddr.process(plain);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const groups = parsed.parts.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${groups.join(':')}::/64`;
}
