import { afterAll, describe, expect, spyOn, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DriverServices } from '../../drivers/driver';
import { type Backend, BackendRegistry } from '../../router/backends/backends';
import { repositoryRoot } from '../../router/config/root';
import { AppError } from '../../router/lib/errors';
import { driversLog } from '../../router/lib/log';
import { DriverRegistry, type DriverSources, DriversError } from '../../router/platforms/drivers';

const folder = mkdtempSync(join(tmpdir(), 'drivers-'));
const paperDir = join(import.meta.dir, '../support/drivers');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

let folders = 0;
/**
 * A folder of drivers made of `index.ts` texts by driver name, with no packages beside it: TypeBox is the router's. Each is
 * new: an import is remembered by its path.
 */
function driversOf(texts: Record<string, string>): string {
  const path = join(folder, `drivers-${folders++}`);
  mkdirSync(path);
  for (const [name, text] of Object.entries(texts)) write(join(path, name, 'index.ts'), text);
  return path;
}

function backendsOf(...entries: object[]): readonly Backend[] {
  const path = join(folder, 'backends.json');
  write(path, JSON.stringify(entries.map((entry, index) => ({ name: `b${index}`, ...entry }))));
  return BackendRegistry.load(path).all();
}

/** What the drivers have logged, over all tests so far. */
const events: string[] = [];

function services(driver: string): DriverServices {
  const stateDir = join(folder, 'state', driver);
  mkdirSync(stateDir, { recursive: true });
  const log: DriverServices['log'] = (_, event, fields) => events.push(`${event} ${JSON.stringify(fields ?? {})}`);
  return { installationId: 'here', installationLabel: 'installation', stateDir, log };
}

function load(sources: Partial<DriverSources>): Promise<DriverRegistry> {
  return DriverRegistry.load({ options: {}, backends: [], services, ...sources });
}

async function problemsOf(sources: Partial<DriverSources>): Promise<readonly string[]> {
  const error = await load(sources).catch((thrown: unknown) => thrown);
  if (error instanceof DriversError) return error.problems;
  throw error;
}

const plugin = (members: string): string => `
  import { Type } from '@sinclair/typebox';
  const nothing = Type.Object({}, { additionalProperties: false });
  const driver = { name: 'x' };
  for (const method of ['ping', 'routerAddress', 'start', 'inspect', 'stop', 'list']) driver[method] = async () => {};
  export default {
    summary: 'x', isolates: true, options: nothing, backendOptions: nothing,
    create: () => driver, ${members}
  };`;

describe('finding', () => {
  test('a driver that only knows the contract is found in DRIVERS_DIR and hosts runners', async () => {
    await using drivers = await load({ driversDir: paperDir, backends: backendsOf({ driver: 'paper' }) });
    const driver = drivers.get('paper');
    const signal = AbortSignal.timeout(5000);
    const spec = {
      id: 'r1',
      name: 'r1',
      command: [],
      env: {},
      home: { source: folder, target: '/home' },
      port: 80,
      limits: {},
      labels: { installation: 'here' },
      options: {},
    };
    const { handle, url } = await driver.start(spec, { signal, progress: () => {} });
    expect(url).toBe('http://127.0.0.1:9');
    expect((await driver.list(signal)).map((owned) => owned.runnerId)).toEqual(['r1']);
    await driver.stop(handle, { graceMs: 0 });
    expect(await driver.inspect(handle, signal)).toEqual({ state: 'gone' });
  });

  test('the drivers beside the router are found by themselves', async () => {
    await using drivers = await load({ backends: backendsOf({ driver: 'process', trusted: true }) });
    expect(drivers.get('process').name).toBe('process');
    expect(drivers.problems).toEqual({});
  });

  test('an npm package named by a backend is found from the folder of backends.json', async () => {
    const home = join(folder, 'with-packages');
    write(
      join(home, 'node_modules/@acme/paper/package.json'),
      '{"name":"@acme/paper","main":"main.ts","type":"module"}',
    );
    write(
      join(home, 'node_modules/@acme/paper/main.ts'),
      `import paper from '${paperDir}/paper/index.ts';\nexport default { ...paper, name: 'acme-paper' };`,
    );
    const backends = backendsOf({ driver: 'npm:@acme/paper' });
    const options = { 'npm:@acme/paper': { url: 'http://acme' } };
    await using drivers = await load({ packagesFrom: home, backends, options });
    expect(drivers.get('npm:@acme/paper').name).toBe('paper');
    expect(events.at(-1)).toBe('paper.created {"url":"http://acme"}');
  });

  test('a package that a reloaded backends.json newly names is loaded then, not before', async () => {
    const home = join(folder, 'later-packages');
    await using drivers = await load({ packagesFrom: home });
    const backends = backendsOf({ driver: 'npm:later' });
    expect(await drivers.ensureFor(backends)).toEqual([
      `backend "b0": driver "npm:later": package later is not installed in ${home} or ${repositoryRoot}`,
    ]);
    write(join(home, 'node_modules/later/package.json'), '{"name":"later","main":"main.ts"}');
    write(join(home, 'node_modules/later/main.ts'), `export { default } from '${paperDir}/paper/index.ts';`);
    expect(await drivers.ensureFor(backends)).toEqual([]);
    expect(drivers.problems).toEqual({});
    expect(drivers.get('npm:later').name).toBe('paper');
  });

  test('a driver no backend uses is not created', async () => {
    const before = events.length;
    await using drivers = await load({ driversDir: paperDir });
    expect(events.slice(before)).toEqual([]);
    expect(drivers.find('paper')).toBeUndefined();
    expect(() => drivers.get('paper')).toThrow(AppError);
  });

  test('one driver serves all the backends that use it, and is let go once', async () => {
    const before = events.length;
    const drivers = await load({
      driversDir: paperDir,
      backends: backendsOf({ driver: 'paper' }, { driver: 'paper' }),
    });
    await drivers[Symbol.asyncDispose]();
    expect(events.slice(before).map((line) => line.split(' ')[0])).toEqual(['paper.created', 'paper.disposed']);
  });
});

