import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Conformance, conformDriver } from '../../drivers/conformance';
import { callRunner, createBench, until } from '../../drivers/conformance/bench';
import { type Driver, type Handle, type HealthChange, INSTALLATION_LABEL } from '../../drivers/driver';
import plugin from '../../drivers/process/index';
import { readMark } from '../../drivers/process/marks';
import { parseLine } from '../../drivers/process/ps';
import { urlOf } from '../../drivers/process/runners';
import { processTable } from '../../drivers/process/table';

const DRIVERS = join(import.meta.dir, '../../drivers');
const file = join(DRIVERS, 'process/index.ts');
const target: Conformance = { plugin, file, options: { logBytes: 65_536 }, available: () => true };
await conformDriver(target);

const bench = await createBench(target);
const stateDir = await mkdtemp(join(tmpdir(), 'process-state-'));
const services = { installationId: bench.installationId, installationLabel: INSTALLATION_LABEL, stateDir };
const table = processTable();
const second = () => AbortSignal.timeout(5_000);
const inspect = (driver: Driver, handle: Handle) => driver.inspect(handle, second());
const logs = async (driver: Driver, handle: Handle) =>
  (await driver.logs?.(handle, { tailLines: 10_000, signal: second() })) ?? [];
const drivers: Driver[] = [];
const create = async (portRange?: { start: number; end: number }): Promise<Driver> => {
  const range = portRange === undefined ? {} : { portRange };
  const driver = await plugin.create(target.options ?? {}, { ...services, log: () => {}, ...range });
  drivers.push(driver);
  return driver;
};
const shell = (script: string) => bench.spec({ command: ['sh', '-c', script] });

afterEach(async () => {
  await bench.sweep();
  for (const driver of drivers.splice(0)) await driver[Symbol.asyncDispose]?.();
  await rm(join(stateDir, 'logs'), { recursive: true, force: true });
});
afterAll(async () => {
  await bench.dispose();
  await rm(stateDir, { recursive: true, force: true });
});

describe('a runner outlives its router', () => {
  test('law 2: a runner survives kill -9 of the router, and a fresh one finds, watches and stops it', async () => {
    const spec = await bench.spec();
    const argument = JSON.stringify({ file, options: {}, services, spec });
    const parent = Bun.spawn([process.execPath, join(DRIVERS, 'conformance/elsewhere.ts'), argument]);
    const { value } = await parent.stdout.getReader().read();
    const started = JSON.parse(new TextDecoder().decode(value));
    parent.kill('SIGKILL');
    await parent.exited;

    const driver = await create();
    expect(await driver.list(second())).toMatchObject([
      { runnerId: spec.id, ...started, health: { state: 'running' } },
    ]);
    await until('the runner answers', async () => (await callRunner(started.url, '/id')) === spec.id);
    await callRunner(started.url, '/say', 'still here');
    await until('its output is still kept', async () => (await logs(driver, started.handle)).includes('still here'));

    const watch = new AbortController();
    const next = driver.watch?.(watch.signal)[Symbol.asyncIterator]().next();
    await callRunner(started.url, '/exit', '0');
    const change: IteratorResult<HealthChange> | undefined = await next;
    watch.abort();
    expect(change?.value).toEqual({ runnerId: spec.id, health: { state: 'exited' } });
    expect(await inspect(driver, started.handle)).toEqual({ state: 'exited' });
    await driver.stop(started.handle, { graceMs: 0 });
    expect(await driver.list(second())).toEqual([]);
  });

  test('descendants of a runner are found and ended after its first process has ended', async () => {
    const first = await create();
    const spec = await shell('sleep 1000 & exit 3');
    const { handle } = await first.start(spec, bench.context());
    await until('the shell has ended', async () => (await inspect(first, handle)).state === 'exited');
    expect(await inspect(first, handle)).toEqual({ state: 'exited', exitCode: 3 });

    const fresh = await create();
    const [left] = await fresh.list(second());
    expect(left).toMatchObject({ runnerId: spec.id, health: { state: 'exited' } });
    await fresh.stop(left?.handle ?? {}, { graceMs: 0 });
    expect(await fresh.list(second())).toEqual([]);
  });

  test('a process that outlives the first one is no second runner, also when it ends', async () => {
    const driver = await create();
    const watch = new AbortController();
    const changes = driver.watch?.(watch.signal)[Symbol.asyncIterator]();
    const ended = changes?.next();
    const spec = await shell('setsid sleep 1000 & echo $!; exit 3');
    const { handle } = await driver.start(spec, bench.context());
    expect((await ended)?.value).toMatchObject({ runnerId: spec.id, health: { state: 'exited' } });
    const outliving = Number((await logs(driver, handle))[0]);
    const other = await bench.spec();
    const { handle: later } = await (await create()).start(other, bench.context());

    const exited = { runnerId: spec.id, handle, health: { state: 'exited', exitCode: 3 } as const };
    expect(await driver.list(second())).toContainEqual(exited);
    for (const pid of [outliving, later.pid]) process.kill(Number(pid), 'SIGKILL');
    // Ends are looked for in the order in which processes were found, so that of the outliving one has been seen then.
    expect((await changes?.next())?.value).toMatchObject({ runnerId: other.id });
    watch.abort();
    expect((await driver.list(second())).filter(({ runnerId }) => runnerId === spec.id)).toEqual([exited]);
    await driver.stop(handle, { graceMs: 0 });
    expect((await driver.list(second())).filter(({ runnerId }) => runnerId === spec.id)).toEqual([]);
  });
});

