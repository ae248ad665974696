/** The process table of this machine: for each process its pid, process group, start time and mark. */
import { linuxTable } from './linux';
import { psTable } from './ps';

/** One live process. A zombie, whose parent has not collected its exit status yet, is not in the table. */
export interface Process {
  readonly pid: number;
  readonly groupId: number;
  /**
   * Start time in the notation of the platform. Pid and start time together identify a process, also after its pid is
   * reused.
   */
  readonly born: string;
  readonly startedAtMs: number;
  /** The process was stopped (SIGSTOP) and does not run until SIGCONT. */
  readonly isStopped?: true;
  /** The unparsed value of the variable `AGENT_STACK_RUNNER` in its environment. */
  readonly mark?: string;
}

/** CPU time that a process has used since it started, and the memory that it uses now. */
export interface Usage {
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** Every method rejects when the platform does not answer. No method rejects because a process does not exist. */
export interface ProcessTable {
  /** Returns all live processes that this process may see, in no order. */
  list(): Promise<readonly Process[]>;
  /** Returns one process; undefined when it certainly does not exist. */
  find(pid: number): Promise<Process | undefined>;
  /** Returns the usage of one process. The method is absent when the platform gives no such figures. */
  usage?(pid: number): Promise<Usage | undefined>;
}

/** Returns the process table for the platform on which this process runs. */
export function processTable(platform: NodeJS.Platform = process.platform): ProcessTable {
  return platform === 'linux' ? linuxTable : psTable;
}
