/** Scheduled backups: makes one in a thread when the newest is old enough, and removes the oldest. */
import { listBackups, pruneBackups } from '../database/backup-folders';
import { processLog } from '../lib/log';
import type { Places } from './backup';
import type { BackupResult } from './backup-worker';
import { backupWorkerFile } from './worker-file';

/** After a failed backup, such as one for which there was no room, the next is tried this much later. */
const RETRY_MS = 15 * 60_000;

export function backupSchedule(options: {
  readonly places: Places;
  readonly root: string;
  /** Absent: no scheduled backups. */
  readonly everyMs?: number;
  /** How many backups are kept. */
  readonly kept: number;
  readonly now: () => number;
}) {
  const { places, root, everyMs, kept, now } = options;
  let problem: string | undefined;
  let failedAtMs = Number.NEGATIVE_INFINITY;

  /** When the newest complete backup was made, in milliseconds since the epoch. */
  const lastMadeAtMs = () => listBackups(root).findLast(({ isBeforeMigration }) => !isBeforeMigration)?.madeAtMs;

  /** A date in the future comes from a clock that was set back. */
  function isDue(intervalMs: number, nowMs: number): boolean {
    const last = lastMadeAtMs();
    return last === undefined || last > nowMs || nowMs >= last + intervalMs;
  }

  async function make(stopping: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const result = await inThread({ places, root }, stopping);
    if (stopping.aborted) return;
    if ('problem' in result) throw new Error(result.problem);
    problem = undefined;
    processLog.info({ path: result.path, totalMs: Math.round(performance.now() - startedMs) }, 'backup.made');
    pruneBackups(root, kept);
  }

  return {
    /** Why the last scheduled backup could not be made; undefined when it was made. */
    problem: () => problem,
    lastMadeAtMs,
    /** Makes a backup if one is due. Resolves when it is made, has failed or `stopping` has aborted. Never rejects. */
    async whenDue(stopping: AbortSignal): Promise<void> {
      const nowMs = now();
      if (everyMs === undefined || nowMs < failedAtMs + RETRY_MS || stopping.aborted) return;
      try {
        if (isDue(everyMs, nowMs)) await make(stopping);
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
        failedAtMs = nowMs;
        processLog.error({ problem }, 'backup.failed');
      }
    },
  };
}

function inThread(job: { places: Places; root: string }, stopping: AbortSignal): Promise<BackupResult> {
  const worker = new Worker(backupWorkerFile, { smol: true, ref: false });
  const result = Promise.withResolvers<BackupResult>();
  const failed = (why: string) => result.resolve({ problem: why });
  worker.onmessage = ({ data }: MessageEvent<BackupResult>) => result.resolve(data);
  worker.onerror = ({ message }) => failed(message);
  worker.addEventListener('close', () => failed('the thread that makes the backup has ended'));
  const onAbort = () => failed('the router is stopping');
  stopping.addEventListener('abort', onAbort, { once: true });
  worker.postMessage(job);
  return result.promise.finally(() => {
    stopping.removeEventListener('abort', onAbort);
    worker.terminate();
  });
}
