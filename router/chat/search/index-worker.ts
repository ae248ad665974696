/** The worker thread that indexes messages (indexing.ts), through a connection of its own. */
import { openInThread } from '../../database/thread-connection';
import { transaction } from '../../database/transaction';
import { type IndexPlace, indexSteps } from './store-index';

declare const self: Worker;

export interface IndexJob {
  /** Of the database. */
  readonly path: string;
  readonly after: IndexPlace | undefined;
}

export interface IndexResult {
  /** Where it came to, undefined at the end. */
  readonly place?: IndexPlace | undefined;
  /** What kept it from going on. */
  readonly problem?: string;
}

/** Milliseconds of one job, so that the router is not kept from stopping. */
const JOB_MS = 250;
/** Small: while the thread has the lock for writing, answers wait for it. */
const STEP = { ms: 1, mergedPages: 12 } as const;
/**
 * Rests between two steps, as a multiple of what the step took and in milliseconds at least. The busier the machine is, the
 * longer a step takes, and the longer others have the lock and the CPU.
 */
const REST = { times: 4, leastMs: 10 } as const;

async function index({ path, after }: IndexJob): Promise<IndexPlace | undefined> {
  using sqlite = openInThread(path);
  const step = indexSteps(sqlite, STEP);
  const untilMs = performance.now() + JOB_MS;
  for (let place = after; ; ) {
    const startedMs = performance.now();
    place = transaction({ $client: sqlite }, () => step(place));
    if (!place || performance.now() >= untilMs) return place;
    await Bun.sleep(Math.max(REST.leastMs, REST.times * (performance.now() - startedMs)));
  }
}

self.onmessage = ({ data }: MessageEvent<IndexJob>) =>
  void index(data).then(
    (place) => self.postMessage({ place } satisfies IndexResult),
    (error) => self.postMessage({ problem: String(error) } satisfies IndexResult),
  );
self.postMessage('ready');
