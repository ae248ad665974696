/** The network that an address belongs to, as far as one customer of a provider usually has it to themselves. */
import ipaddr from 'ipaddr.js';

/** Hexadecimal groups of the /64 that a customer has at least: RFC 6177. */
const NETWORK_GROUPS = 4;

/** An IPv4 address as it is, also where IPv6 carries it; of an IPv6 address its /64. Anything else as it is. */
export function networkOf(address: string): string {
  const plain = address.replace(/%.*$/s, '');
  if (!ipaddr.isValid(plain)) return address;
  const parsed = ipaddr.process(plain);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const groups = parsed.parts.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${groups.join(':')}::/64`;
}
