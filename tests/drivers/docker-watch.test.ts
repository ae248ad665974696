import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '../../drivers/conformance/bench';
import type { Driver, HealthChange } from '../../drivers/driver';
import { createEngineSocket, docker, requireEngine } from '../support/engine';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

/** Only ends a failed test. */
const soon = () => AbortSignal.timeout(30_000);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

/** The changes that a watch has yielded so far. It ends with its scope. */
function watched(driver: Driver) {
  const controller = new AbortController();
  const changes: HealthChange[] = [];
  const done = (async () => {
    for await (const change of driver.watch?.(controller.signal) ?? []) changes.push(change);
  })();
  const of = (runnerId: string) => changes.filter((change) => change.runnerId === runnerId).map(({ health }) => health);
  return {
    of,
    told: (runnerId: string, state: string) =>
      until(`the watch tells that it is ${state}`, () => of(runnerId).some((health) => health.state === state)),
    async [Symbol.asyncDispose]() {
      controller.abort();
      await done;
    },
  };
}

if (await requireEngine('what the docker driver sees')) {
  const socket = await createEngineSocket();
  // Only for this driver the engine can become unreachable.
  const bench = await createDockerBench({ host: `unix://${socket.path}` });
  const container = (id: string) => docker.getContainer(id);
  afterEach(async () => {
    await socket.heal();
    await bench.sweep();
  }, 60_000);
  afterAll(async () => {
    await bench.dispose();
    await socket[Symbol.asyncDispose]();
  }, 60_000);

  describe('watch', () => {
    test('law 5: after docker rm -f the runner is reported as gone, once', async () => {
      const driver = await bench.create();
      const { spec, handle, containerId } = await bench.inside(driver);
      await using watch = watched(driver);
      await container(containerId).remove({ force: true, v: true });
      await watch.told(spec.id, 'gone');
      expect(watch.of(spec.id).filter(({ state }) => state === 'gone')).toHaveLength(1);
      expect(await driver.inspect(handle, soon())).toEqual({ state: 'gone' });
    });

    test('after docker kill the runner is exited, with its exit code, until it is stopped', async () => {
      const driver = await bench.create();
      const { spec, handle, containerId } = await bench.inside(driver);
      await using watch = watched(driver);
      await container(containerId).kill();
      await watch.told(spec.id, 'exited');
      expect(watch.of(spec.id)).toEqual([{ state: 'exited', exitCode: 137 }]);
      expect(await driver.inspect(handle, soon())).toEqual({ state: 'exited', exitCode: 137 });
      await driver.stop(handle, { graceMs: 0 });
      expect(await driver.inspect(handle, soon())).toEqual({ state: 'gone' });
    });

    test('a runner that exceeds its memory limit is reported as out of memory', async () => {
      const driver = await bench.create();
      const { spec, handle, hoard } = await bench.inside(driver, { limits: { memoryBytes: 100_663_296 } });
      await using watch = watched(driver);
      hoard();
      await watch.told(spec.id, 'exited');
      const health = { state: 'exited', exitCode: 137, outOfMemory: true } as const;
      expect(watch.of(spec.id)).toEqual([health]);
      expect(await driver.inspect(handle, soon())).toEqual(health);
    });

    test('a stop is no exit: it is reported only as gone', async () => {
      const driver = await bench.create();
      const { spec, handle } = await bench.inside(driver);
      await using watch = watched(driver);
      await driver.stop(handle, { graceMs: 5_000 });
      await watch.told(spec.id, 'gone');
      expect(watch.of(spec.id)).toEqual([{ state: 'gone' }]);
    });

    test('a runner of another installation is no news', async () => {
      const driver = await bench.create();
      const foreign = await bench.create(bench.foreignInstallationId);
      const labels = { 'agent-stack.installation': bench.foreignInstallationId };
      const other = await bench.inside(foreign, { labels });
      const ours = await bench.inside(driver);
      await using watch = watched(driver);
      await container(other.containerId).remove({ force: true, v: true });
      await container(ours.containerId).remove({ force: true, v: true });
      await watch.told(ours.spec.id, 'gone');
      expect(watch.of(other.spec.id)).toEqual([]);
    });

    test('changes while the engine was away are reported when it is back', async () => {
      const driver = await bench.create();
      const [killed, removed, living] = await Promise.all([
        bench.inside(driver),
        bench.inside(driver),
        bench.inside(driver),
      ]);
      await using watch = watched(driver);
      socket.cut();
      await container(killed.containerId).kill();
      await container(removed.containerId).remove({ force: true, v: true });
      await until('the loss is logged', () => JSON.stringify(bench.events).includes('watch.lost'));
      expect(watch.of(killed.spec.id)).toEqual([]);
      await socket.heal();
      await watch.told(killed.spec.id, 'exited');
      await watch.told(removed.spec.id, 'gone');
      expect(watch.of(living.spec.id)).toEqual([]);
      await container(living.containerId).remove({ force: true, v: true });
      await watch.told(living.spec.id, 'gone');
    });
  });

  describe('an engine that is away', () => {
    test('is unknown to inspect and unavailable to the rest, and heals', async () => {
      const driver = await bench.create();
      const { handle } = await bench.inside(driver);
      const spec = await bench.spec();
      socket.cut();
      expect(await driver.inspect(handle, soon())).toMatchObject({ state: 'unknown' });
      const calls = [
        driver.ping(soon()),
        driver.list(soon()),
        driver.stop(handle, { graceMs: 0 }),
        driver.start(spec, bench.context()),
        driver.routerAddress(1, soon()),
        driver.prepare?.('any/image:1', bench.context()) ?? Promise.resolve(),
        driver.logs?.(handle, { tailLines: 1, signal: soon() }) ?? Promise.resolve(),
        driver.stats?.(handle, soon()) ?? Promise.resolve(),
      ];
      for (const error of await Promise.all(calls.map(failureOf))) {
        expect(error).toMatchObject({ fault: 'unavailable', driver: 'docker' });
      }
      await socket.heal();
      await driver.ping(soon());
      expect(await driver.inspect(handle, soon())).toMatchObject({ state: 'running' });
    });

    test('that never ends its answer is left at the deadline', async () => {
      const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
      const host = `tcp://127.0.0.1:${silent.port}`;
      const deaf = await createDockerBench({ host });
      const driver = await deaf.target.plugin.create(
        { host },
        { installationId: 'x', installationLabel: 'x', stateDir: '/tmp', log() {} },
      );
      const soon = () => AbortSignal.timeout(200);
      expect(await failureOf(driver.ping(soon()))).toMatchObject({ fault: 'timeout' });
      expect(await driver.inspect({ runnerId: 'r', containerId: 'c' }, soon())).toMatchObject({ state: 'unknown' });
      expect(await failureOf(driver.start(await deaf.spec(), deaf.context(soon())))).toMatchObject({
        fault: 'timeout',
      });
      silent.stop(true);
    });
  });
}