describe('a broken driver', () => {
  const broken: [string, string, string][] = [
    ['cannot be imported', "throw new Error('no luck');", 'no luck'],
    ['exports nothing', 'export const driver = 1;', 'default export: expected'],
    ['has no create', plugin("name: 'odd', create: 1"), 'default export/create: expected function'],
    ['takes any option', plugin("name: 'odd', options: Type.Object({})"), 'default export/options: expected a TypeBox'],
    ['goes by another name', plugin("name: 'even'"), 'calls itself "even"'],
    ['fails to be created', plugin("name: 'odd', create() { throw new Error('no socket'); }"), 'no socket'],
    ['creates nothing', plugin("name: 'odd', create() {}"), 'create returned no driver'],
    [
      'creates a driver without what must be there',
      plugin("name: 'odd', create: () => ({ ...driver, name: undefined, stop: undefined, logs: 1 })"),
      'the driver that create returned/name: expected string; the driver that create returned/stop: expected function; ' +
        'the driver that create returned/logs: expected function, or nothing',
    ],
    [
      'names no URLs of its platform, and cannot be let go',
      plugin("name: 'odd', create: () => ({ ...driver, platformUrls: 'tcp://x', [Symbol.asyncDispose]: 1 })"),
      'the driver that create returned/platformUrls: expected list of URLs, or nothing; ' +
        'the driver that create returned/[Symbol.asyncDispose]: expected function, or nothing',
    ],
    [
      'pauses what it cannot resume',
      plugin("name: 'odd', create: () => ({ ...driver, pause: async () => {} })"),
      'the driver that create returned/resume: expected function, because there is pause',
    ],
    ['refuses its options', plugin("name: 'odd'"), 'DRIVER_OPTIONS/odd/speed: unexpected property (got 3)'],
  ];
  const options = { odd: { speed: 3 } };

  test.each(broken)('that %s fails the boot when an enabled backend uses it', async (_, text, problem) => {
    const sources = { driversDir: driversOf({ odd: text }), backends: backendsOf({ driver: 'odd' }) };
    const problems = await problemsOf(problem.includes('speed') ? { ...sources, options } : sources);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toStartWith(`backend "b0": driver "odd": ${problem}`);
  });

  test.each(broken)('that %s is only reported when a disabled backend uses it', async (_, text, problem) => {
    const sources = { driversDir: driversOf({ odd: text }), backends: backendsOf({ driver: 'odd', disabled: true }) };
    await using drivers = await load(problem.includes('speed') ? { ...sources, options } : sources);
    expect(drivers.problems.odd).toStartWith(problem);
    expect(drivers.find('odd')).toBeUndefined();
  });

  test.each(['export default {', "throw new Error('no luck');", "import 'no-such-package';", 'export default 1;'])(
    'is reported with its file: %s',
    async (text) => {
      const driversDir = driversOf({ odd: text });
      await using drivers = await load({ driversDir });
      expect(drivers.problems.odd?.split(join(driversDir, 'odd/index.ts'))).toHaveLength(2);
    },
  );

  /** Loads a plugin that creates this driver: when `finish` is called where there is a limit, else at once. */
  async function made(driver: object, createMs?: number) {
    const creating = Promise.withResolvers<object>();
    const disposed = Promise.withResolvers<string>();
    Object.assign(globalThis, { made: creating.promise });
    const finish = () =>
      creating.resolve({ ...driver, [Symbol.asyncDispose]: async () => disposed.resolve('disposed') });
    if (createMs === undefined) finish();
    const driversDir = driversOf({ odd: plugin("name: 'odd', create: () => globalThis.made") });
    const backends = backendsOf({ driver: 'odd', disabled: true });
    await using drivers = await load({ driversDir, backends, ...(createMs !== undefined && { createMs }) });
    return { problem: drivers.problems.odd, finish, disposed: disposed.promise };
  }

  test('that is never created does not keep the router from starting, and is let go if it comes late', async () => {
    const { problem, finish, disposed } = await made({}, 1);
    expect(problem).toBe('create returned no driver within 0.001 s');
    finish();
    expect(await disposed).toBe('disposed');
  });

  test('whose import never ends does not keep the router from starting, and is named with its file', async () => {
    const driversDir = driversOf({ odd: 'await new Promise(() => {});' });
    const backends = backendsOf({ driver: 'odd', disabled: true });
    await using drivers = await load({ driversDir, backends, importMs: 10 });
    expect(drivers.problems.odd).toBe(`its import did not end within 0.01 s (${join(driversDir, 'odd/index.ts')})`);
  });

  test('whose watch yields something else than a change says what is expected', async () => {
    const watch = "async *watch() { yield { runnerId: 'a', health: { state: 'stopped' } }; }";
    const driversDir = driversOf({ odd: plugin(`name: 'odd', create: () => ({ ...driver, ${watch} })`) });
    await using drivers = await load({ driversDir, backends: backendsOf({ driver: 'odd' }) });
    const changes = drivers.get('odd').watch?.(AbortSignal.timeout(5_000)) ?? [];
    await expect(Array.fromAsync(changes)).rejects.toMatchObject({
      fault: 'wrong_answer',
      message: '[x] watch gave a wrong answer: health: state: expected one of running, paused, exited, gone, unknown',
    });
  });

  test('that is refused is let go: it may have opened connections', async () => {
    const { problem, disposed } = await made({ name: 'odd' });
    expect(problem).toStartWith('the driver that create returned/ping: expected function');
    expect(await disposed).toBe('disposed');
  });

  test.each([
    ['never ends', '() => new Promise(() => {})', 'asyncDispose did not end within 0.001 s'],
    ['fails', "() => { throw new Error('no luck'); }", 'no luck'],
  ])('whose disposal %s does not keep the router from ending, and the log says so', async (_, dispose, reason) => {
    using warn = spyOn(driversLog, 'warn').mockReturnValue(undefined);
    const create = `create: () => ({ ...driver, [Symbol.asyncDispose]: ${dispose} })`;
    const driversDir = driversOf({ odd: plugin(`name: 'odd', ${create}`) });
    const drivers = await load({ driversDir, backends: backendsOf({ driver: 'odd' }), disposeMs: 1 });
    await drivers[Symbol.asyncDispose]();
    expect(warn.mock.calls.at(-1)).toMatchObject([{ driver: 'odd', err: { message: reason } }, 'driver.not_disposed']);
  });

  const answers: [string, string, string][] = [
    ['start', '({ handle: {} })', 'url: expected an http URL without a slash at its end'],
    ['start', "({ handle: {}, url: 'http://here/' })", 'url: expected an http URL without a slash at its end'],
    ['start', "({ handle: 'id', url: 'http://here' })", 'handle: expected an object'],
    ['start', "({ handle: { n: 5n }, url: 'http://here' })", 'handle: expected JSON'],
    ['start', "({ handle: {}, url: 'https://here' })", 'url: expected http://, host, port, and no more'],
    ['start', "({ handle: {}, url: 'http://me:secret@here' })", 'url: expected http://, host, port, and no more'],
    ['start', "({ handle: {}, url: 'http://here?x=1' })", 'url: expected http://, host, port, and no more'],
    ['start', "({ handle: {}, url: 'http://here:1/v1' })", 'url: expected http://, host, port, and no more'],
    ['start', String.raw`({ handle: {}, url: 'http://here\\v1' })`, 'url: expected http://, host, port, and no more'],
    ['stats', '({ cpuPercent: NaN })', 'cpuPercent: expected a number from 0 on'],
    ['stats', '({ memoryBytes: -1 })', 'memoryBytes: expected a number from 0 on'],
    [
      'list',
      "['a', 'a'].map((runnerId) => ({ runnerId, handle: {}, health: { state: 'exited' } }))",
      'runnerId: expected each runner once, and a is there twice',
    ],
    ['routerAddress', "({ url: 'http://here:1' })", 'listenHost: expected a string, not empty'],
    ['inspect', "({ state: 'up' })", 'state: expected one of running, paused, exited, gone, unknown'],
    ['inspect', "'running'", 'expected an object'],
    ['list', 'undefined', 'expected a list'],
    ['list', "[{ handle: {}, health: { state: 'gone' } }]", 'runnerId: expected a string, not empty'],
  ];
  test.each(answers)('whose %s answers %s says what is expected', async (method, answer, expected) => {
    const driversDir = driversOf({
      odd: plugin(`name: 'odd', create: () => ({ ...driver, ${method}: () => ${answer} })`),
    });
    await using drivers = await load({ driversDir, backends: backendsOf({ driver: 'odd' }) });
    const call = Reflect.apply(Reflect.get(drivers.get('odd'), method), undefined, []);
    await expect(call).rejects.toMatchObject({
      name: 'DriverError',
      fault: 'wrong_answer',
      message: `[x] ${method} gave a wrong answer: ${expected}`,
    });
  });

  test('does not keep the others from being served', async () => {
    const driversDir = driversOf({ odd: 'throw 1', fine: plugin("name: 'fine'") });
    await using drivers = await load({ driversDir, backends: backendsOf({ driver: 'fine' }) });
    expect(drivers.find('fine')).toBeDefined();
    expect(Object.keys(drivers.problems)).toEqual(['odd']);
  });

  test('of a name that is taken is refused together with the one that has it', async () => {
    const driversDir = driversOf({ process: plugin("name: 'process'") });
    expect(await problemsOf({ driversDir, backends: backendsOf({ driver: 'process', trusted: true }) })).toEqual([
      expect.stringContaining('there are two drivers called "process"'),
    ]);
  });

  test('lets go of the drivers created before the boot failed', async () => {
    const before = events.length;
    await problemsOf({ driversDir: paperDir, backends: backendsOf({ driver: 'paper' }, { driver: 'nowhere' }) });
    expect(events.slice(before).map((line) => line.split(' ')[0])).toEqual(['paper.created', 'paper.disposed']);
  });
});