describe('stop', () => {
  test('ends the whole group, also what left it, dropped the mark or ignores SIGTERM', async () => {
    const driver = await create();
    const sleepers = [
      'sleep 1000',
      'setsid sleep 1000',
      'env -i sleep 1000',
      `sh -c 'trap "" TERM; sleep 1000; sleep 1000'`,
    ];
    const spec = await shell(`${sleepers.map((command) => `${command} & echo $!`).join('\n')}\necho all\nwait`);
    const { handle } = await driver.start(spec, bench.context());
    await until('all have started', async () => (await logs(driver, handle)).includes('all'));
    const pids = (await logs(driver, handle)).slice(0, -1).map(Number);
    expect(pids).toHaveLength(sleepers.length);
    await driver.stop(handle, { graceMs: 200 });
    expect(await Promise.all(pids.map((pid) => table.find(pid)))).toEqual(pids.map(() => undefined));
  });

  test('a pid that now belongs to another process is neither taken for the runner nor signalled', async () => {
    const driver = await create();
    const stranger = Bun.spawn(['sleep', '1000'], { detached: true });
    const { handle } = await driver.start(await bench.spec(), bench.context());
    const born = (await table.find(stranger.pid))?.born ?? '';
    const mistaken = [
      { ...handle, pid: stranger.pid },
      { ...handle, pid: stranger.pid, born, life: 'another' },
      { ...handle, born: 'another time' },
    ];
    for (const wrong of mistaken) expect(await inspect(driver, wrong)).not.toMatchObject({ state: 'running' });
    await driver.stop({ ...handle, pid: stranger.pid, born, life: 'another' }, { graceMs: 0 });
    await driver.stop({ ...handle, born: 'another time' }, { graceMs: 0 });
    expect((await table.find(stranger.pid))?.born).toBe(born);
    expect((await inspect(driver, handle)).state).toBe('running');
    stranger.kill('SIGKILL');
  });

  test('a runner that gets SIGSTOP is paused, can be resumed, and can be stopped while it is paused', async () => {
    const driver = await create();
    const { handle } = await driver.start(await bench.spec(), bench.context());
    const pause = async () => {
      process.kill(Number(handle.pid), 'SIGSTOP');
      await until('it is paused', async () => (await inspect(driver, handle)).state === 'paused');
    };
    await pause();
    expect(await driver.list(AbortSignal.timeout(5_000))).toMatchObject([{ health: { state: 'paused' } }]);
    await driver.resume?.(handle, AbortSignal.timeout(5_000));
    await until('it goes on', async () => (await inspect(driver, handle)).state === 'running');
    await pause();
    await driver.stop(handle, { graceMs: 60_000 });
    expect(await inspect(driver, handle)).toEqual({ state: 'gone' });
  });

  test('a runner that overwrote its environment is still the runner of the process that started it', async () => {
    const driver = await create();
    const { handle } = await driver.start(await shell('exec env -i sleep 1000'), bench.context());
    const pid = Number(handle.pid);
    await until('the mark is gone', async () => (await table.find(pid))?.mark === undefined);
    expect((await inspect(driver, handle)).state).toBe('running');
    await driver.stop(handle, { graceMs: 1_000 });
    expect(await table.find(pid)).toBeUndefined();
  });
});

