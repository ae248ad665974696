/**
 * Measures how long a router's event loop is blocked, from a separate thread, so that the test itself has no influence.
 * Requests another server at the same moments and subtracts its delay, which is the machine's.
 */
const TICK_MS = 50;

/** Measures until this is called. @returns Number of missed ticks, minus those that the machine missed. */
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
