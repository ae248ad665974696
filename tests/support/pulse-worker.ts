/**
 * The thread of `pulse.ts`: measures the longest waits for an answer of the router, and of a server that does nothing.
 */
import { parentPort } from 'node:worker_threads';

const idle = Bun.spawn(
  [
    process.execPath,
    '-e',
    'const s = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") }); console.log(s.port)',
  ],
  {
    stdout: 'pipe',
  },
);
let isEnough = false;

parentPort?.once('message', async (url: string) => {
  parentPort?.once('message', () => {
    isEnough = true;
  });
  const reader = idle.stdout.getReader();
  const port = new TextDecoder().decode((await reader.read()).value).trim();
  const longest = { router: 0, machine: 0 };
  const feel = async (who: 'router' | 'machine', at: string) => {
    while (!isEnough) {
      const sentMs = performance.now();
      await (await fetch(at)).text();
      longest[who] = Math.max(longest[who], performance.now() - sentMs);
      await Bun.sleep(5);
    }
  };
  await fetch(`${url}/healthz`);
  parentPort?.postMessage([]);
  await Promise.all([feel('router', `${url}/healthz`), feel('machine', `http://127.0.0.1:${port}/`)]);
  idle.kill();
  parentPort?.postMessage([longest.router, longest.machine]);
});
