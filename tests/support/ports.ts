/** Ports of loopback for tests. */

const given = new Set<number>();

/**
 * A port that was free a moment ago, and another one each time: the kernel may give a port again as soon as it is free,
 * and a router with two listeners needs two.
 */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  if (given.has(port)) return freePort();
  given.add(port);
  return port;
}

/** Consecutive ports on which nothing listens. */
export function portRange(count: number): readonly [first: number, last: number] {
  for (let first = 20_000 + Math.floor(Math.random() * 5_000); ; first += count) {
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.every(isFree)) return [first, first + count - 1];
  }
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: '127.0.0.1', port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
