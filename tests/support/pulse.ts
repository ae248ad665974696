/**
 * Preloaded before a router in a process of its own (`bun --preload`): measures how long its event loop lets others wait. The
 * router asks itself again and again by a socket, and counts the CPU time of its thread until the answer: what is done for others
 * meanwhile. So it is not the machine's load that is measured, which stops this thread now and then. `takePulse` asks for it.
 */
import { isMainThread } from 'node:worker_threads';

/** Of one wait at most so much. */
const TICK_MS = 50;
const PAUSE_MS = 5;
const { FRONTEND_PORT, PULSE_PORT } = process.env;
const REQUEST = `GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:${FRONTEND_PORT}\r\n\r\n`;

/** Measures until this is called. @returns Number of missed ticks. */
export async function takePulse(port: number): Promise<() => Promise<number>> {
  const ask = async () => Number(await (await fetch(`http://127.0.0.1:${port}/`)).text());
  await ask();
  return async () => Math.floor((await ask()) / TICK_MS);
}

/** CPU time of this thread. */
function usedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function measure(port: number): void {
  let longestMs = 0;
  /** When the last answer came. */
  let sinceMs = usedMs();
  const see = () => {
    const nowMs = usedMs();
    longestMs = Math.max(longestMs, nowMs - sinceMs);
    sinceMs = nowMs;
  };
  Bun.serve({
    hostname: '127.0.0.1',
    port,
    fetch() {
      see();
      const said = longestMs;
      longestMs = 0;
      return new Response(String(said));
    },
  });
  const connect = () => {
    Bun.connect({
      hostname: '127.0.0.1',
      port: Number(FRONTEND_PORT),
      socket: {
        open: (socket) => void socket.write(REQUEST),
        data(socket) {
          see();
          setTimeout(() => socket.write(REQUEST), PAUSE_MS);
        },
      },
      // The router does not listen yet.
    }).catch(() => setTimeout(connect, PAUSE_MS));
  };
  connect();
}

if (isMainThread && PULSE_PORT !== undefined) measure(Number(PULSE_PORT));
