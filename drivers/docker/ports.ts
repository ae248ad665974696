/** Ports of the host at which runners are reached: of the range where there is one, else of the kernel's or the engine's choice. */
import type { DriverServices } from '../driver';
import { runnerHost } from '../runner-host';
import { failure } from './engine';

/** A port that no other start of this driver gets meanwhile. */
export interface PickedPort extends Disposable {
  readonly port: number;
}

export interface Ports {
  /** The ports of loopback that are free, one after another and each once. Without a range it is one of the kernel's. */
  free(): Generator<PickedPort>;
}

/**
 * A range is gone through in turn, so that a port which was given back is not another runner's at once. Somebody may have
 * a port without listening at it, or take it before the engine does: then the next one has to be tried.
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

/** The port, or with 0 one of the kernel's choice; undefined where somebody listens at it. */
function freePort(port: number): number | undefined {
  try {
    const listener = Bun.listen({ hostname: runnerHost(), port, socket: { data() {} } });
    listener.stop(true);
    return listener.port;
  } catch {
    return undefined;
  }
}
