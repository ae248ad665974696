/** The cases of the conformance suite: the laws of `drivers/README.md`, then the optional methods. */
import { expect } from 'bun:test';
import type { Conformance } from '../conformance';
import { type Driver, INSTALLATION_LABEL } from '../driver';
import { type Bench, callRunner, processTitles, SECRET, settled, until } from './bench';
import { capabilityCases } from './capabilities';

export interface Case {
  readonly name: string;
  /** Why the case does not apply to this driver; undefined when it does. */
  readonly needs?: (driver: Driver, target: Conformance) => string | undefined;
  readonly run: (bench: Bench) => Promise<void>;
}

const faults = ['unavailable', 'image_missing', 'name_taken', 'no_capacity', 'start_failed', 'timeout'];
const quick = { graceMs: 500 };

const startCases: readonly Case[] = [
  {
    name: 'driver law 1: start resolves when the process runs, and its url then leads to it',
    async run(bench) {
      const driver = await bench.create();
      await driver.ping(AbortSignal.timeout(5_000));
      const spec = await bench.spec();
      const started = await driver.start(spec, bench.context());
      expect((await driver.inspect(started.handle, AbortSignal.timeout(5_000))).state).toBe('running');
      await until('the runner answers', async () => (await callRunner(started.url, '/id')) === spec.id);
    },
  },
  {
    name: 'driver law 2: start twice with the same spec id gives one runner and equivalent handles',
    async run(bench) {
      const driver = await bench.create();
      const spec = await bench.spec();
      const [first, second] = await Promise.all([
        driver.start(spec, bench.context()),
        driver.start(spec, bench.context()),
      ]);
      const third = await (await bench.create()).start(spec, bench.context());
      expect(second).toEqual(first);
      expect(third).toEqual(first);
      expect(await ids(driver)).toEqual([spec.id]);
    },
  },
  {
    name: 'driver law 3: a failed or aborted start leaves nothing behind',
    async run(bench) {
      const driver = await bench.create();
      await rejection(driver.start(await broken(bench), bench.context()));
      await rejection(driver.start(await bench.spec(), bench.context(AbortSignal.abort())));
      expect(await ids(await bench.create())).toEqual([]);
    },
  },
  {
    name: 'driver law 12: abort is honoured within a second, also in the middle of a start',
    async run(bench) {
      const driver = await bench.create();
      const controller = new AbortController();
      const context = { signal: controller.signal, progress: () => controller.abort() };
      const starting = driver.start(await bench.spec(), context);
      queueMicrotask(() => controller.abort());
      const outcome = await settled('start', starting);
      // The start may finish before it sees the abort. Then the runner is a normal runner.
      if (outcome.status === 'rejected') expect(await ids(await bench.create())).toEqual([]);
      await settled('ping', driver.ping(AbortSignal.abort()));
      await settled('list', driver.list(AbortSignal.abort()));
    },
  },
];

const lifeCases: readonly Case[] = [
  {
    name: 'driver law 4: stop is idempotent, and when it resolves inspect says gone',
    async run(bench) {
      const driver = await bench.create();
      const { handle, url } = await bench.ready(driver, await bench.spec());
      await driver.stop(handle, quick);
      expect(await driver.inspect(handle, AbortSignal.timeout(5_000))).toEqual({ state: 'gone' });
      expect(await callRunner(url, '/id')).toBeUndefined();
      await driver.stop(handle, quick);
      await (await bench.create()).stop(handle, quick);
    },
  },
  {
    name: 'driver law 4: a runner that ignores the request to end is ended by force after graceMs',
    async run(bench) {
      const driver = await bench.create();
      const { handle, url } = await bench.ready(driver, await bench.spec());
      await callRunner(url, '/stubborn');
      await driver.stop(handle, quick);
      expect(await driver.inspect(handle, AbortSignal.timeout(5_000))).toEqual({ state: 'gone' });
      expect(await ids(driver)).toEqual([]);
    },
  },
  {
    name: 'driver law 5: inspect says gone only of what is surely not there',
    async run(bench) {
      const driver = await bench.create();
      const { handle } = await bench.ready(driver, await bench.spec());
      const aborted = await settled('inspect', driver.inspect(handle, AbortSignal.abort()));
      if (aborted.status === 'fulfilled') expect(aborted.value.state).not.toBe('gone');
      await driver.stop(handle, quick);
      const fresh = await bench.create();
      expect(await fresh.inspect(handle, AbortSignal.timeout(5_000))).toEqual({ state: 'gone' });
    },
  },
  {
    name: 'driver law 5: a runner that ended by itself is exited until it is stopped',
    async run(bench) {
      const driver = await bench.create();
      const { handle, url } = await bench.ready(driver, await bench.spec());
      await callRunner(url, '/exit', '7');
      const inspect = () => driver.inspect(handle, AbortSignal.timeout(5_000));
      await until('the runner has ended', async () => (await inspect()).state !== 'running');
      const health = await inspect();
      expect(health.state).toBe('exited');
      if (health.state === 'exited' && health.exitCode !== undefined) expect(health.exitCode).toBe(7);
      await driver.stop(handle, quick);
      expect(await inspect()).toEqual({ state: 'gone' });
    },
  },
];

