/** Ends everything that lives of a runner. */
import { type Found, failure, findRunners, type ProcessHandle } from './runners';
import type { Process, ProcessTable } from './table';

const pollMs = 20;
/** SIGKILL cannot be refused; a process that is still there after this hangs in the kernel, on a dead disk for example. */
const killMs = 10_000;

/**
 * SIGTERM to the runner's groups, SIGKILL after `graceMs`, and back when nothing of it is left.
 *
 * Each round asks the process table anew for carriers of the mark, so no pid is signalled that has since become
 * someone else's, and what was started in the meantime is found as well. False when the handle is not of the process
 * that carries its mark: then nothing was signalled. Rejects as `timeout` or `unavailable`.
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
    // What somebody has stopped would not hear of it.
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

/** Waits by asking for the known processes only, which is much cheaper than reading the whole table. */
async function goneOrLate(table: ProcessTable, members: readonly Process[], deadlineMs: number): Promise<void> {
  const isAlive = async ({ pid, born }: Process) => (await table.find(pid).catch(() => undefined))?.born === born;
  while (performance.now() < deadlineMs) {
    const alive = await Promise.all(members.map(isAlive));
    if (!alive.includes(true)) return;
    await Bun.sleep(pollMs);
  }
}
