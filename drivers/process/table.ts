/** The process table of this machine, as the driver needs it: who runs, in which group, since when, with which mark. */
import { linuxTable } from './linux';
import { psTable } from './ps';

/** One live process; one that only waits to be collected by its parent (a zombie) is not in the table. */
export interface Process {
  readonly pid: number;
  readonly groupId: number;
  /** When it started, as the platform writes it. With the pid it names a process beyond any reuse of the pid. */
  readonly born: string;
  readonly startedAtMs: number;
  /** The process was stopped (SIGSTOP) and does not run until SIGCONT. */
  readonly isStopped?: true;
  /** The unparsed value of the variable `AGENT_STACK_RUNNER` in its environment. */
  readonly mark?: string;
}

/** What a process has used since it started. */
export interface Usage {
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** Every method rejects when the platform does not answer, and never because a process is not there. */
export interface ProcessTable {
  /** All live processes that can be seen, in no order. */
  list(): Promise<readonly Process[]>;
  /** One process, or undefined when it is surely not there. */
  find(pid: number): Promise<Process | undefined>;
  /** What one process has used; absent where the platform does not tell. */
  usage?(pid: number): Promise<Usage | undefined>;
}

/** The variable in which a runner carries our mark, and everything it starts with it. */
export const markVariable = 'AGENT_STACK_RUNNER';

/** The table of the platform this process runs on. */
export function processTable(platform: NodeJS.Platform = process.platform): ProcessTable {
  return platform === 'linux' ? linuxTable : psTable;
}
