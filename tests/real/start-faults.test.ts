/** What the operator reads when a setting is wrong: what happened and what to do, in words and without a stack. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports';
import { startRouterProcess } from '../support/process';
import { until } from '../support/router';
import { problemOf } from '../support/runners';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

/** An address for documentation (RFC 5737), which no machine has. */
const NOWHERE = '192.0.2.1';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-stack-faults-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The last words of a router that cannot start. */
async function lastWords(env: Record<string, string>): Promise<string> {
  const error = await startRouterProcess({ env }).then(
    () => new Error('It started'),
    (thrown: unknown) => thrown as Error,
  );
  const [first = '', ...lines] = error.message.split('\n');
  expect(first).toBe('The router ended with 1:');
  return lines
    .filter((line) => !line.startsWith('{'))
    .join('\n')
    .trim();
}

test('a port that is in use is named, with the setting that changes it', async () => {
  const socket = { open: (one: Bun.Socket) => void one.end(), data() {} };
  using taken = Bun.listen({ hostname: '127.0.0.1', port: 0, socket });
  const port = String(taken.port);
  const inUse = `Port ${port} of 127.0.0.1 is in use. Stop the program that listens there, or set`;
  expect(await lastWords({ FRONTEND_PORT: port })).toBe(`${inUse} FRONTEND_PORT to a free port.`);
  expect(await lastWords({ ROUTER_PORT: port })).toBe(`${inUse} ROUTER_PORT to a free port.`);
});

test('an address that the machine does not have is named, with its setting', async () => {
  const none = (host: string) => `This machine has no address "${host}". Set`;
  const rest = 'to one of its own, or leave it out.';
  for (const host of [NOWHERE, 'nowhere.invalid']) {
    expect(await lastWords({ FRONTEND_BIND_HOST: host })).toBe(`${none(host)} FRONTEND_BIND_HOST ${rest}`);
  }
  expect(await lastWords({ ROUTER_BIND_HOST: NOWHERE })).toBe(`${none(NOWHERE)} ROUTER_BIND_HOST ${rest}`);
});

test('a data folder that cannot be made is named', async () => {
  const file = join(folder, 'a-file');
  await writeFile(file, '');
  for (const path of [file, `${file}/data`, '/proc/agent-stack']) {
    const words = await lastWords({ STACK_DATA_ROOT: path });
    expect(words).toStartWith(`The data folder ${path} cannot be made: E`);
    expect(words).toEndWith("Give the folder above it to the router's user, or set STACK_DATA_ROOT to another folder.");
  }
});

test('what keeps agents from starting is in the log at once', async () => {
  await using router = await startRouterProcess({
    env: {
      SEEDS_ROOT: join(folder, 'no-seeds'),
      USERS_ROOT: '/proc/agent-stack',
      DRIVER_OPTIONS: JSON.stringify({ dokcer: {} }),
    },
  });
  const warned = () =>
    router
      .output()
      .split('\n')
      .filter((line) => line.includes('"level":"warn"'))
      .map((line) => JSON.parse(line) as Record<string, string>);
  const of = (event: string) => warned().filter((line) => line.event === event);
  await until(() => of('homes.refused').length > 0, 'the homes are looked at');
  expect(of('homes.refused')[0]?.problem).toStartWith('Homes cannot be made ready: ');
  expect(of('seed.missing').map(({ backend }) => backend)).toContain('demo');
  expect(of('seed.missing')[0]?.problem).toContain(`there is no ${folder}/no-seeds/demo-home. Set SEEDS_ROOT`);
  expect(of('driver.refused').map(({ driver, problem }) => [driver, problem])).toEqual([
    ['dokcer', 'DRIVER_OPTIONS names it, but there is no such driver'],
  ]);
});

/**
 * A driver that wants the router to listen at an address which the machine does not have.
 * @param silentFor how many times it is asked for the address in vain.
 */
const farDriver = (name: string, host: string, silentFor: number) => `import { Type } from '@sinclair/typebox';
const none = Type.Object({}, { additionalProperties: false });
let asked = 0;
export default {
  name: '${name}', summary: 'Asks for an address', isolates: true, options: none, backendOptions: none,
  create: () => ({
    name: '${name}',
    ping: async () => {},
    routerAddress: async (port) => {
      if (asked++ < ${silentFor}) throw new Error('not yet');
      return { url: 'http://${host}:' + port, listenHost: '${host}' };
    },
    start: async () => { throw new Error('never'); },
    inspect: async () => ({ state: 'gone' }),
    stop: async () => {},
    list: async () => [],
  }),
};`;

test('a driver for which the router cannot listen keeps only its own agents from starting, and they say why', async () => {
  const driversDir = join(folder, 'drivers');
  await mkdir(join(driversDir, 'far'), { recursive: true });
  await writeFile(join(driversDir, 'far/index.ts'), farDriver('far', NOWHERE, 0));
  const command = ['bun', join(import.meta.dir, '../../backends/parrot/main.ts')];
  await using router = await startRouterProcess({
    backends: [
      { name: 'far', driver: 'far', cmd: [] },
      { name: 'near', driver: 'process', trusted: true, cmd: command },
    ],
    env: { DRIVERS_DIR: driversDir, ROUTER_PORT: String(freePort()) },
  });
  await until(() => router.output().includes('"listener.refused"'), 'the log says so');
  const admin = await router.signIn();
  expect((await admin.request('/api/runners/near/start', { method: 'POST' })).status).toBe(200);
  const refused = await admin.request('/api/runners/far/start', { method: 'POST' });
  expect(refused.status).toBe(503);
  expect(await problemOf(refused)).toMatchObject({
    code: 'driver_unavailable',
    detail: 'The agent would not reach the router, which cannot listen for it.',
    hint: `This machine has no address "${NOWHERE}". Set listenHost in DRIVER_OPTIONS to one of its own, or leave it out.`,
  });
});

test('an address at which the router cannot listen is named once in the log, also when its driver answers late', async () => {
  const driversDir = join(folder, 'late-drivers');
  await mkdir(join(driversDir, 'late'), { recursive: true });
  await writeFile(join(driversDir, 'late/index.ts'), farDriver('late', NOWHERE, 1));
  await using router = await startRouterProcess({
    backends: [{ name: 'late', driver: 'late', cmd: [] }],
    env: { DRIVERS_DIR: driversDir, ROUTER_PORT: String(freePort()) },
  });
  const admin = await router.signIn();
  for (let count = 0; count < 3; count += 1) {
    expect((await admin.request('/api/runners/late/start', { method: 'POST' })).status).toBe(503);
  }
  const warned = router
    .output()
    .split('\n')
    .filter((line) => line.includes('"listener.refused"'));
  expect(warned).toEqual([expect.stringContaining(NOWHERE)]);
});
