/** Picks loopback ports for runners. */
import type { DriverServices } from '../driver';

/** Ports of the runners that this process has started. Kept here because a runner may not listen yet, or may never listen. */
const picked = new Set<number>();

/** A port that this process gives to no other start until `release()` is called. */
export interface PickedPort {
  readonly port: number;
  release(): void;
}

/**
 * Picks a port of `host` on which no process listens, that is not in `taken` and that no runner of this process holds.
 * Synchronous, so that parallel starts cannot pick the same port. Returns undefined when the range is used up.
 */
export function pickPort(
  host: string,
  range: DriverServices['portRange'],
  taken: ReadonlySet<number>,
): PickedPort | undefined {
  const isFree = (port: number) => !taken.has(port) && !picked.has(port);
  const port = range === undefined ? fromKernel(host, isFree) : fromRange(host, range, isFree);
  if (port === undefined) return undefined;
  picked.add(port);
  return { port, release: () => void picked.delete(port) };
}

function fromRange(
  host: string,
  range: { start: number; end: number },
  isFree: (port: number) => boolean,
): number | undefined {
  for (let port = range.start; port <= range.end; port += 1) {
    const listener = isFree(port) ? listen(host, port) : undefined;
    listener?.stop(true);
    if (listener !== undefined) return port;
  }
  return undefined;
}

function fromKernel(host: string, isFree: (port: number) => boolean): number {
  const refused: { stop(force: boolean): void }[] = [];
  try {
    for (;;) {
      const listener = Bun.listen({ hostname: host, port: 0, socket: { data() {} } });
      // Refused ports stay open until the search ends, so that the kernel does not offer them again.
      refused.push(listener);
      if (isFree(listener.port)) return listener.port;
    }
  } finally {
    for (const listener of refused) listener.stop(true);
  }
}

function listen(hostname: string, port: number): { stop(force: boolean): void } | undefined {
  try {
    return Bun.listen({ hostname, port, socket: { data() {} } });
  } catch {
    return undefined;
  }
}
