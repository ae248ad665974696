/** Indexes the messages that are not indexed yet, in a thread of its own, so that the event loop is free. */
import { processLog } from '../../lib/log';
import { WorkerPool } from '../../lib/worker-pool';
import { indexFile } from './index-file';
import type { IndexJob, IndexResult } from './index-worker';
import type { SearchStore } from './store';
import type { IndexPlace } from './store-index';

/** A job takes a quarter of a second, and some more where others have the lock or the CPU. */
const DEADLINE_MS = 60_000;
/** A thread takes some megabytes, and ends when there was nothing to index for so long. */
const IDLE_MS = 60_000;

export interface Indexing extends Disposable {
  /** Indexes what is not indexed yet of all users. Ends early by the signal. Never rejects. */
  all(signal: AbortSignal): Promise<void>;
}

/** @param path of the database. */
export function createIndexing(search: Pick<SearchStore, 'isBehind'>, path: string): Indexing {
  const pool = new WorkerPool<IndexJob, IndexResult>({
    ...{ file: indexFile, threadsMax: 1, waitingMax: 1, deadlineMs: DEADLINE_MS, idleMs: IDLE_MS },
  });

  async function some(after: IndexPlace | undefined): Promise<IndexPlace | undefined> {
    await pool.ready();
    const outcome = await pool.run('', { path, after }, Number.POSITIVE_INFINITY);
    const { place, problem } = typeof outcome === 'string' ? { problem: outcome } : outcome.result;
    // It is tried again the next time.
    if (problem !== undefined) processLog.warn({ problem }, 'search.not_indexed');
    return place;
  }

  return {
    async all(signal) {
      if (!search.isBehind()) return;
      let place: IndexPlace | undefined;
      do place = await some(place);
      while (place && !signal.aborted);
    },
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}