describe('a backend', () => {
  test('of an unknown driver is refused with the names there are', async () => {
    const [problem] = await problemsOf({ driversDir: paperDir, backends: backendsOf({ driver: 'papre' }) });
    expect(problem).toStartWith('backend "b0": there is no driver "papre" (there are: ');
    expect(problem).toContain('paper');
    expect(problem).toEndWith(`; nor ${join(paperDir, 'papre/index.ts')})`);
    const [unset] = await problemsOf({ backends: backendsOf({ driver: 'papre' }) });
    expect(unset).toEndWith('; DRIVERS_DIR is not set)');
  });

  test('with options its driver does not know is refused', async () => {
    const backends = backendsOf({ driver: 'paper', driver_options: { colour: 1, size: 2 } });
    expect(await problemsOf({ driversDir: paperDir, backends })).toEqual([
      'backend "b0": driver_options/size: unexpected property (got 2)',
      'backend "b0": driver_options/colour: expected string (got 1)',
    ]);
  });

  test('that is not trusted is refused on a driver that does not keep runners apart', async () => {
    const driversDir = driversOf({ open: plugin("name: 'open', isolates: false") });
    expect(await problemsOf({ driversDir, backends: backendsOf({ driver: 'open' }) })).toEqual([
      'backend "b0": driver "open" does not keep runners apart, so the backend needs "trusted": true',
    ]);
    await using drivers = await load({ driversDir, backends: backendsOf({ driver: 'open', trusted: true }) });
    expect(drivers.find('open')).toBeDefined();
  });
});

test('options for a driver that is not there are reported, not fatal', async () => {
  await using drivers = await load({ options: { dokcer: {} } });
  expect(drivers.problems).toEqual({ dokcer: 'DRIVER_OPTIONS names it, but there is no such driver' });
});

test('a DRIVERS_DIR that is not there is refused', async () => {
  expect(await problemsOf({ driversDir: '/nowhere' })).toEqual(['DRIVERS_DIR: there is no /nowhere']);
});
