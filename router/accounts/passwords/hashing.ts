/**
 * Hashes passwords in threads with a low priority. Those of `Bun.password.hash` have the priority of the event loop, so that on a
 * machine with few cores every stream would wait for them.
 */
import { availableParallelism } from 'node:os';
import { AppError } from '../../lib/errors';
import { newId } from '../../lib/ids';
import { WorkerPool } from '../../lib/worker-pool';
import { hashingFile } from './hashing-file';
import type { HashJob } from './hashing-worker';

/** One core is left to the event loop (`bun run bench --only sign-ins`). */
export const HASHING_AT_ONCE = Math.max(1, Math.min(3, availableParallelism() - 1));
/** Time limit for one hash, which takes 25 ms: a machine that is this busy has other troubles. */
const DEADLINE_MS = 30_000;
/** Milliseconds without a sign-in after which a thread, which takes 5 MB, ends. */
const IDLE_MS = 60_000;
const RETRY_SECONDS = 10;

export interface Hashing {
  hash(password: string): Promise<string>;
  /** Throws for something that is no hash. */
  verify(password: string | Uint8Array, hash: string): Promise<boolean>;
}

/**
 * Throws `overloaded` when the machine is too busy.
 * @param threadsMax callers ask for no more at once.
 * @param file the script of the threads.
 */
export function createHashing(threadsMax = HASHING_AT_ONCE, deadlineMs = DEADLINE_MS, file = hashingFile): Hashing {
  const pool = new WorkerPool<HashJob, string | boolean>({
    ...{ file, threadsMax, waitingMax: 1 },
    ...{ deadlineMs, idleMs: IDLE_MS },
  });

  async function run(job: HashJob): Promise<string | boolean> {
    await pool.ready();
    const beganMs = performance.now();
    const outcome = await pool.run(newId(), job, Number.POSITIVE_INFINITY);
    // `busy` has no other cause here: each job has a turn of its own, and no time by which it has to begin.
    if (outcome === 'busy') throw new Error('A password could not be hashed: no thread could be started');
    // A thread that ends before the deadline was given a text that is no hash.
    if (outcome === 'slow' && performance.now() - beganMs < deadlineMs) {
      throw new Error('A password could not be hashed: its thread ended');
    }
    if (outcome === 'slow') {
      throw new AppError('overloaded', {
        message: `This machine is too busy to check a password: it took longer than ${deadlineMs / 1000} s. Try again in a moment.`,
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
    return outcome.result;
  }

  return {
    hash: async (password) => String(await run({ password })),
    verify: async (password, hash) => (await run({ password, hash })) === true,
  };
}
