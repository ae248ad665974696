/** Ports of loopback for tests. */

/** Below those that the kernel gives to connections (32,768 on), and beside `portRange`. */
const FIRST = 26_000;
const COUNT = 6_000;

let last = Math.floor(Math.random() * COUNT);

/**
 * A port on which nothing listens, and another one each time. Not one of the kernel's: it gives a port that was free a moment ago
 * to the next who asks, such as a connection or a test in another process.
 */
export function freePort(): number {
  last = (last + 1) % COUNT;
  return isFree(FIRST + last) ? FIRST + last : freePort();
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
