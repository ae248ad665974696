/** Ports of the machine, for tests of ranges. */

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
