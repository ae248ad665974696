/**
 * Ports of loopback for tests. Each process has its own: one that stops a router and starts it again on the same port finds it
 * taken by nobody else's tests.
 */

/** Below those that the kernel gives to connections (32,768 on): it gives one that was free a moment ago to the next who asks. */
const FIRST = 20_000;
const BLOCKS = 60;
const BLOCK_SIZE = 200;

/** Held as long as the process lives: the first port of its block, which says that the block is taken. */
let held: Bun.TCPSocketListener | undefined;
let next = 0;

/** A port on which nothing listens, and another one each time. */
export function freePort(): number {
  return portRange(1)[0];
}

/** Consecutive ports on which nothing listens, and other ones each time. */
export function portRange(count: number): readonly [first: number, last: number] {
  held ??= takeBlock();
  for (;;) {
    const end = held.port + BLOCK_SIZE;
    const first = next + count > end ? held.port + 1 : next;
    next = first + count;
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.every(isFree)) return [first, next - 1];
  }
}

function takeBlock(): Bun.TCPSocketListener {
  for (let block = Math.floor(Math.random() * BLOCKS); ; block = (block + 1) % BLOCKS) {
    const listener = listenOn(FIRST + block * BLOCK_SIZE);
    if (!listener) continue;
    listener.unref();
    next = listener.port + 1;
    return listener;
  }
}

function isFree(port: number): boolean {
  const listener = listenOn(port);
  listener?.stop(true);
  return listener !== undefined;
}

function listenOn(port: number): Bun.TCPSocketListener | undefined {
  try {
    return Bun.listen({ hostname: '127.0.0.1', port, socket: { data() {} } });
  } catch {
    return undefined;
  }
}
