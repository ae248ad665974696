/** Finds runners in the process table: which processes carry a mark, which process is the leader, and which a handle means. */
import { failuresOf } from '../failures';
import { EARLIER_HOST } from '../runner-host';
import { type Mark, readMark } from './marks';
import type { Process, ProcessTable } from './table';

export const { failure, refuseAborted } = failuresOf('process');

/** A pid alone proves nothing, because pids are reused. A process belongs to the handle only if `born` and `life` match too. */
export type ProcessHandle = {
  readonly runnerId: string;
  readonly life: string;
  readonly pid: number;
  readonly born: string;
  /** Absent in what an earlier version has stored. */
  readonly host?: string;
  readonly port: number;
};

/** The living processes of one runner. */
export interface Found {
  readonly mark: Mark;
  /** The process that the driver started; undefined when it has ended and its descendants still run. */
  readonly leader: Process | undefined;
  /** All processes of the runner's process groups, also processes that have lost the mark. */
  readonly members: readonly Process[];
}

/** Returns the marked runners of every installation, read from the process table. Rejects with the fault `unavailable`. */
export async function findRunners(table: ProcessTable): Promise<readonly Found[]> {
  const processes = await table.list().catch(refuseUnreadable);
  const marked = processes.filter((entry) => readMark(entry.mark) !== undefined);
  const byMark = Map.groupBy(marked, (entry) => entry.mark);
  return [...byMark].flatMap(([text, carriers]) => {
    const mark = readMark(text);
    if (mark === undefined) return [];
    const groups = new Set(carriers.map(({ groupId }) => groupId));
    const members = processes.filter(({ groupId }) => groups.has(groupId));
    // A descendant inherits the mark and may lead a process group too, but it is younger than the leader.
    const leaders = carriers.filter(({ pid, groupId }) => pid === groupId);
    const leader = leaders.toSorted((a, b) => a.startedAtMs - b.startedAtMs)[0];
    return [{ mark, leader, members }];
  });
}

/** Resolves when the process table can be read: looks up this process. Rejects with the fault `unavailable`. */
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

/** Whether the handle belongs to this process, and not to an earlier process with the same pid. */
export function isOf(handle: ProcessHandle, entry: Process): boolean {
  return entry.pid === handle.pid && entry.born === handle.born && readMark(entry.mark)?.life === handle.life;
}

export function urlOf({ host = EARLIER_HOST, port }: Pick<ProcessHandle, 'host' | 'port'>): string {
  return `http://${host}:${port}`;
}
