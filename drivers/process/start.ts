/** Starts a runner in a process group of its own, with nothing of the router's environment. */
import { closeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { DriverServices, Health, RunnerSpec, StartContext } from '../driver';
import type { Children } from './children';
import { endRunner } from './end';
import type { Exits } from './exits';
import type { LogFiles } from './log-files';
import { markVariable, writeMark } from './marks';
import { type PickedPort, pickPort } from './ports';
import { failure, findRunners, handleOf, type ProcessHandle, refuseAborted } from './runners';
import type { ProcessTable } from './table';

const markMs = 500;

/** Hints for faults of the machine, by error code of the system. All other codes are about the program. */
const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk of the data folder is full, where output is kept.',
  EDQUOT: 'The disk quota of the data folder is used up, where output is kept.',
  EROFS: 'The disk of the data folder is read-only, where output is kept.',
  EMFILE: "Too many files are open: raise the limit of the router's process (ulimit -n).",
  ENFILE: 'Too many files are open on this machine.',
  EAGAIN: 'This user may have no more processes (ulimit -u).',
  ENOMEM: 'The machine has no memory left.',
};

/** The parts of the driver that starting and stopping a runner need. */
export interface DriverParts {
  readonly table: ProcessTable;
  readonly logs: LogFiles;
  readonly children: Children;
  readonly exits: Exits;
  readonly services: DriverServices;
  /** Address on which runners listen. */
  readonly host: string;
  /** Value of `PATH` in the environment of runners. */
  readonly path: string;
}

/**
 * Starts the runner, or returns the handle of the runner that already runs for `spec.id`. A failed or aborted start
 * leaves nothing behind.
 */
export async function startRunner(parts: DriverParts, spec: RunnerSpec, context: StartContext): Promise<ProcessHandle> {
  const { table, exits, services } = parts;
  refuseAborted(context.signal);
  const everyone = await findRunners(table);
  const found = everyone.find(
    ({ mark }) => mark.runnerId === spec.id && mark.labels[services.installationLabel] === services.installationId,
  );
  if (found?.leader !== undefined) {
    exits.addAdopted(handleOf(found));
    return handleOf(found);
  }
  for (const { handle } of exits.remembered().filter((exit) => exit.handle.runnerId === spec.id)) exits.forget(handle);
  if (found !== undefined) await endRunner(table, found.mark, 0);

  context.progress({ stage: 'start', message: 'Starting the process' });
  const home = await stat(spec.home.source).catch(() => undefined);
  if (!home?.isDirectory()) throw failure('start_failed', 'the home is not a directory', { home: spec.home.source });
  refuseAborted(context.signal);
  const picked = pickPort(parts.host, services.portRange, new Set(everyone.map(({ mark }) => mark.port)));
  if (picked === undefined) {
    throw failure('no_capacity', 'every port of the range is in use', { ...services.portRange }, 'Widen the range.');
  }
  const handle = await launch(parts, spec, picked);
  if (context.signal.aborted) {
    await stopRunner(parts, handle, 0);
    refuseAborted(context.signal);
  }
  return handle;
}

/** Ends a runner; then `inspect` returns `gone`. Does nothing when the pid of the handle belongs to another process. */
export async function stopRunner(parts: DriverParts, handle: ProcessHandle, graceMs: number): Promise<void> {
  using _ = parts.exits.stopping(handle);
  if (!(await endRunner(parts.table, handle, graceMs))) return;
  parts.exits.forget(handle);
  // The runner has ended. A log that cannot be removed must not prevent the next start.
  await parts.logs.remove(handle.life).catch((error) => {
    parts.services.log('warn', 'log.left', { life: handle.life, reason: String(error) });
  });
}

async function launch(parts: DriverParts, spec: RunnerSpec, picked: PickedPort): Promise<ProcessHandle> {
  const { port } = picked;
  const { host } = parts;
  const life = crypto.randomUUID();
  const mark = writeMark({ runnerId: spec.id, life, host, port, labels: spec.labels });
  const child = await spawn(parts, spec, { life, mark, port }).catch((error) => {
    picked.release();
    throw error;
  });
  child.unref();
  const { pid } = child;
  const exited = child.exited.then((exitCode): Extract<Health, { state: 'exited' }> => {
    picked.release();
    parts.children.remove(pid);
    const signal = child.signalCode;
    return signal === null ? { state: 'exited', exitCode } : { state: 'exited', signal: String(signal) };
  });
  try {
    const born = await birth(parts.table, pid, mark);
    const handle = { runnerId: spec.id, life, pid, born, host, port };
    if (child.exitCode === null && child.signalCode === null) parts.children.add({ pid, born, mark });
    parts.exits.addChild(handle, exited);
    return handle;
  } catch (cause) {
    // Safe to signal: the process is our child and its exit was not collected, so its pid was not reused.
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL');
    await parts.logs.remove(life);
    throw failure('unavailable', 'the process table could not be read', cause);
  }
}

/**
 * Returns the start time of the child; an empty string when it has ended already. Waits until the process table shows the
 * mark: `spawn` returns a moment earlier, and other drivers must find the runner as soon as its start has resolved.
 */
async function birth(table: ProcessTable, pid: number, mark: string): Promise<string> {
  const deadlineMs = performance.now() + markMs;
  for (;;) {
    const entry = await table.find(pid);
    // A child that overwrites its environment at once never shows the mark. This process then knows it as its child
    // (children.ts).
    if (entry === undefined || entry.mark === mark || performance.now() > deadlineMs) return entry?.born ?? '';
    await Bun.sleep(1);
  }
}

/**
 * `detached` makes the child the leader of a new session: it has no terminal, and signals to the router's group do not
 * reach it.
 */
async function spawn(
  parts: DriverParts,
  spec: RunnerSpec,
  { life, mark, port }: { readonly life: string; readonly mark: string; readonly port: number },
): Promise<Bun.Subprocess> {
  const [program = '', ...rest] = spec.command;
  let output: number | undefined;
  try {
    output = parts.logs.open(life);
    // `bun` means the Bun that runs the router, because `bun` need not be on PATH.
    return Bun.spawn([program === 'bun' ? process.execPath : program, ...rest], {
      cwd: spec.home.source,
      env: {
        PATH: parts.path,
        // Where the router is one executable file, this makes it a Bun. Bun itself ignores it.
        ...(program === 'bun' && { BUN_BE_BUN: '1' }),
        ...spec.env,
        HOME: spec.home.source,
        HOST: parts.host,
        PORT: String(port),
        [markVariable]: mark,
      },
      stdin: 'ignore',
      stdout: output,
      stderr: output,
      detached: true,
    });
  } catch (cause) {
    await parts.logs.remove(life);
    // Takes only the error code: Bun's message about an invalid environment contains the value.
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    const hint = hints[code] ?? 'Is the program installed, executable, and on the PATH of the driver?';
    throw failure('start_failed', `the program '${program}' could not be started (${code})`, { code }, hint);
  } finally {
    if (output !== undefined) closeSync(output);
  }
}