describe('start', () => {
  test("law 14: a runner's environment is that of its spec, and nothing of the router's", async () => {
    process.env.JWT_SECRET = 'the router only';
    process.env.LLM_API_KEY = 'the router only';
    const driver = await create();
    const spec = await bench.spec({ command: ['env'], env: { GREETING: 'hello' } });
    const { handle, url } = await driver.start(spec, bench.context());
    await until('env has ended', async () => (await inspect(driver, handle)).state === 'exited');
    delete process.env.JWT_SECRET;
    delete process.env.LLM_API_KEY;
    const lines = await logs(driver, handle);
    expect(lines.map((line) => line.split('=')[0]).sort()).toEqual(
      ['AGENT_STACK_RUNNER', 'GREETING', 'HOME', 'HOST', 'PATH', 'PORT'].sort(),
    );
    expect(lines).toContain('GREETING=hello');
    expect(lines).toContain(`HOME=${spec.home.source}`);
    expect(lines).toContain(`PORT=${new URL(url).port}`);
    expect(lines.join('\n')).not.toContain('the router only');
    await driver.stop(handle, { graceMs: 0 });
  });

  test('a value that cannot be in an environment fails the start without being shown', async () => {
    const driver = await create();
    const spec = await bench.spec({ env: { TOKEN: 'sk-never\0shown' } });
    const error = await driver.start(spec, bench.context()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'DriverError', fault: 'start_failed' });
    expect(Bun.inspect(error)).not.toContain('sk-never');
    expect(await driver.list(second())).toEqual([]);
    expect(await readdir(join(stateDir, 'logs'))).toEqual([]);
  });

  test('parallel starts share a range without meeting, and a used up range is no_capacity', async () => {
    const free = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    const start = Math.min(free.port, 65_000);
    free.stop(true);
    // Another program may listen in the range: then fewer runners fit, and the others are refused.
    const driver = await create({ start, end: start + 5 });
    const specs = await Promise.all(Array.from({ length: 8 }, () => shell('exec sleep 1000')));
    const outcomes = await Promise.allSettled(specs.map((spec) => driver.start(spec, bench.context())));
    const urls = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.url] : []));
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.fault] : []));
    expect(urls.length).toBeGreaterThan(0);
    expect(new Set(urls).size).toBe(urls.length);
    expect(refused.length).toBeGreaterThanOrEqual(2);
    expect(new Set(refused)).toEqual(new Set(['no_capacity']));
  });
});

describe('the address of runners', () => {
  test.skipIf(process.platform !== 'linux')(
    'is another one than the router’s, so that a browser sends no cookie of the router to a runner',
    async () => {
      const driver = await create();
      const { handle, url } = await driver.start(await shell('echo "at $HOST"; exec sleep 1000'), bench.context());
      await until('it is told', async () => (await logs(driver, handle)).length > 0);
      expect([new URL(url).hostname, await logs(driver, handle)]).toEqual(['127.0.0.2', ['at 127.0.0.2']]);
      const again = await (await create()).list(second());
      expect(again.map((owned) => owned.url)).toEqual([url]);
    },
  );

  test('is the router’s for a runner of an earlier version, whose mark and handle name none', () => {
    expect(readMark('id=a&life=b&port=7000')).toMatchObject({ host: '127.0.0.1', port: 7000 });
    expect(urlOf({ port: 7000 })).toBe('http://127.0.0.1:7000');
  });
});

describe('output', () => {
  test('logs of runners that nobody stopped are forgotten after a week, those of living ones are not', async () => {
    const { handle } = await (await create()).start(await shell('exec sleep 1000'), bench.context());
    const living = join(stateDir, 'logs', `${String(handle.life)}.log`);
    const forgotten = join(stateDir, 'logs', 'forgotten.log');
    await Bun.write(forgotten, 'old news\n');
    for (const file of [living, forgotten]) await utimes(file, new Date(0), new Date(0));
    await (await create()).list(AbortSignal.timeout(60_000));
    expect(await readdir(join(stateDir, 'logs'))).toEqual([`${String(handle.life)}.log`]);
  });

  test('the log is bounded, keeps whole lines, and loses none of the last ones', async () => {
    const driver = await create();
    const lines = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i"; done; exec sleep 1000';
    const { handle } = await driver.start(await shell(lines), bench.context());
    const file = join(stateDir, 'logs', `${String(handle.life)}.log`);
    await until('all is written', async () => (await logs(driver, handle)).at(-1) === 'line 20000');
    await until('the log is cut', async () => (await stat(file)).size <= 65_536);
    const kept = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(kept).toEqual(kept.map((_, index) => `line ${20_000 - kept.length + 1 + index}`));
    expect((await stat(file)).mode & 0o077).toBe(0);
    await driver.stop(handle, { graceMs: 0 });
    expect(await readdir(join(stateDir, 'logs'))).not.toContain(`${String(handle.life)}.log`);
  });
});

test('a line of ps on macOS is read with its start and its mark', () => {
  const line = '  501   501 Ss   Mon Oct 13 09:01:02 2025     /bin/bun run x A=1 AGENT_STACK_RUNNER=id=a&port=2 B=2';
  expect(parseLine(line)).toMatchObject({
    pid: 501,
    groupId: 501,
    born: 'Mon Oct 13 09:01:02 2025',
    mark: 'id=a&port=2',
  });
  expect(parseLine('  501   501 Z    Mon Oct 13 09:01:02 2025     (bun)')).toBeUndefined();
});
