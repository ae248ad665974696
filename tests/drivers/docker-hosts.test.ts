/** Engines with fewer features than Docker's own: the test engine, with one of its answers changed. */

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { examine } from '../../scripts/doctor';
import { requireEngine } from '../support/engine';
import { freePort } from '../support/ports';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const enginePath = (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock';
const soon = () => AbortSignal.timeout(30_000);
const cleanUp = new AsyncDisposableStack();
afterAll(() => cleanUp.disposeAsync());

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'agent-stack-hosts-'));
  cleanUp.defer(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A socket that passes calls on to the engine, and applies `changes` to its answers to matching `GET`s. */
async function lesserEngine(fits: RegExp, changes: object): Promise<string> {
  const path = join(await folder(), 'docker.sock');
  const server = createServer((asked, answer) => {
    const { method = '', url = '', headers } = asked;
    const onward = request({ socketPath: enginePath, method, path: url, headers }, async (said) => {
      const { statusCode = 502 } = said;
      if (method !== 'GET' || statusCode !== 200 || !fits.test(url)) {
        answer.writeHead(statusCode, said.headers);
        said.pipe(answer);
        return;
      }
      const body: unknown = JSON.parse(Buffer.concat(await Array.fromAsync(said)).toString());
      answer.writeHead(200, { 'content-type': 'application/json' });
      answer.end(JSON.stringify({ ...Object(body), ...changes }));
    });
    asked.pipe(onward);
  }).listen(path);
  await once(server, 'listening');
  cleanUp.defer(async () => {
    server.closeAllConnections();
    server.close();
  });
  return path;
}

/** The doctor's report about this engine. */
async function engineFindings(host: string) {
  const root = await folder();
  const backendsPath = join(root, 'backends.json');
  await writeFile(backendsPath, JSON.stringify([{ name: 'boxed', driver: 'docker', image: 'agent-stack/none:1' }]));
  const findings = examine({
    JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
    ENCRYPTION_KEY: '00'.repeat(32),
    STACK_DATA_ROOT: join(root, 'data'),
    BACKENDS_CONFIG_PATH: backendsPath,
    FRONTEND_PORT: String(freePort()),
    ROUTER_PORT: String(freePort()),
    DRIVER_OPTIONS: JSON.stringify({ docker: { host } }),
  });
  return (await Array.fromAsync(findings)).filter(({ name }) => /^(engine|boxed: image)$/.test(name));
}

describe.skipIf(!(await requireEngine('engines that can do less')))('engines that can do less', () => {
  test('a network whose runners are not kept apart gets none, and the refusal says what to do instead', async () => {
    // Podman leaves out the options that it does not know.
    const host = await lesserEngine(/^\/networks\/agent-stack-/, { Options: {} });
    const bench = await createDockerBench({ host });
    cleanUp.defer(bench.dispose);
    const driver = await bench.create();
    for (const network of ['own', 'sealed']) {
      const starting = driver.start(await bench.spec({ options: { network } }), bench.context());
      expect(await starting.catch((error) => error)).toMatchObject({
        fault: 'start_failed',
        message: expect.stringContaining('does not keep runners in one network apart'),
        hint: expect.stringContaining('"network_mode"'),
      });
    }
    expect(await driver.list(soon())).toEqual([]);
  });

  test('doctor notes an engine that sets no limits, and says where to read about it', async () => {
    const host = await lesserEngine(/^\/info/, { MemoryLimit: false, PidsLimit: false });
    const [version, limits] = await engineFindings(host);
    expect(version).toMatchObject({ state: 'ok' });
    expect(limits).toMatchObject({
      state: 'note',
      text: expect.stringContaining('runners can take all memory, processes of this machine'),
      remedy: expect.stringContaining('Other engines'),
    });
  });

  test('doctor says how an image of ours is made', async () => {
    expect(await engineFindings(enginePath)).toContainEqual({
      name: 'boxed: image',
      state: 'problem',
      text: 'agent-stack/none:1 is not on this machine, and nobody publishes it',
      remedy: 'docker build -t agent-stack/none:1 images/none',
    });
  });
});

// Root can access everything.
test.skipIf(process.getuid?.() === 0)(
  'doctor says which group opens a socket that is closed to this user',
  async () => {
    const unix = join(await folder(), 'docker.sock');
    const listener = Bun.listen({ unix, socket: { data() {} } });
    await chmod(unix, 0);
    const [found, ...rest] = await engineFindings(unix);
    listener.stop(true);
    expect(found).toMatchObject({ state: 'problem', remedy: expect.stringContaining('usermod -aG docker') });
    expect(rest).toEqual([]);
  },
);
