/**
 * Feels how long a router keeps everybody waiting, from a thread of its own: what the test does does not count. Another
 * server is asked at the same moments, and what that one is late the machine is.
 */
const TICK_MS = 50;

/** The pulse is taken until this is called. @returns how many ticks were missed, beyond those that the machine missed. */
export async function takePulse(url: string): Promise<() => Promise<number>> {
  const worker = new Worker(new URL('./pulse-worker.ts', import.meta.url).href);
  const heard = () =>
    new Promise<number[]>((resolve) => worker.addEventListener('message', ({ data }) => resolve(data), { once: true }));
  const ready = heard();
  worker.postMessage(url);
  await ready;
  return async () => {
    const waits = heard();
    worker.postMessage('enough');
    const [routerMs = 0, machineMs = 0] = await waits;
    worker.terminate();
    return Math.max(0, Math.floor(routerMs / TICK_MS) - Math.floor(machineMs / TICK_MS));
  };
}
