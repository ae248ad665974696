/** Runs `dockerd` as a child process of the tests. It ends when the test process ends, however that ends. */
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';

const startMs = 30_000;
const pollMs = 50;
/**
 * The second storage driver is for machines whose file system layers cannot be stacked, such as containers in
 * containers.
 */
const variants = [[], ['--storage-driver=vfs']];

export interface Dockerd {
  /** Ends the engine together with its containers. */
  stop(): Promise<void>;
}

/** Returns the reason why no `dockerd` can be started here; undefined if one can. */
export function dockerdObstacle(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux may start a Docker engine';
  return program() === null ? 'dockerd is not installed (apt-get install docker.io iptables)' : undefined;
}

/**
 * Resolves when the engine answers. Waits for an engine that is just ending at the same place.
 * @param pidFile File into which the engine writes its process id, as set in `args`.
 * @throws An Error with the end of the log if the engine does not start within half a minute.
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

/** Returns the engine, or the end of its log. */
async function run(docker: Docker, args: readonly string[]): Promise<Dockerd | string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-dockerd-'));
  const file = join(folder, 'log');
  const log = await open(file, 'w');
  // A test process may end without notice. The broken pipe then ends the engine by its pid.
  const script = '"$@" & cat; kill $!; wait $!; rm -r "$0"';
  const supervisor = Bun.spawn(['sh', '-c', script, folder, program() ?? '', ...args], {
    stdin: 'pipe',
    stdout: log.fd,
    stderr: log.fd,
    // On an interrupt, the engine must not end before the tests have cleaned up.
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

/** Returns whether `startOwnEngine` can be called here. If not, prints the reason; in CI (`CI=true`) throws it. */
export function requireOwnEngine(title: string): boolean {
  const obstacle = dockerdObstacle();
  if (obstacle === undefined) return true;
  if (process.env.CI === 'true') throw new Error(`${title} must run in CI: ${obstacle}`);
  process.stderr.write(`${title} (skipped: ${obstacle})\n`);
  return false;
}

/** An engine for one test, which may change it in any way. It has no network to other machines. */
export interface OwnEngine extends AsyncDisposable {
  readonly docker: Docker;
  /** The value for `DOCKER_HOST`. */
  readonly host: string;
  /** Sends `kill -9`. The containers remain; the next `start` ends them, which is the default of every engine. */
  kill(): Promise<void>;
  /** Starts again after `kill`, with the same data at the same path. */
  start(): Promise<void>;
}

/** Rejects with the reason of `dockerdObstacle`. Disposing removes the containers and images. */
export async function startOwnEngine(): Promise<OwnEngine> {
  const root = await mkdtemp(join(tmpdir(), 'agent-stack-own-engine-'));
  const at = (name: string) => join(root, name);
  const socketPath = at('docker.sock');
  const docker = new Docker({ socketPath });
  const places = [`--data-root=${at('data')}`, `--exec-root=${at('exec')}`, `--pidfile=${at('pid')}`];
  // Two engines on one machine would remove each other's firewall rules.
  const isolated = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const args = [...places, ...isolated, `--host=unix://${socketPath}`];
  let dockerd = await startDockerd(docker, at('pid'), args);
  const startAgain = async () => {
    // Must use the same storage driver, because another one would not find the data.
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
      // Its containerd dies with it. Without an init that collects it, the next engine would think that it is alive.
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
      // If mounts are private, the engine mounts its data onto itself, and a killed engine leaves that mount.
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

/** Polls `check` and returns its first truthy result; undefined if there is none within the time limit of a start. */
async function waitFor<T>(check: () => Promise<T | false>): Promise<T | undefined> {
  const deadlineMs = performance.now() + startMs;
  while (performance.now() < deadlineMs) {
    const value = await check();
    if (value) return value;
    await Bun.sleep(pollMs);
  }
  return undefined;
}
