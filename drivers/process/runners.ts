/** From processes to runners: which carry our mark, which one leads, and what a handle points to. */
import { DriverError, type DriverFault } from '../driver';
import { EARLIER_HOST } from '../runner-host';
import { type Mark, readMark } from './marks';
import type { Process, ProcessTable } from './table';

/** A pid proves nothing by itself: `born` and the mark's `life` must match before a process is ours. */
export type ProcessHandle = {
  readonly runnerId: string;
  readonly life: string;
  readonly pid: number;
  readonly born: string;
  /** Absent in what an earlier version has stored. */
  readonly host?: string;
  readonly port: number;
};

/** Everything that lives of one runner. */
export interface Found {
  readonly mark: Mark;
  /** The process that was started; undefined when it has ended and left others behind. */
  readonly leader: Process | undefined;
  /** All processes of its groups, also those that dropped the mark. */
  readonly members: readonly Process[];
}

/** Reads the process table and gathers the marked runners of every installation. Rejects as `unavailable`. */
export async function findRunners(table: ProcessTable): Promise<readonly Found[]> {
  const processes = await table.list().catch(refuseUnreadable);
  const marked = processes.filter((entry) => readMark(entry.mark) !== undefined);
  const byMark = Map.groupBy(marked, (entry) => entry.mark);
  return [...byMark].flatMap(([text, carriers]) => {
    const mark = readMark(text);
    if (mark === undefined) return [];
    const groups = new Set(carriers.map(({ groupId }) => groupId));
    const members = processes.filter(({ groupId }) => groups.has(groupId));
    // What a runner starts inherits the mark and may lead a group of its own, but is younger.
    const leaders = carriers.filter(({ pid, groupId }) => pid === groupId);
    const leader = leaders.toSorted((a, b) => a.startedAtMs - b.startedAtMs)[0];
    return [{ mark, leader, members }];
  });
}

/** Resolves when the table can be read, by one look at this process. Rejects as `unavailable`. */
export async function requireReadable(table: ProcessTable): Promise<void> {
  await table.find(process.pid).catch(refuseUnreadable);
}

function refuseUnreadable(cause: unknown): never {
  throw failure('unavailable', 'the process table could not be read', cause);
}

export function handleOf({ mark, leader, members }: Found): ProcessHandle {
  const { runnerId, life, host, port } = mark;
  return { runnerId, life, pid: leader?.pid ?? members[0]?.groupId ?? 0, born: leader?.born ?? '', host, port };
}

/** Whether the process is the one the handle was made for, and not another that got its pid. */
export function isOf(handle: ProcessHandle, entry: Process): boolean {
  return entry.pid === handle.pid && entry.born === handle.born && readMark(entry.mark)?.life === handle.life;
}

export function urlOf({ host = EARLIER_HOST, port }: Pick<ProcessHandle, 'host' | 'port'>): string {
  return `http://${host}:${port}`;
}

/** A DriverError of this driver. `message` and `cause` must not contain a value of `env`. */
export function failure(fault: DriverFault, message: string, cause: unknown, hint?: string): DriverError {
  return new DriverError('process', fault, message, { cause, ...(hint === undefined ? {} : { hint }) });
}

/** Rejects as `timeout` when the caller has given up. */
export function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) throw failure('timeout', 'the call was aborted', signal.reason);
}
