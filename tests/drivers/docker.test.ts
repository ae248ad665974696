import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdir, readFile, rm } from 'node:fs/promises';
import { conformDriver } from '../../drivers/conformance';
import { callRunner, SECRET, until } from '../../drivers/conformance/bench';
import type { StartProgress } from '../../drivers/driver';
import { INSTALLATION_LABEL } from '../../drivers/driver';
import { docker, requireEngine } from '../support/engine';
import { freePort, portRange } from '../support/ports';
import { createDockerBench, dockerTarget } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const conformance = await dockerTarget();
await conformDriver(conformance.target);
afterAll(conformance.removeAll);

/** CPU time that a loop has used when it is measured. */
const LOOP_MS = 200;
/** Only ends a failed test. */
const soon = () => AbortSignal.timeout(30_000);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

/** Ends the engine's process that listens at a published port of loopback; the port stays allocated. */
async function killProxy(port: number): Promise<void> {
  for (const pid of await readdir('/proc')) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('docker-proxy') && command.includes(`-host-port\0${port}\0`)) process.kill(Number(pid));
  }
}

if (await requireEngine('what the docker driver owns')) {
  const bench = await createDockerBench();
  const image = bench.target.image ?? '';
  const inspect = (id: string) => docker.getContainer(id).inspect();
  /** A container without our labels. */
  const stranger = async (name: string, labels: Record<string, string> = {}) => {
    const Labels = { 'agent-stack.test': bench.installationId, ...labels };
    const container = await docker.createContainer({ name, Image: image, Cmd: ['bun', '-e', '1'], Labels });
    return {
      id: container.id,
      [Symbol.asyncDispose]: () => container.remove({ force: true, v: true }),
    };
  };
  afterEach(() => bench.sweep(), 60_000);
  afterAll(() => bench.dispose(), 60_000);

  describe('what is ours', () => {
    test('law 6: a name that another container has is name_taken, and that container stays', async () => {
      const driver = await bench.create();
      const spec = await bench.spec();
      await using other = await stranger(spec.name);
      const error = await failureOf(driver.start(spec, bench.context()));
      expect(error).toMatchObject({ fault: 'name_taken' });
      expect(error.message).toContain(spec.name);
      expect((await inspect(other.id)).Name).toBe(`/${spec.name}`);
    });

    test('law 6: a container without our labels is gone to inspect, and refused by stop', async () => {
      const driver = await bench.create();
      await using other = await stranger('agent-stack-test-stranger', {
        [INSTALLATION_LABEL]: bench.foreignInstallationId,
        'agent-stack.runner': 'r1',
      });
      const handle = { runnerId: 'r1', containerId: other.id };
      expect(await driver.inspect(handle, soon())).toEqual({ state: 'gone' });
      expect(await failureOf(driver.stop(handle, { graceMs: 0 }))).toMatchObject({ fault: 'name_taken' });
      expect((await inspect(other.id)).Id).toBe(other.id);
    });

    test('law 2: a container that was made and never started is replaced by the next start', async () => {
      const driver = await bench.create();
      const spec = await bench.spec();
      const Labels = { ...spec.labels };
      const left = await docker.createContainer({ name: spec.name, Image: image, Cmd: ['bun', '-e', '1'], Labels });
      expect(await driver.list(soon())).toMatchObject([{ runnerId: spec.id, health: { state: 'exited' } }]);
      const { handle } = await bench.ready(driver, spec);
      expect(handle.containerId).not.toBe(left.id);
      expect(await driver.list(soon())).toHaveLength(1);
    });

    test("law 6: a copy of a container, with its labels, is not the driver's", async () => {
      const driver = await bench.create();
      const spec = await bench.spec();
      const { handle } = await bench.ready(driver, spec);
      const { Config: config } = await inspect(String(handle.containerId));
      await using copy = await stranger(`${spec.name}-copy`, config.Labels);
      expect(await driver.list(soon())).toMatchObject([{ runnerId: spec.id, handle, health: { state: 'running' } }]);
      expect((await inspect(copy.id)).Id).toBe(copy.id);
    });

    test('a prefix is for people: the runner is found without it', async () => {
      const spec = await bench.spec({ namePrefix: 'team-a' });
      const { handle } = await (await bench.create()).start(spec, bench.context());
      expect((await inspect(String(handle.containerId))).Name).toBe(`/team-a-${spec.name}`);
      const again = await (await bench.create()).start({ ...spec, namePrefix: 'team-b' }, bench.context());
      expect(again.handle).toEqual(handle);
    });

    test('stop takes the anonymous volumes along', async () => {
      const driver = await bench.create();
      const { handle } = await bench.ready(driver, await bench.spec());
      const { Mounts: mounts } = await inspect(String(handle.containerId));
      const volume = mounts.find(({ Type }) => Type === 'volume')?.Name ?? 'none';
      expect((await docker.getVolume(volume).inspect()).Name).toBe(volume);
      await driver.stop(handle, { graceMs: 0 });
      expect(await failureOf(docker.getVolume(volume).inspect())).toMatchObject({ statusCode: 404 });
    });
  });

  describe('a start', () => {
    test('says which image is missing and what to type', async () => {
      const driver = await bench.create();
      const error = await failureOf(driver.start(await bench.spec({ image: 'nobody/none:7' }), bench.context()));
      expect(error).toMatchObject({ fault: 'image_missing', hint: 'Try: docker pull nobody/none:7' });
      const without = await bench.spec();
      delete (without as { image?: string }).image;
      expect(await failureOf(driver.start(without, bench.context()))).toMatchObject({ fault: 'start_failed' });
    });

    test('law 9: an environment that the engine refuses and quotes does not get into the error', async () => {
      const driver = await bench.create();
      const error = await failureOf(driver.start(await bench.spec({ env: { '': SECRET } }), bench.context()));
      expect(error.message).toContain('invalid environment variable');
      expect(Bun.inspect(error, { depth: 10 })).not.toContain(SECRET);
    });

    test('law 3: one that is aborted while its container is made leaves nothing behind', async () => {
      const driver = await bench.create();
      for (const stage of ['create', 'start']) {
        const controller = new AbortController();
        const progress = (step: StartProgress) => step.stage === stage && setTimeout(() => controller.abort());
        const starting = driver.start(await bench.spec(), { signal: controller.signal, progress });
        expect(await failureOf(starting)).toMatchObject({ fault: 'timeout' });
        await until('nothing is left', async () => (await driver.list(soon())).length === 0);
      }
    });

    test('fails clearly when the engine does not see the home', async () => {
      const driver = await bench.create();
      const spec = await bench.spec();
      await rm(spec.home.source, { recursive: true });
      const error = await failureOf(driver.start(spec, bench.context()));
      expect(error).toMatchObject({ fault: 'start_failed' });
      expect(error.hint).toContain('HOST_STACK_ROOT');
    });

    test('mounts the home from where the host sees it', async () => {
      const driver = await bench.create();
      const spec = await bench.spec();
      const home = { ...spec.home, source: '/only/in/the/router', hostSource: spec.home.source };
      const { url } = await bench.ready(driver, { ...spec, home });
      await callRunner(url, '/write', 'here');
      expect(await Bun.file(`${spec.home.source}/written.txt`).text()).toBe('here');
    });

    test('never mounts what holds the socket of the engine', async () => {
      const driver = await bench.create();
      const spec = await bench.spec();
      for (const source of ['/', '/var/run', '/var/run/docker.sock']) {
        const error = await failureOf(driver.start({ ...spec, home: { source, target: '/h' } }, bench.context()));
        expect(error.message).toContain('socket');
      }
      expect(await driver.list(soon())).toEqual([]);
    });

    test('with a program that the image does not have ends with 127 and says so in its output', async () => {
      const driver = await bench.create();
      const spec = await bench.spec({ command: ['no-such-program'] });
      const started = await driver.start(spec, bench.context()).catch((error) => error);
      // The init may have ended before the container can be inspected.
      if (started instanceof Error) {
        expect(started).toMatchObject({ fault: 'start_failed', hint: expect.stringContaining('no-such-program') });
        return;
      }
      const health = () => driver.inspect(started.handle, soon());
      await until('it has ended', async () => (await health()).state === 'exited');
      expect(await health()).toMatchObject({ exitCode: 127 });
      const lines = await driver.logs?.(started.handle, { tailLines: 5, signal: soon() });
      expect(lines?.join('\n')).toContain('no-such-program');
    });

    test('publishes on loopback, at a port of the range, and is no_capacity when none is left', async () => {
      const port = freePort();
      const range = { start: port, end: port };
      const services = {
        installationId: bench.installationId,
        installationLabel: INSTALLATION_LABEL,
        stateDir: '/tmp',
      };
      const driver = await bench.target.plugin.create({}, { ...services, portRange: range, log: () => {} });
      const { url } = await driver.start(await bench.spec(), bench.context());
      expect(url).toBe(`http://127.0.0.2:${port}`);
      expect(await failureOf(driver.start(await bench.spec(), bench.context()))).toMatchObject({
        fault: 'no_capacity',
      });
      expect(await driver.list(soon())).toHaveLength(1);
    });

    test('a port of the range that another program uses is skipped, every time', async () => {
      const services = {
        installationId: bench.installationId,
        installationLabel: INSTALLATION_LABEL,
        stateDir: '/tmp',
        log: () => {},
      };
      const [first, last] = portRange(4);
      const at = (start: number, end: number) =>
        bench.target.plugin.create({}, { ...services, portRange: { start, end } });
      // The engine has allocated it, but nothing listens there.
      const allocated = await (await at(first, first)).start(await bench.spec(), bench.context());
      await killProxy(first);
      // Another program of the machine listens there.
      const program = Bun.listen({ hostname: '0.0.0.0', port: first + 1, socket: { data() {} } });
      const driver = await at(first, last);
      try {
        for (let round = 0; round < 3; round += 1) {
          const specs = [await bench.spec(), await bench.spec()];
          const started = await Promise.all(specs.map((spec) => driver.start(spec, bench.context())));
          const ports = started.map(({ url }) => Number(new URL(url).port)).toSorted();
          expect(ports).toEqual([first + 2, first + 3]);
          const third = driver.start(await bench.spec(), bench.context());
          expect(await failureOf(third)).toMatchObject({ fault: 'no_capacity' });
          for (const { handle } of started) await driver.stop(handle, { graceMs: 0 });
        }
        expect(await driver.list(soon())).toHaveLength(1);
      } finally {
        program.stop(true);
        await driver.stop(allocated.handle, { graceMs: 0 });
      }
    }, 60_000);

    test('logs hold both streams in order', async () => {
      const driver = await bench.create();
      const script = 'console.log("one"); console.error("two ü"); console.log("three"); setInterval(() => {}, 1e6)';
      const { handle } = await driver.start(await bench.spec({ command: ['bun', '-e', script] }), bench.context());
      const logs = () => driver.logs?.(handle, { tailLines: 10, signal: soon() });
      await until('all is written', async () => (await logs())?.length === 3);
      expect((await logs())?.toSorted()).toEqual(['one', 'three', 'two ü']);
      await driver.stop(handle, { graceMs: 0 });
      expect(await logs()).toEqual([]);
    });

    test('stats tell of memory at once and of the CPU since the last call', async () => {
      const driver = await bench.create();
      const { handle } = await driver.start(await bench.spec({ command: ['bun', '-e', 'for (;;);'] }), bench.context());
      const stats = () => driver.stats?.(handle, soon());
      const container = docker.getContainer(String(handle.containerId));
      const usedMs = async () =>
        (await container.stats({ stream: false, 'one-shot': true })).cpu_stats.cpu_usage.total_usage / 1e6;
      const begunMs = performance.now();
      const first = await stats();
      expect([first?.memoryBytes, first?.cpuPercent]).toEqual([expect.any(Number), undefined]);
      expect(first?.memoryBytes).toBeGreaterThan(1_000_000);
      // How much of a CPU the loop gets depends on what else the machine does.
      const soFarMs = await usedMs();
      await until('the loop has used CPU', async () => (await usedMs()) > soFarMs + LOOP_MS);
      const cpuPercent = (await stats())?.cpuPercent;
      expect(cpuPercent).toBeGreaterThan((LOOP_MS / (performance.now() - begunMs)) * 100);
    });
  });
}
