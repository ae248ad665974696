/** `bun run doctor`: a correct installation passes, and each fault is reported with the command that fixes it. */

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { examine, type Named } from '../../scripts/doctor';
import { docker, removeInstallation, requireEngine } from '../support/engine';
import { testImage } from '../support/image';
import { freePort } from '../support/ports';
import { memoryBackend, startRouter } from '../support/router';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const directory = await mkdtemp(join(tmpdir(), 'agent-stack-doctor-test-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Settings of a separate installation, with `changes`. */
async function setUp(backends: unknown, changes: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(directory, 'checkout-'));
  const backendsPath = join(folder, 'backends.json');
  await writeFile(backendsPath, typeof backends === 'string' ? backends : JSON.stringify(backends));
  return {
    JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
    ENCRYPTION_KEY: '00'.repeat(32),
    STACK_DATA_ROOT: join(folder, 'data'),
    BACKENDS_CONFIG_PATH: backendsPath,
    FRONTEND_PORT: String(freePort()),
    ROUTER_PORT: String(freePort()),
    ...changes,
  };
}

const plain = [memoryBackend('plain')];
const all = (env: Readonly<Record<string, string>>): Promise<Named[]> => Array.fromAsync(examine(env));
const problems = async (env: Readonly<Record<string, string>>) =>
  (await all(env))
    .filter(({ state }) => state === 'problem')
    .map(({ name, text, remedy }) => `${name}: ${text} → ${remedy}`);

/** The processes and containers that `bun run doctor` starts. */
async function run(env: Readonly<Record<string, string>>) {
  const command = [process.execPath, '--no-env-file', join(import.meta.dir, '../../scripts/doctor.ts')];
  const child = Bun.spawn(command, { env: { PATH: process.env.PATH ?? '', ...env }, stdout: 'pipe' });
  return { output: await new Response(child.stdout).text(), exitCode: await child.exited };
}

describe('doctor on the host', () => {
  test('a good set-up passes, one line per check, without an engine where no backend needs one', async () => {
    const env = await setUp(plain);
    const { output, exitCode } = await run(env);
    expect(output).toContain('ok       docker: no backend needs it\n');
    expect(output).toEndWith('Nothing is wrong.\n');
    expect(exitCode).toBe(0);
    expect(await readdir(env.STACK_DATA_ROOT)).toEqual([]);
  });

  test('a problem is printed with the command that fixes it, and the exit code is 1', async () => {
    const { output, exitCode } = await run(await setUp(plain, { JWT_SECRET: 'CHANGE_ME', COOKIE_SECURE: 'perhaps' }));
    expect(output).toMatch(
      /^problem {2}settings: JWT_SECRET must be .+\n +→ in \.env, such as: .+openssl rand -hex 32$/m,
    );
    expect(output).toContain('settings: COOKIE_SECURE');
    expect(output).toEndWith('2 problems.\n');
    expect(output).not.toContain('perhaps');
    expect(exitCode).toBe(1);
  });

  test('a backends.json that is no JSON is named with the place, and nothing is said of what depends on it', async () => {
    const { output, exitCode } = await run(await setUp('[\n  {"name": "demo",\n]'));
    expect(output).toMatch(
      /^problem {2}backends: backends\.json is not valid JSON at line 3, column 1: .+\n +→ edit \//m,
    );
    expect(output).toContain('note     docker: not checked, as backends.json is not valid\n');
    expect(output).toEndWith('1 problem.\n');
    expect(exitCode).toBe(1);
  });

  test('a data folder that cannot be written to', async () => {
    const env = await setUp(plain);
    const found = await problems({ ...env, STACK_DATA_ROOT: join(env.BACKENDS_CONFIG_PATH, 'data') });
    expect(found.join('\n')).toMatch(/^data folder: .+ → sudo chown -R \d+:\d+ \//m);
  });

  test('a port that another program has', async () => {
    using server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('no router') });
    const port = String(server.port);
    expect(await problems(await setUp(plain, { FRONTEND_PORT: port }))).toEqual([
      `public port: another program has 127.0.0.1:${port} → ss -ltnp 'sport = :${port}'   or set another FRONTEND_PORT in .env`,
    ]);
  });

  test('a clock that runs behind', async () => {
    const env = await setUp(plain);
    const written = join(directory, 'router.db');
    await writeFile(written, '');
    await utimes(written, new Date(), new Date(Date.now() + 3_600_000));
    const [found] = await problems({ ...env, DB_PATH: written });
    expect(found).toMatch(/^clock: .+ → sudo timedatectl set-ntp true$/);
  });

  test('an internal listener that everybody reaches', async () => {
    const [found] = await problems(await setUp(plain, { ROUTER_BIND_HOST: '0.0.0.0' }));
    expect(found).toMatch(/^exposure: ROUTER_BIND_HOST=0.0.0.0 .+ → take ROUTER_BIND_HOST out of .env/);
  });

  test('passwords in the clear are worth a note, and no problem', async () => {
    const env = await setUp(plain, { FRONTEND_BIND_HOST: '0.0.0.0' });
    expect((await all(env)).filter(({ state }) => state !== 'ok')).toEqual([
      { name: 'exposure', state: 'note', text: expect.any(String), remedy: expect.stringContaining('COOKIE_SECURE') },
    ]);
  });

  test('backends.json and drivers that are not in order', async () => {
    expect((await problems(await setUp('[{"name": 1}]'))).join('\n')).toMatch(/^backends: .+ → edit \//m);
    const [found] = await problems(await setUp([{ ...memoryBackend('x'), driver: 'paper' }]));
    expect(found).toStartWith('drivers: backend "x": there is no driver "paper" (there are: ');
  });
});

describe.skipIf(!(await requireEngine('doctor and the engine')))('doctor and the engine', () => {
  const backend = async (more: object = {}) => ({
    ...{ name: 'boxed', driver: 'docker', image: await testImage(), cmd: ['bun', '/home/agent/main.js'] },
    ...{ user: '1000:1000', chown_uid: 1000, headers: {} },
    ...more,
  });
  const networks = async () => (await docker.listNetworks()).map(({ Name }) => Name).sort();
  const containers = async () => (await docker.listContainers({ all: true, filters: { name: ['ar-doctor-'] } })).length;

  test('a good set-up passes, in both networks, and nothing is left behind', async () => {
    const before = await networks();
    const both = [await backend(), await backend({ name: 'shut', driver_options: { network: 'sealed' } })];
    const env = await setUp(both);
    const found = await all(env);
    expect(found.filter(({ state }) => state === 'problem')).toEqual([]);
    const texts = found.map(({ name, text }) => `${name}: ${text}`).join('\n');
    expect(texts).toMatch(/^engine: version \d/m);
    for (const { name } of both) {
      expect(texts).toMatch(
        new RegExp(`^${name}: network: runners reach the router at http://[\\d.]+:${env.ROUTER_PORT}$`, 'm'),
      );
      expect(texts).toContain(`${name}: network: homes are below ${env.STACK_DATA_ROOT}`);
    }
    expect(await networks()).toEqual(before);
    expect(await containers()).toBe(0);
    expect(await readdir(env.STACK_DATA_ROOT)).toEqual([]);
  });

  test('a second listener of the host that a runner reaches is reported, with the firewall rules that block it', async () => {
    const notes = (await all(await setUp([await backend()]))).filter(({ state }) => state === 'note');
    // Applies if no firewall is in between, as the driver's README.md says of every engine.
    expect(notes.map(({ remedy }) => remedy)).toEqual([expect.stringContaining('drivers/docker/README.md')]);
  });

  test('beside a router that runs it passes too', async () => {
    await using router = await startRouter({ backends: [await backend()] });
    const { config, installationId } = router.context;
    const env = await setUp([await backend()], {
      STACK_DATA_ROOT: router.dataRoot,
      FRONTEND_PORT: new URL(router.url).port,
      ROUTER_PORT: String(config.internal.port),
    });
    try {
      expect(await problems(env)).toEqual([]);
    } finally {
      await removeInstallation(installationId);
    }
  });

  test('an image that is not there yet, which the first start fetches, is a note and no problem', async () => {
    const env = await setUp([await backend({ image: 'agent-stack.invalid/none:1' })]);
    expect(await problems(env)).toEqual([]);
    expect(await all(env)).toContainEqual({
      ...{ name: 'boxed: image', state: 'note', remedy: 'docker pull agent-stack.invalid/none:1' },
      text: 'agent-stack.invalid/none:1 is not on this machine: the first start of a runner fetches it',
    });
  });

  test('an engine that is away', async () => {
    const options = { docker: { host: join(directory, 'no.sock') } };
    const found = await problems(await setUp([await backend()], { DRIVER_OPTIONS: JSON.stringify(options) }));
    expect(found).toEqual([expect.stringMatching(/^engine: .+does not answer.+ → .+docker version$/)]);
  });

  test('a data folder that the engine does not find, or finds another for', async () => {
    const other = join(directory, 'other');
    await mkdir(other, { recursive: true });
    for (const root of [join(directory, 'nowhere'), other]) {
      const [found] = await problems(await setUp([await backend()], { HOST_STACK_ROOT: root }));
      expect(found).toMatch(/^boxed: network: the engine does not find .+ → HOST_STACK_ROOT=/);
    }
  });

  test('a router that listens where no runner is', async () => {
    const [found] = await problems(await setUp([await backend()], { ROUTER_BIND_HOST: '127.0.0.1' }));
    expect(found).toMatch(/^boxed: network: runners do not reach .+ → take ROUTER_BIND_HOST out of \.env$/);
  });

  test('a network that does not exist', async () => {
    const [found] = await problems(await setUp([await backend({ network_mode: 'agent-stack-nowhere' })]));
    expect(found).toContain('docker network create agent-stack-nowhere');
  });
});
