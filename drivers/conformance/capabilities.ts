/** The cases for the optional methods of a driver. The cases of an absent method are reported as skipped. */
import { expect } from 'bun:test';
import type { Driver, HealthChange } from '../driver';
import { callRunner, settled, until } from './bench';
import type { Case } from './cases';

export const capabilityCases: readonly Case[] = [
  {
    name: 'version is the name and the version of the platform',
    needs: without('version'),
    async run(bench) {
      const driver = await bench.create();
      expect(await driver.version?.(AbortSignal.timeout(5_000))).toMatch(/^\S.* \S*\d/);
    },
  },
  {
    name: 'a runner reaches the router at routerAddress',
    async run(bench) {
      const driver = await bench.create();
      const port = freePort();
      const address = await driver.routerAddress(port, AbortSignal.timeout(5_000));
      expect(address.url).not.toEndWith('/');
      using server = Bun.serve({ hostname: address.listenHost, port, fetch: () => new Response('the router') });
      expect(server.port).toBe(port);
      const { url } = await bench.ready(driver, await bench.spec());
      expect(await callRunner(url, '/fetch', `${address.url}/healthz`)).toBe('the router');
    },
  },
  {
    name: 'logs are the last lines of the output, oldest first, also of a runner that has exited',
    needs: without('logs'),
    async run(bench) {
      const driver = await bench.create();
      const { handle, url } = await bench.ready(driver, await bench.spec());
      for (const line of ['one', 'two', 'three']) await callRunner(url, '/say', line);
      const logs = async (tailLines: number) =>
        driver.logs?.(handle, { tailLines, signal: AbortSignal.timeout(5_000) });
      await until('the last line is in the logs', async () => (await logs(10))?.includes('three') === true);
      expect(await logs(2)).toEqual(['two', 'three']);
      await callRunner(url, '/exit', '1');
      await until('the runner has ended', async () => (await health(driver, handle)) === 'exited');
      expect(await logs(2)).toEqual(['two', 'three']);
    },
  },
  {
    name: 'watch tells of a runner that ended by itself, and ends when it is aborted',
    needs: without('watch'),
    async run(bench) {
      const driver = await bench.create();
      const controller = new AbortController();
      const changes: HealthChange[] = [];
      const watching = (async () => {
        for await (const change of driver.watch?.(controller.signal) ?? []) changes.push(change);
      })();
      const spec = await bench.spec();
      const { url } = await bench.ready(driver, spec);
      await callRunner(url, '/exit', '3');
      await until('watch tells', () =>
        changes.some(({ runnerId, health }) => runnerId === spec.id && health.state === 'exited'),
      );
      controller.abort();
      expect((await settled('watch', watching)).status).toBe('fulfilled');
    },
  },
  {
    name: 'a paused runner is found again as paused, goes on where it was, and can be stopped',
    needs: without('pause'),
    async run(bench) {
      const driver = await bench.create();
      const signal = () => AbortSignal.timeout(5_000);
      const spec = await bench.spec();
      const { handle, url } = await bench.ready(driver, spec);
      for (const _ of ['once', 'again']) await driver.pause?.(handle, signal());
      await until('it is paused', async () => (await health(driver, handle)) === 'paused');
      const found = (await driver.list(signal())).find(({ runnerId }) => runnerId === spec.id);
      expect(found?.health.state).toBe('paused');
      for (const _ of ['once', 'again']) await driver.resume?.(handle, signal());
      await until('it runs', async () => (await health(driver, handle)) === 'running');
      await callRunner(url, '/say', 'still here');
      await driver.pause?.(handle, signal());
      await driver.stop(handle, { graceMs: 500 });
      expect(await health(driver, handle)).toBe('gone');
      for (const call of [driver.pause, driver.resume]) await call?.call(driver, handle, signal());
    },
  },
  {
    name: 'stats say the memory of this runner at once and its CPU from the second call on, and nothing once it is gone',
    needs: without('stats'),
    async run(bench) {
      const driver = await bench.create();
      const { handle } = await bench.ready(driver, await bench.spec());
      const stats = async () => driver.stats?.(handle, AbortSignal.timeout(5_000));
      expect((await stats())?.memoryBytes).toBeGreaterThan(0);
      await until('the CPU is known', async () => ((await stats())?.cpuPercent ?? -1) >= 0);
      await driver.stop(handle, { graceMs: 500 });
      await until('nothing is said', async () => Object.keys((await stats()) ?? {}).length === 0);
    },
  },
  {
    name: 'prepare fetches the image, tells of it in percent and honours abort',
    needs: (driver, target) =>
      without('prepare')(driver) ?? (target.image === undefined ? 'the suite was given no image' : undefined),
    async run(bench) {
      const driver = await bench.create();
      const image = bench.target.image ?? '';
      const percents: number[] = [];
      const signal = AbortSignal.timeout(100_000);
      await driver.prepare?.(image, { signal, progress: ({ percent }) => percents.push(percent ?? 0) });
      expect(percents.every((percent) => percent >= 0 && percent <= 100)).toBe(true);
      const aborted = driver.prepare?.(image, bench.context(AbortSignal.abort())) ?? Promise.resolve();
      await settled('prepare', aborted);
    },
  },
];

function without(
  method: 'version' | 'logs' | 'watch' | 'stats' | 'prepare' | 'pause',
): (driver: Driver) => string | undefined {
  return (driver) => (driver[method] === undefined ? `the driver has no ${method}` : undefined);
}

async function health(driver: Driver, handle: Parameters<Driver['inspect']>[0]): Promise<string> {
  return (await driver.inspect(handle, AbortSignal.timeout(5_000))).state;
}

function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  server.stop(true);
  return server.port;
}
