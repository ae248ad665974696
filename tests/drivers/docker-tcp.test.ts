/** An engine behind a URL: plain TCP, and TLS with the docker command's settings. */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { until } from '../../drivers/conformance/bench';
import type { HealthChange } from '../../drivers/driver';
import { requireEngine } from '../support/engine';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const ROOT = join(import.meta.dir, '../..');
const enginePath = (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock';
const soon = () => AbortSignal.timeout(30_000);

/** Forwards connections to the engine's socket. Returns its address on loopback. */
async function listen(server: Server): Promise<{ readonly at: string; close(): void }> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => open.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = Object(server.address());
  return {
    at: `127.0.0.1:${port}`,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function forward(from: Socket): void {
  const to = connect(enginePath);
  for (const socket of [from, to]) socket.on('error', () => undefined);
  from.on('close', () => to.destroy());
  to.on('close', () => from.destroy());
  from.pipe(to).pipe(from);
}

/** As in Docker's documentation: a CA that signs the certificates of the engine and of the client. */
async function makeCertificates(folder: string) {
  const openssl = (command: string) => Bun.$`sh -c ${`openssl ${command}`}`.cwd(folder).quiet();
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout';
  await openssl(`req -x509 ${key} ca-key.pem -out ca.pem -days 2 -subj /CN=authority`);
  const sign = async (certificate: string, itsKey: string, extension: string) => {
    await Bun.write(join(folder, 'extension'), extension);
    await openssl(`req ${key} ${itsKey} -out request -subj /CN=${itsKey}`);
    const by = '-CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile extension';
    await openssl(`x509 -req -in request ${by} -out ${certificate} -days 2`);
  };
  await sign('server.pem', 'server-key.pem', 'extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1\n');
  await sign('cert.pem', 'key.pem', 'extendedKeyUsage=clientAuth\n');
  const read = (name: string) => readFile(join(folder, name));
  return { ca: await read('ca.pem'), cert: await read('server.pem'), key: await read('server-key.pem') };
}

/** The engine's answer to a process with this environment. */
async function hear(env: Readonly<Record<string, string>>, options: Readonly<Record<string, string>> = {}) {
  const script = `
    const { default: plugin } = await import('./drivers/docker');
    const services = { installationId: 'x', installationLabel: 'x', stateDir: '/', log() {} };
    const ping = async () => (await plugin.create(${JSON.stringify(options)}, services)).ping(AbortSignal.timeout(30_000));
    console.log(await ping().then(() => 'pong', (error) => error.message));`;
  const command = [process.execPath, '--no-env-file', '-e', script];
  const child = Bun.spawn(command, { cwd: ROOT, env: { PATH: process.env.PATH ?? '', ...env }, stdout: 'pipe' });
  return (await new Response(child.stdout).text()).trim();
}

describe.skipIf(!(await requireEngine('an engine behind a URL')))('an engine behind a URL', () => {
  const cleanUp = new AsyncDisposableStack();
  afterAll(() => cleanUp.disposeAsync());

  test('a runner is started, seen, heard, watched and stopped through tcp', async () => {
    const engine = await listen(createServer(forward));
    cleanUp.defer(engine.close);
    const bench = await createDockerBench({ host: `tcp://${engine.at}` });
    cleanUp.defer(bench.dispose);
    const driver = await bench.create();
    const told: HealthChange[] = [];
    const watching = new AbortController();
    const watched = (async () => {
      for await (const change of driver.watch?.(watching.signal) ?? []) told.push(change);
    })();
    const { spec, handle, url } = await bench.inside(driver);
    expect(url).toStartWith('http://127.0.0.2:');
    expect(await driver.inspect(handle, soon())).toMatchObject({ state: 'running' });
    expect(await driver.logs?.(handle, { tailLines: 5, signal: soon() })).toBeArray();
    await driver.stop(handle, { graceMs: 1000 });
    await until('the watch tells', () => told.some(({ runnerId }) => runnerId === spec.id));
    expect(told).toEqual([{ runnerId: spec.id, health: { state: 'gone' } }]);
    watching.abort();
    await watched;
  });

  test('DOCKER_HOST may be such a URL', async () => {
    const engine = await listen(createServer(forward));
    cleanUp.defer(engine.close);
    expect(await hear({ DOCKER_HOST: `tcp://${engine.at}` })).toBe('pong');
    engine.close();
    expect(await hear({ DOCKER_HOST: `tcp://${engine.at}` })).toContain('the engine does not answer');
  });

  test.skipIf(Bun.which('openssl') === null)('with TLS each side proves who it is', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'agent-stack-tls-'));
    cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
    const certificates = await makeCertificates(folder);
    const engine = await listen(createTlsServer({ ...certificates, requestCert: true }, forward));
    cleanUp.defer(engine.close);
    const tcp = { DOCKER_HOST: `tcp://${engine.at}` };
    const verified = { ...tcp, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder };
    expect(await hear(verified)).toBe('pong');
    expect(await hear({}, { host: `https://${engine.at}`, certPath: folder })).toBe('pong');
    expect(await hear({}, { host: `tcp://${engine.at}`, certPath: folder })).toBe('pong');
    // The environment's settings of another engine are ignored.
    expect(await hear(verified, { host: `unix://${enginePath}` })).toBe('pong');

    for (const options of [{ host: `tcp://${engine.at}` }, { host: `https://${engine.at}` }]) {
      expect(await hear({}, options)).toContain('the engine does not answer');
    }
    expect(await hear({}, { host: `https://${engine.at}`, certPath: join(folder, 'none') })).toContain('ca.pem');
  });
});
