/**
 * Copies what is in SQLite's log (the WAL) into the database file: a checkpoint. It waits twice for the disk, which takes
 * milliseconds on a quiet machine and far more on a busy one, so it is made in a thread, and the event loop goes on.
 */
import { processLog } from '../lib/log';
import { WorkerPool } from '../lib/worker-pool';
import { checkpointFile } from './checkpoint-file';
import type { CheckpointJob, CheckpointResult } from './checkpoint-worker';
import type { Database } from './database';

/** Pages of 4 KiB in the log that are not in the file. SQLite's own bound is half of it; a checkpoint costs as much as a hundred answers. */
const PAGES = 2_000;
/** A disk that takes longer is broken; the next one is tried all the same. */
const DEADLINE_MS = 60_000;
/** A thread takes 5 MB, and ends when nothing has been written for so long. */
const IDLE_MS = 60_000;

interface Checkpoints extends Disposable {
  /** Makes a checkpoint if enough is in the log. Resolves when it is made or has failed. Never rejects. */
  whenDue(): Promise<void>;
}

/** @param path of the database, which its own connection has open. */
export function createCheckpoints(database: Pick<Database, 'pagesInLog'>, path: string): Checkpoints {
  const pool = new WorkerPool<CheckpointJob, CheckpointResult>({
    ...{ file: checkpointFile, threadsMax: 1, waitingMax: 1 },
    ...{ deadlineMs: DEADLINE_MS, idleMs: IDLE_MS },
  });
  return {
    async whenDue() {
      if (database.pagesInLog() < PAGES) return;
      await pool.ready();
      const outcome = await pool.run('', path, Number.POSITIVE_INFINITY);
      const problem = typeof outcome === 'string' ? outcome : outcome.result;
      // Without one the log grows until SQLite makes it by itself (database.ts).
      if (problem !== '') processLog.warn({ problem }, 'checkpoint.failed');
    },
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}
