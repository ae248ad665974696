/** `dockerd` as a process of the tests: it ends with the test process, however that ends. */
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';

const startMs = 30_000;
const pollMs = 50;
/** The second for machines on whose file system layers cannot be stacked, containers in containers for one. */
const variants = [[], ['--storage-driver=vfs']];

export interface Dockerd {
  /** Ends it as its owner would: with its containers. */
  stop(): Promise<void>;
}

/** Why no `dockerd` can be started here; undefined when one can. */
export function dockerdObstacle(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux may start a Docker engine';
  return program() === null ? 'dockerd is not installed (apt-get install docker.io iptables)' : undefined;
}

/**
 * Resolves when it answers. One that is just ending at the same place is waited for.
 * @param pidFile where it notes its process id, as its `args` say.
 * @throws an Error with the end of its log when it does not start within half a minute.
 */
export async function startDockerd(docker: Docker, pidFile: string, args: readonly string[] = []): Promise<Dockerd> {
  await waitFor(async () => !(await isAlive(pidFile)));
  let log = '';
  for (const variant of variants) {
    const started = await run(docker, [...args, ...variant]);
    if (typeof started !== 'string') return started;
    log = started;
  }
  throw new Error(`dockerd does not start here:\n${log}`);
}

/** The engine, or the end of its log. */
async function run(docker: Docker, args: readonly string[]): Promise<Dockerd | string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-dockerd-'));
  const file = join(folder, 'log');
  const log = await open(file, 'w');
  // Test processes end without notice. The pipe that breaks then is what ends the engine, by its pid.
  const script = '"$@" & cat; kill $!; wait $!; rm -r "$0"';
  const supervisor = Bun.spawn(['sh', '-c', script, folder, program() ?? '', ...args], {
    stdin: 'pipe',
    stdout: log.fd,
    stderr: log.fd,
    // An interrupted run must not take the engine down before the tests have cleaned up.
    detached: true,
  });
  await log.close();
  supervisor.unref();
  const dockerd = {
    async stop() {
      supervisor.stdin.end();
      await supervisor.exited;
    },
  };
  const said = () => readFile(file, 'utf8');
  const hasFailed = async () => (await said()).includes('failed to start daemon');
  const started = await waitFor(async () => ((await answers(docker)) ? 'yes' : (await hasFailed()) && 'no'));
  if (started === 'yes') return dockerd;
  const end = (await said()).trim().split('\n').slice(-3).join('\n');
  await dockerd.stop();
  return end;
}

/**
 * Whether `startOwnEngine` can be called here: prints the reason and returns false where not, and throws it in CI
 * (`CI=true`).
 */
export function requireOwnEngine(title: string): boolean {
  const obstacle = dockerdObstacle();
  if (obstacle === undefined) return true;
  if (process.env.CI === 'true') throw new Error(`${title} must run in CI: ${obstacle}`);
  process.stderr.write(`${title} (skipped: ${obstacle})\n`);
  return false;
}

/** An engine that belongs to one test, which may do to it what it likes. It has no network to other machines. */
export interface OwnEngine extends AsyncDisposable {
  readonly docker: Docker;
  /** For `DOCKER_HOST`. */
  readonly host: string;
  /** `kill -9`. Its containers are left to themselves; the next `start` ends them, as every engine does by default. */
  kill(): Promise<void>;
  /** After `kill`: the same data, at the same place. */
  start(): Promise<void>;
}

/** Rejects where `dockerdObstacle` says so. Its containers and images go with it. */
export async function startOwnEngine(): Promise<OwnEngine> {
  const root = await mkdtemp(join(tmpdir(), 'agent-stack-own-engine-'));
  const at = (name: string) => join(root, name);
  const socketPath = at('docker.sock');
  const docker = new Docker({ socketPath });
  const places = [`--data-root=${at('data')}`, `--exec-root=${at('exec')}`, `--pidfile=${at('pid')}`];
  // Two engines on one machine would take each other's rules of the firewall away.
  const isolated = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const args = [...places, ...isolated, `--host=unix://${socketPath}`];
  let dockerd = await startDockerd(docker, at('pid'), args);
  const startAgain = async () => {
    // Not on another kind of storage, where nothing of its data would be.
    const started = await run(docker, args);
    if (typeof started === 'string') throw new Error(`dockerd does not start again:\n${started}`);
    dockerd = started;
  };
  return {
    docker,
    host: `unix://${socketPath}`,
    async kill() {
      process.kill(Number(await readFile(at('pid'), 'utf8')), 'SIGKILL');
      await dockerd.stop();
      // Its containerd dies with it, and is taken for alive by the next one where no init reaps it.
      await rm(at('exec/containerd/containerd.pid'), { force: true });
    },
    start: startAgain,
    async [Symbol.asyncDispose]() {
      if (!(await answers(docker))) await startAgain();
      for (const { Id } of await docker.listContainers({ all: true })) {
        await docker.getContainer(Id).remove({ force: true, v: true });
      }
      for (const { Id } of await docker.listNetworks({ filters: { type: ['custom'] } })) {
        await docker.getNetwork(Id).remove();
      }
      await dockerd.stop();
      // Where mounts are private it mounts its data upon itself, which one that was killed has left.
      await Bun.$`umount ${at('data')}`.nothrow().quiet();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Whether an engine answers. */
export function answers(docker: Docker): Promise<boolean> {
  return docker.ping().then(
    () => true,
    () => false,
  );
}

function program(): string | null {
  return Bun.which('dockerd') ?? Bun.which('/usr/sbin/dockerd');
}

async function isAlive(pidFile: string): Promise<boolean> {
  const pid = await readFile(pidFile, 'utf8').catch(() => '');
  return pid.trim() !== '' && existsSync(`/proc/${pid.trim()}`);
}

/** What `check` gives when that is truthy at last; undefined when it is not within the time a start may take. */
async function waitFor<T>(check: () => Promise<T | false>): Promise<T | undefined> {
  const deadlineMs = performance.now() + startMs;
  while (performance.now() < deadlineMs) {
    const value = await check();
    if (value) return value;
    await Bun.sleep(pollMs);
  }
  return undefined;
}
