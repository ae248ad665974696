/** The processes of a bench: started on a CPU of their own, measured through /proc, ended by their id. */

import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const GRACE_MS = 5_000;
const START_MS = 30_000;
const PROBE_GAP_MS = 2;
const PROBE_MS = 1_000;

/** CPU of the proxy that is measured, and of everything else. Without two CPUs or `taskset` nothing is pinned. */
export const PROXY_CPU = 1;
export const OTHER_CPU = 0;
export const isPinned = availableParallelism() > 1 && Bun.which('taskset') !== null;

interface ServerOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly cpu: number;
  readonly port: number;
  /** Answers 2xx as soon as it serves. */
  readonly healthPath: string;
  /** How long it may take until then; half a minute by default. */
  readonly startMs?: number;
}

/** A command on one CPU, where that is possible. */
export function onCpu(cpu: number, command: readonly string[]): string[] {
  return isPinned ? ['taskset', '-c', String(cpu), ...command] : [...command];
}

/** Puts this very process on the CPU of everything else; what it starts stays there unless told otherwise. */
export function pinMyself(): void {
  if (isPinned) Bun.spawnSync(['taskset', '-a', '-c', '-p', String(OTHER_CPU), String(process.pid)]);
}

/** Everything that runs now. */
const running = new Set<Bun.Subprocess>();
let isOver = false;

/** Takes note of a process that was started, for `endAll`. Throws, and ends it, after that. */
export function track<Child extends Bun.Subprocess>(child: Child): Child {
  if (isOver) {
    child.kill('SIGKILL');
    throw new Error('The bench is over.');
  }
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return child;
}

const cleaners: (() => Promise<void>)[] = [];

/** Takes note of what removes things that are no processes, such as containers, for `endAll`. */
export function cleanAtEnd(clean: () => Promise<void>): void {
  cleaners.push(clean);
}

/** Ends by force whatever an end in good order has left. Nothing can be started any more. */
export async function endAll(): Promise<void> {
  isOver = true;
  for (const child of running) child.kill('SIGKILL');
  await Promise.all([...running].map((child) => child.exited));
  await Promise.all(cleaners.map((clean) => clean()));
}

/** A server process that can be started again and again. */
export class Server implements AsyncDisposable {
  readonly #options: ServerOptions;
  #child: Bun.Subprocess<'ignore', 'ignore', 'pipe'> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get port(): number {
    return this.#options.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Throws when it does not run. */
  get pid(): number {
    if (!this.#child) throw new Error(`${this.name} does not run.`);
    return this.#child.pid;
  }

  /**
   * Resolves when it serves, with the milliseconds that this took. Rejects with what it wrote to standard error when it
   * ends before that, or takes longer than it may.
   */
  async start(): Promise<number> {
    const { command, env, cwd, cpu, healthPath, startMs = START_MS } = this.#options;
    const startedMs = performance.now();
    const child = track(
      Bun.spawn(onCpu(cpu, command), {
        env: {
          PATH: process.env.PATH ?? '',
          HOME: process.env.HOME ?? '',
          BUN_CONFIG_MAX_HTTP_REQUESTS: '8192',
          ...env,
        },
        ...(cwd !== undefined && { cwd }),
        stdin: 'ignore',
        // A line of log costs its maker the same; to keep millions of them costs everybody.
        stdout: 'ignore',
        stderr: 'pipe',
      }),
    );
    this.#child = child;
    while (!(await answers(this.url + healthPath))) {
      const isLate = performance.now() - startedMs > startMs;
      if (isLate || child.exitCode !== null || child.signalCode !== null) {
        await this.stop();
        const said = (await new Response(child.stderr).text()).trim();
        throw new Error(`${this.name} ${isLate ? 'did not serve in time' : 'ended at once'}. It said:\n${said}`);
      }
      await Bun.sleep(PROBE_GAP_MS);
    }
    return performance.now() - startedMs;
  }

  /** Ends it, by force if it takes longer than five seconds. Does nothing when it does not run. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    await child.exited;
    clearTimeout(timer);
  }

  async restart(): Promise<number> {
    await this.stop();
    return this.start();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(PROBE_MS) }).catch(
    () => undefined,
  );
  await response?.body?.cancel();
  return response?.ok ?? false;
}

/** CPU time of all threads of a process so far, in milliseconds. NaN where there is no Linux to ask. */
export function cpuMs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const timesNs = threads.map((thread) =>
      Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'), 10),
    );
    // A thread that has ended is missing in that, which is in nanoseconds, and is in this, which is in steps of 10 ms.
    const [userTicks, systemTicks] =
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ').slice(11) ?? [];
    return Math.max(
      timesNs.reduce((sum, timeNs) => sum + timeNs, 0) / 1e6,
      (Number(userTicks) + Number(systemTicks)) * 10,
    );
  } catch {
    return Number.NaN;
  }
}

/** Resident memory of a process in MB (10^6 bytes). NaN where there is no Linux to ask. */
export function rssMb(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return (Number(kib) * 1024) / 1e6;
  } catch {
    return Number.NaN;
  }
}
