/**
 * Picks host ports on which runners are published: from the range if there is one, otherwise the kernel or the engine
 * picks.
 */
import type { DriverServices } from '../driver';
import { runnerHost } from '../runner-host';
import { failure } from './engine';

/** A port that this driver gives to no other start until it is disposed. */
export interface PickedPort extends Disposable {
  readonly port: number;
}

export interface Ports {
  /** Yields free loopback ports, each once. Without a range it yields one port that the kernel picked. */
  free(): Generator<PickedPort>;
}

/**
 * Goes through the range in turn, so that a port that became free is not given to another runner at once. Another
 * program may hold a port without listening on it, or take it before the engine does; the caller then tries the next
 * one.
 */
export function createPorts(range: DriverServices['portRange']): Ports {
  const { start, end } = range ?? { start: 0, end: 0 };
  const count = end - start + 1;
  const picked = new Set<number>();
  let next = 0;

  return {
    *free() {
      const first = next;
      for (let step = 0; step < count; step += 1) {
        const offset = (first + step) % count;
        if (picked.has(start + offset)) continue;
        const port = freePort(start + offset);
        if (port === undefined) continue;
        next = (offset + 1) % count;
        picked.add(port);
        yield { port, [Symbol.dispose]: () => void picked.delete(port) };
      }
    },
  };
}

export function rangeFull(range: DriverServices['portRange'], cause: unknown = { ...range }): Error {
  return failure('no_capacity', 'every port of the range is in use', cause, 'Widen the range.');
}

/** Returns the port, or for 0 a port that the kernel picked; undefined when another program listens on it. */
function freePort(port: number): number | undefined {
  try {
    const listener = Bun.listen({ hostname: runnerHost(), port, socket: { data() {} } });
    listener.stop(true);
    return listener.port;
  } catch {
    return undefined;
  }
}
