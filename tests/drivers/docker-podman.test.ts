/**
 * The docker driver on Podman's Docker-compatible socket: `bun run test:podman`, as root on Linux with podman and
 * netavark installed; not part of CI. Runs in a network namespace of its own, so that the machine's network is not
 * changed.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { type Conformance, conformDriver } from '../../drivers/conformance';
import { until } from '../../drivers/conformance/bench';
import type { HealthChange, RunnerSpec } from '../../drivers/driver';
import { testImage } from '../support/image';
import { createInsiders, HOME } from './docker-bench';
import plugin, { NETWORK } from './podman-plugin';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const ROUTER = '10.98.0.1';

/** Podman 4 reads the tag of an imported image only from its name. */
function clientOf(socketPath: string): Docker {
  const podman = new Docker({ socketPath });
  const importImage = podman.importImage.bind(podman);
  const named = (file: string, { repo, tag, ...rest }: { repo?: string; tag?: string }) =>
    importImage(file, { ...rest, repo: [repo, tag].filter(Boolean).join(':') });
  return Object.assign(podman, { importImage: named });
}

/** A Podman of our own, which ends with this process, after its containers. */
async function startPodman() {
  // As the driver's README recommends for engines in whose networks the router cannot listen.
  await Bun.$`ip link set lo up && ip address add ${ROUTER}/32 dev lo`.quiet();
  const root = await mkdtemp(join(tmpdir(), 'agent-stack-podman-'));
  const at = (name: string) => join(root, name);
  const socketPath = at('podman.sock');
  // Podman's default limits are higher than root without CAP_SYS_RESOURCE may set.
  await Bun.write(at('containers.conf'), '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
  const places = ['--root', at('root'), '--runroot', at('run'), '--network-config-dir', at('networks')];
  // crun, the default, refuses control groups of both versions on one machine.
  const runtime = existsSync('/sys/fs/cgroup/unified') ? ['--runtime', Bun.which('runc') ?? '/usr/sbin/runc'] : [];
  const command = ['podman', ...places, '--cgroup-manager=cgroupfs', ...runtime];
  const service = Bun.spawn(
    [
      'sh',
      '-c',
      '"$@" & cat; kill $!; wait $!',
      'sh',
      ...command,
      'system',
      'service',
      '--time=0',
      `unix://${socketPath}`,
    ],
    {
      stdin: 'pipe',
      stdout: 'ignore',
      stderr: Bun.file(at('log')),
      env: { ...process.env, CONTAINERS_CONF: at('containers.conf') },
    },
  );
  const podman = clientOf(socketPath);
  const answers = () =>
    podman.ping().then(
      () => true,
      () => false,
    );
  await until('Podman answers', answers);
  await podman.createNetwork({ Name: NETWORK });
  return {
    ...{ podman, socketPath },
    async [Symbol.asyncDispose]() {
      service.stdin.end();
      await service.exited;
      await Bun.$`umount ${at('root/overlay')}`.quiet().nothrow();
      await rm(root, { recursive: true, force: true });
    },
  };
}

if (process.env.TEST_PODMAN !== '1') test.skip('the docker driver on Podman (bun run test:podman)', () => {});
else {
  const { podman, socketPath, ...service } = await startPodman();
  const target: Conformance = {
    plugin,
    file: import.meta.resolve('./podman-plugin'),
    options: { host: socketPath, routerHost: ROUTER, listenHost: ROUTER },
    image: await testImage(podman),
    homeTarget: HOME,
    broken: { image: 'agent-stack.invalid/none:1' },
    available: () => true,
  };
  await conformDriver(target);
  const bench = await createInsiders(target);
  const refusalOf = async (spec: RunnerSpec): Promise<unknown> => {
    const services = { installationId: 'x', installationLabel: 'x', stateDir: '/', log() {} };
    const driver = await plugin.create({ host: socketPath }, services);
    const started = async () => driver.start(spec, bench.context());
    return started().catch((error) => error);
  };
  afterEach(() => bench.sweep(), 60_000);
  afterAll(async () => {
    await bench.dispose();
    await service[Symbol.asyncDispose]();
  }, 60_000);

  describe('the docker driver on Podman', () => {
    test('a runner is refused a network in which Podman would let others reach it', async () => {
      for (const network of ['own', 'sealed']) {
        const error = await refusalOf(await bench.spec({ options: { network } }));
        expect(error).toMatchObject({ fault: 'start_failed', hint: expect.stringContaining('network_mode') });
      }
    });

    test('a runner is hardened as on Docker, and published on loopback alone', async () => {
      const { read, canWrite, url, containerId } = await bench.inside(await bench.create());
      const status = Object.fromEntries(
        (await read('/proc/self/status'))?.split('\n').map((line) => line.split(/:\s+/)) ?? [],
      );
      expect(status).toMatchObject({ CapBnd: '0000000000000000', NoNewPrivs: '1', Seccomp: '2' });
      expect(await canWrite('/usr/bin/x')).toBe('EROFS');
      expect(await canWrite(`${HOME}/x`)).toBe('written');
      expect(url).toStartWith('http://127.0.0.2:');
      const { HostConfig: limits, NetworkSettings: settings } = await podman.getContainer(containerId).inspect();
      expect(limits).toMatchObject({ Memory: 2_147_483_648, MemorySwap: 2_147_483_648, PidsLimit: 512 });
      expect(Object.values(settings.Ports).flat()).toMatchObject([{ HostIp: '127.0.0.2' }]);
    });

    test('its end is reported: a removal, and the lack of memory only by the exit code', async () => {
      const driver = await bench.create();
      const told: HealthChange[] = [];
      const watching = new AbortController();
      const watched = (async () => {
        for await (const change of driver.watch?.(watching.signal) ?? []) told.push(change);
      })();
      const healthOf = (id: string) => told.filter(({ runnerId }) => runnerId === id).map(({ health }) => health);
      const removed = await bench.inside(driver);
      const hoarder = await bench.inside(driver, { limits: { memoryBytes: 100_663_296 } });
      await podman.getContainer(removed.containerId).remove({ force: true, v: true });
      await until('the removal is told', () => healthOf(removed.spec.id).some(({ state }) => state === 'gone'));
      hoarder.hoard();
      await until('the end is told', () => healthOf(hoarder.spec.id).length > 0);
      expect(healthOf(hoarder.spec.id)).toMatchObject([{ state: 'exited', exitCode: 137 }]);
      watching.abort();
      await watched;
    });
  });
}
