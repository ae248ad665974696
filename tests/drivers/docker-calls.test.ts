/** The driver behind a proxy that passes on the calls that its README lists, and no others. */

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../drivers/conformance/bench';
import type { HealthChange } from '../../drivers/driver';
import { openDatabase } from '../../router/database/database';
import { createStores } from '../../router/stores';
import { examine } from '../../scripts/doctor';
import { docker, removeInstallation, requireEngine } from '../support/engine';
import { startEngineProxy } from '../support/engine-proxy';
import { testImage } from '../support/image';
import { freePort } from '../support/ports';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const README = join(import.meta.dir, '../../drivers/docker/README.md');
const soon = () => AbortSignal.timeout(30_000);

interface Call {
  readonly method: string;
  /** In the README's notation, one path per alternative. */
  readonly path: string;
  fits(path: string): boolean;
}

/** The table of the README: `{a,b}` is a choice, `*` one segment, except that the name of an image may have several. */
async function listedCalls(): Promise<readonly Call[]> {
  const rows = (await readFile(README, 'utf8')).matchAll(/^\| `([A-Z]+)` +\| (.+) \|$/gm);
  return [...rows].flatMap(([, method = '', cell = '']) => {
    const patterns = [...cell.matchAll(/`([^`]+)`/g)].map(([, pattern = '']) => pattern);
    return patterns.flatMap(alternatives).map((path) => {
      const name = path.startsWith('/images/') ? '.+' : '[^/]+';
      const pattern = new RegExp(`^${path.replaceAll('*', name)}$`);
      return { method, path, fits: (asked: string) => pattern.test(asked) };
    });
  });
}

function alternatives(pattern: string): readonly string[] {
  const [, before = '', choice = '', after = ''] = /^(.*)\{(.+)\}(.*)$/.exec(pattern) ?? [];
  return choice === '' ? [pattern] : choice.split(',').map((one) => before + one + after);
}

/** A socket of the engine that passes on the listed calls, and remembers both kinds. */
async function startProxy(calls: readonly Call[]) {
  const used = new Set<Call>();
  const proxy = await startEngineProxy((method, path) => {
    const call = calls.find((one) => one.method === method && one.fits(path));
    if (call) used.add(call);
    return call !== undefined;
  });
  return { ...proxy, used };
}

describe.skipIf(!(await requireEngine('the calls of the docker driver')))('the calls of the docker driver', () => {
  const extra = `agent-stack-test-${crypto.randomUUID().slice(0, 8)}`;
  const cleanUp = new AsyncDisposableStack();
  afterAll(() => cleanUp.disposeAsync());

  test('the driver makes the calls its README lists, and no other', async () => {
    const calls = await listedCalls();
    expect(calls.length).toBeGreaterThan(12);
    const proxy = await startProxy(calls);
    cleanUp.defer(proxy.close);
    const network = await docker.createNetwork({ Name: extra, Internal: true });
    cleanUp.defer(() => network.remove());
    const bench = await createDockerBench({ host: `unix://${proxy.path}` });
    cleanUp.defer(bench.dispose);
    const driver = await bench.create();

    await driver.ping(soon());
    const told: HealthChange[] = [];
    const watching = new AbortController();
    const watched = (async () => {
      for await (const change of driver.watch?.(watching.signal) ?? []) told.push(change);
    })();
    await until('the watch listens', () => [...proxy.used].some(({ path }) => path === '/events'));

    const { spec, handle, read } = await bench.inside(driver, { network: { extra: [extra] } });
    expect(await read('/proc/sys/kernel/hostname')).toBeString();
    expect(await driver.inspect(handle, soon())).toMatchObject({ state: 'running' });
    expect(await driver.logs?.(handle, { tailLines: 5, signal: soon() })).toBeArray();
    expect(await driver.stats?.(handle, soon())).toHaveProperty('memoryBytes');
    expect(await driver.list(soon())).toHaveLength(1);
    await docker.getContainer(String(handle.containerId)).pause();
    expect(await driver.inspect(handle, soon())).toEqual({ state: 'paused' });
    await driver.resume?.(handle, soon());
    expect(await driver.inspect(handle, soon())).toMatchObject({ state: 'running' });
    expect((await driver.routerAddress(18_080, soon())).listenHost).toBeString();
    await driver.prepare?.(spec.image ?? '', bench.context());
    // There is nothing at this address: what matters is that it may be asked for.
    await expect(driver.prepare?.('agent-stack.invalid/none:1', bench.context())).rejects.toThrow();
    await docker.getContainer(String(handle.containerId)).kill();
    await until('the watch tells that it has ended', () => told.some(({ health }) => health.state === 'exited'));
    const other = await bench.inside(driver);
    // Two at once: one of them may wait for the other's removal.
    const stops = [handle, other.handle, other.handle].map((one) => driver.stop(one, { graceMs: 1000 }));
    await Promise.all(stops);
    expect(await driver.inspect(handle, soon())).toEqual({ state: 'gone' });
    watching.abort();
    await watched;

    expect(proxy.refused).toEqual([]);
    // Only when a removal is met half-way is it waited for, which nobody can arrange.
    // And only what cannot be removed is renamed: docker-left.test.ts has one.
    const isAlways = ({ path }: Call) => !['/containers/*/wait', '/containers/*/rename'].includes(path);
    const unused = calls.filter((call) => isAlways(call) && !proxy.used.has(call));
    expect(unused.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  test('the doctor needs only the same calls, except to read what the engine can limit', async () => {
    const proxy = await startProxy(await listedCalls());
    cleanUp.defer(proxy.close);
    const dataRoot = await mkdtemp(join(tmpdir(), 'agent-stack-proxy-data-'));
    cleanUp.defer(() => rm(dataRoot, { recursive: true, force: true }));
    cleanUp.defer(() => removeInstallation(extra));
    const database = openDatabase(join(dataRoot, 'router.db'));
    await createStores(database.db).installation.keep('id', () => extra);
    database.close();
    const backendsPath = join(dataRoot, 'backends.json');
    await Bun.write(backendsPath, JSON.stringify([{ name: 'boxed', driver: 'docker', image: await testImage() }]));
    const findings = examine({
      JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
      ENCRYPTION_KEY: '00'.repeat(32),
      STACK_DATA_ROOT: dataRoot,
      BACKENDS_CONFIG_PATH: backendsPath,
      FRONTEND_PORT: String(freePort()),
      ROUTER_PORT: String(freePort()),
      DRIVER_OPTIONS: JSON.stringify({ docker: { host: proxy.path } }),
    });
    expect((await Array.fromAsync(findings)).filter(({ state }) => state === 'problem')).toEqual([]);
    expect(proxy.refused).toEqual(['GET /info']);
  });

  test('a call that is not on the list is blocked, so that the test covers the list', async () => {
    const proxy = await startProxy(await listedCalls());
    cleanUp.defer(proxy.close);
    for (const path of ['/v1.41/info', '/containers/x/exec', '/containers/x/../../info', '/images/x', '/volumes']) {
      const answer = await fetch(`http://engine${path}`, { unix: proxy.path });
      expect([path, answer.status]).toEqual([path, 403]);
    }
    expect(proxy.refused).toHaveLength(5);
  });
});
