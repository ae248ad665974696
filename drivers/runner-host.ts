/** The loopback address of runners that share this machine's network. */

/** Of which loopback all of 127.0.0.0/8 is, Linux for one. macOS has 127.0.0.1 alone unless somebody adds this. */
const OWN_HOST = '127.0.0.2';
const USUAL_HOST = '127.0.0.1';

/**
 * Another address than the router's own where the machine has one: a browser sends its cookies for 127.0.0.1 to every port
 * of that address, and so the router's session to every runner there.
 */
export function runnerHost(): string {
  try {
    Bun.listen({ hostname: OWN_HOST, port: 0, socket: { data() {} } }).stop(true);
    return OWN_HOST;
  } catch {
    return USUAL_HOST;
  }
}

/** Of a runner that was started before it was written down. */
export const EARLIER_HOST = USUAL_HOST;
