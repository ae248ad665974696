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

/** Milliseconds of one job and a rest, so that the router is not kept from stopping. */
const JOB_MS = 250;
/** Small: while the thread has the lock for writing, answers wait for it. */
const STEP = { ms: 1, mergedPages: 12 } as const;
/**
 * Rests between two steps, as a multiple of what the step took, and in milliseconds. The busier the machine is, the longer a
 * step takes, and the longer others have the lock and the CPU. Answers come first: where they take a whole CPU, the multiple
 * is greater by `busyTimes`.
 */
const REST = { times: 4, busyTimes: 60, leastMs: 10, mostMs: 250 } as const;

async function index({ path, after }: IndexJob): Promise<IndexPlace | undefined> {
  using sqlite = openInThread(path);
  const step = indexSteps(sqlite, STEP);
  const untilMs = performance.now() + JOB_MS;
  let busy = 0;
  for (let place = after; ; ) {
    const startedMs = performance.now();
    place = transaction({ $client: sqlite }, () => step(place));
    if (!place || performance.now() >= untilMs) return place;
    const ms = (REST.times + REST.busyTimes * busy) * (performance.now() - startedMs);
    busy = await rest(Math.min(REST.mostMs, Math.max(REST.leastMs, ms)));
  }
}

/** @returns how busy the process was meanwhile: 1 where it took a whole CPU. */
async function rest(ms: number): Promise<number> {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  await Bun.sleep(ms);
  const { user, system } = process.cpuUsage(before);
  return Math.min(1, (user + system) / 1e3 / (performance.now() - startedMs));
}

self.onmessage = ({ data }: MessageEvent<IndexJob>) =>
  void index(data).then(
    (place) => self.postMessage({ place } satisfies IndexResult),
    (error) => self.postMessage({ problem: String(error) } satisfies IndexResult),
  );
self.postMessage('ready');
