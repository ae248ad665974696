/** Ends all processes of a runner. */
import { type Found, failure, findRunners, type ProcessHandle } from './runners';
import type { Process, ProcessTable } from './table';

const pollMs = 20;
/** A process cannot ignore SIGKILL. A process that lives longer than this hangs in the kernel, for example on a dead disk. */
const killMs = 10_000;

/**
 * Sends SIGTERM to the runner's process groups, SIGKILL after `graceMs`, and resolves when no process of it is left.
 *
 * Each round reads the processes that carry the mark from the process table again. So a pid that meanwhile belongs to
 * another process is never signalled, and processes that were started meanwhile are found as well. Returns false, without
 * having sent a signal, when the pid of the handle belongs to a process with another start time. Rejects with the fault
 * `timeout` or `unavailable`.
 */
export async function endRunner(
  table: ProcessTable,
  handle: Pick<ProcessHandle, 'life'> & Partial<ProcessHandle>,
  graceMs: number,
): Promise<boolean> {
  const killAtMs = performance.now() + graceMs;
  for (let asked = false; ; ) {
    const found = (await findRunners(table)).find(({ mark }) => mark.life === handle.life);
    if (found === undefined) return true;
    if (isForeign(found, handle)) return false;
    const killing = performance.now() >= killAtMs;
    if (performance.now() > killAtMs + killMs) {
      throw failure('timeout', `runner ${found.mark.runnerId} did not end on SIGKILL`, { pid: found.leader?.pid });
    }
    if (killing || !asked) signalGroups(found, killing ? 'SIGKILL' : 'SIGTERM');
    // A stopped process (SIGSTOP) handles no other signal.
    if (!asked && !killing) signalGroups(found, 'SIGCONT');
    asked = true;
    await goneOrLate(table, found.members, killing ? performance.now() + 500 : killAtMs);
  }
}

/** Lets everything of a runner go on that somebody has stopped. */
export async function continueRunner(table: ProcessTable, life: string): Promise<void> {
  const found = (await findRunners(table)).find(({ mark }) => mark.life === life);
  if (found) signalGroups(found, 'SIGCONT');
}

function isForeign({ members }: Found, handle: Partial<ProcessHandle>): boolean {
  const entry = members.find(({ pid }) => pid === handle.pid);
  return entry !== undefined && handle.born !== undefined && entry.born !== handle.born;
}

function signalGroups({ mark, members }: Found, signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT'): void {
  for (const groupId of new Set(members.map((entry) => entry.groupId))) {
    try {
      process.kill(-groupId, signal);
    } catch (cause) {
      const hasEnded = cause instanceof Error && 'code' in cause && cause.code === 'ESRCH';
      if (!hasEnded) throw failure('unavailable', `runner ${mark.runnerId} could not be signalled`, cause);
    }
  }
}

/**
 * Waits until all `members` have ended or the deadline has passed. Looks up only their pids: reading the whole table
 * costs much more.
 */
async function goneOrLate(table: ProcessTable, members: readonly Process[], deadlineMs: number): Promise<void> {
  const isAlive = async ({ pid, born }: Process) => (await table.find(pid).catch(() => undefined))?.born === born;
  while (performance.now() < deadlineMs) {
    const alive = await Promise.all(members.map(isAlive));
    if (!alive.includes(true)) return;
    await Bun.sleep(pollMs);
  }
}
