/** The process table of Linux: `/proc`, as proc_pid_stat(5) and proc_pid_environ(5) describe it. */
import { readdir, readFile } from 'node:fs/promises';
import { markVariable } from './marks';
import type { Process, ProcessTable } from './table';

/** Milliseconds per clock tick, the unit of times in `/proc`. USER_HZ is 100 on every architecture that Bun runs on. */
const tickMs = 10;
/** PF_KTHREAD of linux/sched.h, in field 9. */
const kernelThread = 0x00200000;
const execReads = 5;
const execReadMs = 2;

export const linuxTable: ProcessTable = {
  async list() {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const bootMs = await bootTimeMs();
    const found = await Promise.all(pids.map((pid) => read(pid, bootMs).catch(notPermitted)));
    return found.filter((entry) => entry !== undefined);
  },
  find: async (pid) => read(pid, await bootTimeMs()),
  async usage(pid) {
    const [stat, status] = await Promise.all([readStat(pid), readOf(pid, 'status')]);
    if (stat === undefined || status === undefined) return undefined;
    // Fields 14 and 15 of proc_pid_stat(5): utime and stime. VmRSS is in kB, so the page size is not needed.
    const cpuMs = (Number(stat[11]) + Number(stat[12])) * tickMs;
    return { cpuMs, memoryBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024 };
  },
};

async function read(pid: number, bootMs: number): Promise<Process | undefined> {
  const stat = await readStat(pid);
  const [state, , group] = stat ?? [];
  const born = stat?.[19];
  if (born === undefined || state === 'Z' || state === 'X') return undefined;
  const mark = await readMark(pid, (Number(stat?.[6]) & kernelThread) !== 0);
  const startedAtMs = bootMs + Number(born) * tickMs;
  const entry = { pid, groupId: Number(group), born, startedAtMs, ...(state === 'T' && { isStopped: true as const }) };
  return mark === undefined ? entry : { ...entry, mark };
}

/**
 * Returns the fields of `stat` from the third on. Field 2 is the program name in parentheses; the name may itself contain
 * spaces and parentheses, so the split begins after the last parenthesis.
 */
async function readStat(pid: number): Promise<readonly string[] | undefined> {
  const text = await readOf(pid, 'stat');
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

async function readMark(pid: number, isKernelThread: boolean): Promise<string | undefined> {
  const prefix = `${markVariable}=`;
  // The environment of another user's process cannot be read. Such a process is none of our runners.
  const read = () => readOf(pid, 'environ').catch(notPermitted);
  let environment = await read();
  // During exec the environment reads as empty for a moment. A process without variables reads as empty too, so the
  // retries are limited.
  for (let again = 0; environment === '' && !isKernelThread && again < execReads; again += 1) {
    await Bun.sleep(execReadMs);
    environment = await read();
  }
  return environment
    ?.split('\0')
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

async function readOf(pid: number, file: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    // ESRCH: the process ended between open and read.
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

function notPermitted(error: unknown): undefined {
  if (!hasCode(error, 'EACCES', 'EPERM')) throw error;
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function bootTimeMs(): Promise<number> {
  const seconds = /^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1];
  return Number(seconds) * 1000;
}
