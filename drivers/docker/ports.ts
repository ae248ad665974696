/** Ports of the host, for runners that share its network. Published ports are the engine's choice. */
import type { DriverServices } from '../driver';
import { failure } from './engine';

/** A port of loopback that is free now: of the range, or of the kernel's choice. Throws `no_capacity`. */
export function pickPort(range: DriverServices['portRange']): number {
  const { start, end } = range ?? { start: 0, end: 0 };
  for (let port = start; port <= end; port += 1) {
    try {
      const listener = Bun.listen({ hostname: '127.0.0.1', port, socket: { data() {} } });
      listener.stop(true);
      return listener.port;
    } catch {
      // Taken: the next one.
    }
  }
  throw failure('no_capacity', 'every port of the range is in use', { start, end }, 'Widen the range.');
}
