/** A control group of this machine that holds a process to so much memory, of version 1 or 2. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

interface MemoryGroup extends Disposable {
  /** Starts the command behind it inside of the group. */
  readonly prefix: readonly string[];
  /** The same, outside of it again: for what a process in the group starts. */
  readonly outside: readonly string[];
  /** Bytes: the most that was used so far, with the cache of files, which the kernel takes back first. */
  mostUsed(): number;
}

const ROOTS = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', most: 'memory.max_usage_in_bytes' },
  { root: '/sys/fs/cgroup', limit: 'memory.max', most: 'memory.peak' },
] as const;

/** The group, or why there can be none here. */
export function memoryGroup(maxBytes: number): MemoryGroup | string {
  const found = ROOTS.find(({ root }) => existsSync(`${root}/cgroup.procs`));
  if (!found) return 'this machine has no control groups';
  const folder = `${found.root}/agent-stack-soak-${process.pid}`;
  try {
    mkdirSync(folder);
    writeFileSync(`${folder}/${found.limit}`, String(maxBytes));
    // What is swapped out would not count.
    if (existsSync(`${folder}/memory.swap.max`)) writeFileSync(`${folder}/memory.swap.max`, '0');
    if (existsSync(`${folder}/memory.swappiness`)) writeFileSync(`${folder}/memory.swappiness`, '0');
  } catch (error) {
    if (existsSync(folder)) rmdirSync(folder);
    return `a control group could not be made: ${error instanceof Error ? error.message : error}`;
  }
  const into = (place: string) => ['sh', '-c', `echo $$ > ${place}/cgroup.procs && exec "$@"`, 'sh'];
  return {
    prefix: into(folder),
    outside: into(found.root),
    mostUsed: () =>
      existsSync(`${folder}/${found.most}`) ? Number(readFileSync(`${folder}/${found.most}`, 'utf8')) : Number.NaN,
    [Symbol.dispose]: () => {
      try {
        rmdirSync(folder);
      } catch {
        // A process that is still in it keeps it; it is empty otherwise.
      }
    },
  };
}

/** Bytes of memory that a process has had at most; NaN where it is gone. */
export function mostResident(pid: number): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1]) * 1024;
  } catch {
    return Number.NaN;
  }
}