const identityCases: readonly Case[] = [
  {
    name: 'driver law 6: list returns exactly what carries our label, also after a fresh create',
    async run(bench) {
      const mine = await bench.spec();
      const other = await bench.spec();
      const labels = { ...other.labels, [INSTALLATION_LABEL]: bench.foreignInstallationId };
      const started = await (await bench.create()).start(mine, bench.context());
      const stranger = await bench.create(bench.foreignInstallationId);
      await stranger.start({ ...other, labels }, bench.context());
      const listed = await (await bench.create()).list(AbortSignal.timeout(5_000));
      expect(listed).toHaveLength(1);
      expect(listed[0]).toMatchObject({ runnerId: mine.id, handle: started.handle, url: started.url });
      expect(listed[0]?.health.state).toBe('running');
      expect(await ids(stranger)).toEqual([other.id]);
    },
  },
  {
    name: 'driver law 6: a runner that has started a process of its own is listed once',
    async run(bench) {
      const driver = await bench.create();
      const { handle, url } = await bench.ready(driver, await bench.spec());
      await callRunner(url, '/child');
      expect(await (await bench.create()).list(AbortSignal.timeout(5_000))).toMatchObject([{ handle, url }]);
      await driver.stop(handle, quick);
      expect(await ids(driver)).toEqual([]);
    },
  },
  {
    name: 'driver law 6: a runner whose router was killed is listed, inspected and stopped by another process',
    needs: (_, { endsWithRouter }) => endsWithRouter,
    async run(bench) {
      const spec = await bench.spec();
      const started = await bench.startElsewhere(spec);
      const driver = await bench.create();
      const listed = await driver.list(AbortSignal.timeout(5_000));
      expect(listed).toMatchObject([{ runnerId: spec.id, handle: started.handle, url: started.url }]);
      expect((await driver.inspect(started.handle, AbortSignal.timeout(5_000))).state).toBe('running');
      await until('the runner answers', async () => (await callRunner(started.url, '/id')) === spec.id);
      expect(await driver.start(spec, bench.context())).toEqual(started);
      await driver.stop(started.handle, quick);
      expect(await ids(driver)).toEqual([]);
      expect(await callRunner(started.url, '/id')).toBeUndefined();
    },
  },
  {
    name: 'driver law 7: a handle survives JSON and works in a fresh driver',
    async run(bench) {
      const { handle } = await (await bench.create()).start(await bench.spec(), bench.context());
      const stored = JSON.parse(JSON.stringify(handle));
      expect(stored).toEqual(handle);
      const fresh = await bench.create();
      expect((await fresh.inspect(stored, AbortSignal.timeout(5_000))).state).toBe('running');
      await fresh.stop(stored, quick);
      expect(await ids(fresh)).toEqual([]);
    },
  },
  {
    name: 'driver law 8: runners started at the same time have urls of their own',
    async run(bench) {
      const driver = await bench.create();
      const specs = await Promise.all(Array.from({ length: 4 }, () => bench.spec()));
      const started = await Promise.all(specs.map((spec) => bench.ready(driver, spec)));
      expect(new Set(started.map(({ url }) => url)).size).toBe(specs.length);
      const answers = await Promise.all(started.map(({ url }) => callRunner(url, '/id')));
      expect(answers).toEqual(specs.map(({ id }) => id));
    },
  },
  {
    name: 'driver law 9: values of env appear in no error, progress, log or process title',
    async run(bench) {
      const driver = await bench.create();
      await bench.ready(driver, await bench.spec());
      expect(await processTitles()).not.toContain(SECRET);
      const error = await rejection(driver.start(await broken(bench), bench.context()));
      expect(Bun.inspect(error, { depth: 10 })).not.toContain(SECRET);
      expect(JSON.stringify(error)).not.toContain(SECRET);
      expect(JSON.stringify(bench.events)).not.toContain(SECRET);
    },
  },
  {
    name: 'driver law 10: every rejection is a DriverError with a fault, the name of the driver and a cause',
    async run(bench) {
      const driver = await bench.create();
      const attempts = [
        async () => driver.start(await broken(bench), bench.context()),
        async () => driver.start(await bench.spec(), bench.context(AbortSignal.abort())),
      ];
      for (const attempt of attempts) {
        const error = await rejection(attempt());
        expect(error).toMatchObject({ name: 'DriverError', driver: driver.name });
        expect(faults).toContain(error.fault ?? 'no fault');
        expect(error.message).toStartWith(`[${driver.name}] `);
        expect(error.cause).toBeDefined();
      }
    },
  },
  {
    name: 'driver law 11: what a runner wrote to its home is there after stop and start',
    async run(bench) {
      const driver = await bench.create();
      const spec = await bench.spec();
      const first = await bench.ready(driver, spec);
      await callRunner(first.url, '/write', 'remember me');
      await driver.stop(first.handle, quick);
      const second = await bench.ready(driver, spec);
      expect(await callRunner(second.url, '/read')).toBe('remember me');
    },
  },
];

export const cases: readonly Case[] = [...startCases, ...lifeCases, ...identityCases, ...capabilityCases];

async function broken(bench: Bench) {
  return bench.spec(bench.target.broken ?? { command: ['no-such-program-of-agent-stack'] });
}

async function ids(driver: Driver): Promise<readonly string[]> {
  return (await driver.list(AbortSignal.timeout(5_000))).map(({ runnerId }) => runnerId);
}

/**
 * Returns the error with which the promise rejected. Not typed as DriverError: a driver may have its own copy of that
 * class.
 */
async function rejection(promise: Promise<unknown>): Promise<Error & { fault?: string; driver?: string }> {
  const error = await promise.then(
    () => {
      throw new Error('start resolved where it must reject: its command does not exist, or it was aborted');
    },
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  // Thrown, so that the failed case shows which member is wrong.
  if (error.fault === 'wrong_answer') throw error;
  return error;
}
