import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createServer } from 'node:net';
import type { Driver, RunnerSpec } from '../../drivers/driver';
import { runnerHost } from '../../drivers/runner-host';
import { docker, requireEngine } from '../support/engine';
import { freePort } from '../support/ports';
import { createDockerBench } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const canMakeMachines = Bun.which('ip') !== null && process.getuid?.() === 0;
const canSetRules = Bun.which('iptables') !== null && process.getuid?.() === 0;
/** Only ends a failed test. */
const soon = () => AbortSignal.timeout(30_000);
const sealed = { options: { network: 'sealed' } };
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

/** A listener on the host; `host` is an address of this machine. */
async function service(host: string) {
  const server = createServer((socket) => socket.destroy());
  const port = freePort();
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  return { port, address: `${host}:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

/** Another machine: a network namespace of its own, at an address that is reserved for documentation. */
async function otherMachine() {
  const name = `as${crypto.randomUUID().slice(0, 6)}`;
  const address = '203.0.113.2';
  const run = async (command: string) => Bun.$`sh -c ${command}`.quiet();
  // A killed run may have left a namespace with this address.
  const left = "ip -o addr show to 203.0.113.1 | awk '{ print $2 }' | cut -d @ -f 1";
  await run(`for name in $(${left}); do ip link del $name; ip netns del $name; done`);
  await run(`ip netns add ${name} && ip link add ${name} type veth peer name eth0 netns ${name}`);
  await run(`ip addr add 203.0.113.1/30 dev ${name} && ip link set ${name} up`);
  await run(`ip -n ${name} addr add ${address}/30 dev eth0 && ip -n ${name} link set eth0 up`);
  const script = 'Bun.listen({ hostname: "0.0.0.0", port: 80, socket: { data() {} } }); console.log("up")';
  const server = Bun.spawn(['ip', 'netns', 'exec', name, process.execPath, '-e', script], { stdout: 'pipe' });
  await server.stdout.getReader().read();
  return {
    address: `${address}:80`,
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL');
      await server.exited;
      await run(`ip link del ${name}; ip netns del ${name}`);
    },
  };
}

/**
 * Applies the firewall rules of the driver's README to the bridge of one network and one port; disposing reverses them.
 */
async function firewall(bridge: string, port: number) {
  const readme = await Bun.file(`${import.meta.dir}/../../drivers/docker/README.md`).text();
  const rules = /```sh\n(iptables -N [\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const chain = `AS-TEST-${port}`;
  const script = rules.replaceAll('AGENT-STACK', chain).replaceAll('18080', String(port)).replaceAll('as-+', bridge);
  await Bun.$`sh -ec ${script}`.quiet();
  const undo = `iptables -D INPUT -i ${bridge} -j ${chain}; iptables -F ${chain}; iptables -X ${chain}`;
  return { script, [Symbol.asyncDispose]: async () => void (await Bun.$`sh -c ${undo}`.quiet()) };
}

if (await requireEngine('what keeps runners of the docker driver apart')) {
  const bench = await createDockerBench();
  const gatewayOf = async (driver: Driver, runner?: Pick<RunnerSpec, 'options'>) =>
    (await driver.routerAddress(1, soon(), runner)).listenHost;
  const inspect = (id: string) => docker.getContainer(id).inspect();
  const addressOf = async (id: string) =>
    Object.values((await inspect(id)).NetworkSettings.Networks).map(({ IPAddress }) => IPAddress)[0];
  afterEach(() => bench.sweep(), 60_000);
  afterAll(() => bench.dispose(), 60_000);

  describe('the network of runners', () => {
    for (const [name, kind] of [
      ['own', {}],
      ['sealed', sealed],
    ] as const) {
      test(`${name}: a runner does not reach another, neither at its address nor at a published port`, async () => {
        const driver = await bench.create();
        const [one, two] = await Promise.all([bench.inside(driver, kind), bench.inside(driver, kind)]);
        const address = `${await addressOf(two.containerId)}:${two.spec.port}`;
        // The host reaches it, so the test is about the path between the two.
        expect((await fetch(`http://${address}/uid`)).ok).toBe(true);
        expect(await one.reach(address)).toBe('silent');
        expect(
          await one.reach(`${await gatewayOf(driver, { options: {}, ...kind })}:${new URL(two.url).port}`),
        ).not.toBe('open');
      });

      test(`${name}: a runner reaches the router's internal listener, which listens at the gateway alone`, async () => {
        const driver = await bench.create();
        const port = freePort();
        const address = await driver.routerAddress(port, soon(), { options: {}, ...kind });
        using _ = Bun.serve({ hostname: address.listenHost, port, fetch: () => new Response() });
        const runner = await bench.inside(driver, kind);
        expect(await runner.reach(new URL(address.url).host)).toBe('open');
        expect(await fetch(`http://127.0.0.1:${port}`).catch(() => 'refused')).toBe('refused');
      });
    }

    test('sealed: the router reaches the runner at its own address, and nothing is published', async () => {
      const { url, containerId } = await bench.inside(await bench.create(), sealed);
      expect(url).toBe(`http://${await addressOf(containerId)}:18789`);
      expect((await inspect(containerId)).NetworkSettings.Ports).toEqual({});
    });

    test.skipIf(!canMakeMachines)('sealed: a runner reaches no other machine, and others do', async () => {
      const driver = await bench.create();
      await using machine = await otherMachine();
      const open = await bench.inside(driver);
      const shut = await bench.inside(driver, sealed);
      expect(await open.reach(machine.address)).toBe('open');
      expect(await shut.reach(machine.address)).not.toBe('open');
      // The address where clouds serve credentials of a machine, and the internet.
      for (const address of ['169.254.169.254:80', '1.1.1.1:443']) expect(await shut.reach(address)).not.toBe('open');
    });

    test.skipIf(!canSetRules)(
      'the documented firewall rules leave a runner the internal listener alone',
      async () => {
        const driver = await bench.create();
        for (const kind of [{}, sealed]) {
          const gateway = await gatewayOf(driver, { options: {}, ...kind });
          await using router = await service(gateway);
          await using other = await service(gateway);
          await using everywhere = await service('0.0.0.0');
          const runner = await bench.inside(driver, kind);
          const [name = ''] = Object.keys((await inspect(runner.containerId)).NetworkSettings.Networks);
          const { Options: options } = await docker.getNetwork(name).inspect();
          // Connections that the engine does not block without the rules.
          expect(await runner.reach(other.address)).toBe('open');
          expect(await runner.reach(`${gateway}:${everywhere.port}`)).toBe('open');
          await using _ = await firewall(options?.['com.docker.network.bridge.name'] ?? '', router.port);
          expect(await runner.reach(other.address)).not.toBe('open');
          expect(await runner.reach(`${gateway}:${everywhere.port}`)).not.toBe('open');
          expect(await runner.reach(router.address)).toBe('open');
          expect(await runner.uid()).toBe('0');
        }
      },
      60_000,
    );

    test('another network is joined before the start, and fails it clearly when it is not there', async () => {
      const driver = await bench.create();
      const labels = {
        Labels: { 'agent-stack.installation': bench.installationId },
      };
      const name = `extra-${bench.installationId}`;
      const extra = { network: { extra: [name] } };
      const error = await failureOf(driver.start(await bench.spec(extra), bench.context()));
      expect(error).toMatchObject({
        fault: 'start_failed',
        hint: expect.stringContaining(`docker network create ${name}`),
      });
      await docker.createNetwork({ Name: name, ...labels });
      const { containerId } = await bench.inside(driver, extra);
      expect(Object.keys((await inspect(containerId)).NetworkSettings.Networks)).toContain(name);
    });

    test('a mode names another network, or the host, whose ports a runner shares', async () => {
      const driver = await bench.create();
      expect(
        await failureOf(driver.start(await bench.spec({ network: { mode: 'nowhere' } }), bench.context())),
      ).toMatchObject({ fault: 'start_failed', message: expect.stringContaining('nowhere') });
      const { url, reach } = await bench.inside(driver, { network: { mode: 'host' } });
      await using other = await service('127.0.0.1');
      expect(url).toStartWith(`http://${runnerHost()}:`);
      expect(await reach(other.address)).toBe('open');
    });

    test('names, name servers and the host name are what the spec says', async () => {
      const network = { hosts: { 'db.example': '192.0.2.7' }, dns: ['192.0.2.53'] };
      const { read, containerId } = await bench.inside(await bench.create(), { hostname: 'agent-1', network });
      expect(await read('/etc/hosts')).toContain('192.0.2.7\tdb.example');
      expect((await read('/proc/sys/kernel/hostname'))?.trim()).toBe('agent-1');
      expect((await inspect(containerId)).HostConfig.Dns).toEqual(['192.0.2.53']);
    });
  });

  describe('what a runner may do', () => {
    const status = (text = '') => Object.fromEntries(text.split('\n').map((line) => line.split(/:\s+/)));

    test('by default it has no capability, gains no privilege, and writes to its home and /tmp alone', async () => {
      const { read, canWrite, spec } = await bench.inside(await bench.create());
      const self = status(await read('/proc/self/status'));
      expect([self.CapEff, self.CapPrm, self.CapBnd]).toEqual(Array(3).fill('0000000000000000'));
      expect(self).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
      expect(status(await read('/proc/1/status')).Name).toMatch(/init|tini/);
      expect(await canWrite(`${spec.home.target}/x`)).toBe('written');
      expect(await canWrite('/tmp/x')).toBe('written');
      expect(await canWrite('/usr/bin/x')).toBe('EROFS');
    });

    test('the engine holds it to memory without swap, CPUs, processes and a size of log', async () => {
      const limits = { memoryBytes: 268_435_456, cpus: 0.5, pids: 64 };
      const driver = await bench.create();
      const given = await bench.inside(driver, { limits });
      const byDefault = await bench.inside(driver);
      expect((await inspect(given.containerId)).HostConfig).toMatchObject({
        ...{ Memory: 268_435_456, MemorySwap: 268_435_456, CpuQuota: 50_000, PidsLimit: 64 },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '5242880', 'max-file': '2' } },
      });
      expect((await inspect(byDefault.containerId)).HostConfig).toMatchObject({
        ...{ Memory: 2_147_483_648, MemorySwap: 2_147_483_648, CpuQuota: 200_000, PidsLimit: 512 },
        ...{ Privileged: false, RestartPolicy: { Name: 'no' } },
      });
    });

    test('each default can be changed for a backend', async () => {
      const options = {
        ...{
          cap_add: ['CHOWN'],
          no_new_privileges: false,
          init: false,
          read_only: false,
          tmpfs: {},
          swap_bytes: 1_048_576,
        },
        ...{ log_driver: 'local', log_bytes: 1_048_576, shm_bytes: 134_217_728 },
      };
      const { read, canWrite, containerId, uid } = await bench.inside(await bench.create(), {
        options,
        user: '1000:1000',
      });
      expect(status(await read('/proc/self/status'))).toMatchObject({ CapBnd: '0000000000000001', NoNewPrivs: '0' });
      expect(status(await read('/proc/1/status')).Name).toBe('bun');
      expect(await uid()).toBe('1000');
      expect(await canWrite('/usr/bin/x')).toBe('EACCES');
      expect((await inspect(containerId)).HostConfig).toMatchObject({
        ShmSize: 134_217_728,
        LogConfig: { Type: 'local' },
      });
    });
  });
}
