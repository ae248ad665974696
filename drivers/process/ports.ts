/** Picks the port of a runner on loopback. */
import type { DriverServices } from '../driver';

/** Ports of the runners that this process has started: one of them need not listen yet, or at all. */
const picked = new Set<number>();

/** A port that no other start of this process gets until it is released. */
export interface PickedPort {
  readonly port: number;
  release(): void;
}

/**
 * Picks a port that nobody listens on, none of `taken`, and none that a runner of this process holds.
 * Synchronous, so that starts cannot come between. Undefined when the range is used up.
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
