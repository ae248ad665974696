/** The driver on a machine without an engine: it reports that, costs nothing, and works when an engine appears. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import plugin from '../../drivers/docker';
import type { DriverServices } from '../../drivers/driver';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const ROOT = join(import.meta.dir, '../..');
const services: DriverServices = { installationId: 'x', installationLabel: 'x', stateDir: '/', log() {} };
const soon = () => AbortSignal.timeout(5_000);

async function emptyFolder() {
  const path = await mkdtemp(join(tmpdir(), 'agent-stack-away-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** What a process of its own writes: which modules are loaded is a matter of the whole process. */
async function run(script: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const command = [process.execPath, '--no-env-file', '-e', script];
  const child = Bun.spawn(command, { cwd: ROOT, env: { PATH: process.env.PATH ?? '', ...env }, stdout: 'pipe' });
  return JSON.parse(await new Response(child.stdout).text());
}

const BEGIN = `
  const { default: plugin } = await import('./drivers/docker');
  const services = { installationId: 'x', installationLabel: 'x', stateDir: '/', log() {} };`;

/** Asks what a router asks at its start, and looks whether that loaded the engine's client. */
const ASK = `${BEGIN}
  const driver = await plugin.create({}, services);
  const signal = AbortSignal.timeout(5_000);
  const asked = await Promise.allSettled([driver.ping(signal), driver.list(signal), driver.routerAddress(1, signal)]);
  for await (const change of driver.watch(AbortSignal.timeout(200))) {}
  const isLoaded = Object.keys(require.cache).some((file) => file.includes('/dockerode/'));
  console.log(JSON.stringify({ said: asked.map(({ reason }) => reason?.message), isLoaded }));`;

test('without an engine every call says which socket is silent, and dockerode is not loaded', async () => {
  await using folder = await emptyFolder();
  const socket = join(folder.path, 'docker.sock');
  const env = { DOCKER_HOST: `unix://${socket}` };
  const said = `[docker] the engine does not answer: connect ENOENT ${socket}`;
  expect(await run(ASK, env)).toEqual({ said: [said, said, said], isLoaded: false });
  await using _engine = Bun.serve({ unix: socket, fetch: () => Response.json([]) });
  expect(await run(ASK, env)).toMatchObject({ isLoaded: true });
});

test('an engine that comes later is found by the next call', async () => {
  await using folder = await emptyFolder();
  const socket = join(folder.path, 'docker.sock');
  const driver = await plugin.create({ host: socket }, services);
  await expect(driver.ping(soon())).rejects.toMatchObject({ fault: 'unavailable' });
  {
    await using _engine = Bun.serve({ unix: socket, fetch: () => new Response('OK') });
    await driver.ping(soon());
  }
  await expect(driver.ping(soon())).rejects.toMatchObject({ fault: 'unavailable' });
});

test("the user's own engine comes before the system's", async () => {
  await using folder = await emptyFolder();
  const socket = join(folder.path, '.docker/run/docker.sock');
  await Bun.write(socket, '');
  const said = `[docker] the engine does not answer: connect ECONNREFUSED ${socket}`;
  expect(await run(ASK, { HOME: folder.path })).toEqual({ said: [said, said, said], isLoaded: false });
});

test('an address that makes no sense is a problem of the driver before anybody calls it', async () => {
  const certPath = join(tmpdir(), 'there-is-no-such-folder');
  const created = async () => plugin.create({ host: 'https://127.0.0.1:1', certPath }, services);
  await expect(created()).rejects.toMatchObject({ fault: 'unavailable', message: expect.stringContaining('ca.pem') });
  const script = `${BEGIN}
    const said = await plugin.create({}, services).then(() => 'made', (error) => error.message);
    console.log(JSON.stringify(said));`;
  expect(await run(script, { DOCKER_HOST: 'tcp://nowhere:99999' })).toContain("the engine's address is not usable");
});
