/** The loopback address of runners that share this machine's network. */

/**
 * 127.0.0.2 exists where all of 127.0.0.0/8 is loopback, as on Linux. macOS has only 127.0.0.1 unless somebody adds
 * more.
 */
const OWN_HOST = '127.0.0.2';
const USUAL_HOST = '127.0.0.1';

/**
 * Returns an address other than the router's own if the machine has one. A browser sends its cookies for 127.0.0.1 to
 * every port of that address, and so would send the router's session to every runner there.
 */
export function runnerHost(): string {
  try {
    Bun.listen({ hostname: OWN_HOST, port: 0, socket: { data() {} } }).stop(true);
    return OWN_HOST;
  } catch {
    return USUAL_HOST;
  }
}

/** Address of a runner that was started before its address was stored. */
export const EARLIER_HOST = USUAL_HOST;
