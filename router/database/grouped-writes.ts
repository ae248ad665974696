/** Commits together what is written in one turn of the event loop. */
import { type Db, transaction } from './database';

/**
 * Runs `work` in a transaction, soon, and resolves with its result when it is committed. `work` is synchronous, only
 * writes, and may run twice.
 */
export type Write = <T>(work: (tx: Db) => T extends PromiseLike<unknown> ? never : T) => Promise<T>;

/** Maximum time of one transaction. The remaining writes follow in the next turn of the event loop. */
const GROUP_MS = 10;

interface Waiting {
  work(tx: Db): unknown;
  resolve(result: never): void;
  reject(thrown: unknown): void;
}

/**
 * Returns the one way for the writes of a store. All writes of one turn of the event loop are one transaction, in their
 * order, because a commit costs ten times what is committed. Where one of them throws, each is run again in a transaction
 * of its own, so that only that one fails.
 */
export function groupedWrites(db: Db): Write {
  let waiting: Waiting[] = [];

  function commit(): void {
    const writes = waiting;
    waiting = [];
    const results: unknown[] = [];
    // Whether it is a write that throws, and not the begin or the end of the transaction.
    let isRunning = false;
    try {
      transaction(db, (tx) => {
        const untilMs = performance.now() + GROUP_MS;
        for (const { work } of writes) {
          isRunning = true;
          results.push(work(tx));
          isRunning = false;
          if (performance.now() >= untilMs) break;
        }
      });
    } catch (thrown) {
      // When the begin or the commit failed (another program holds the lock, the disk is full), no write is at fault.
      // Waiting for the lock once per write would block the event loop that many times.
      for (const write of writes) {
        if (isRunning && writes.length > 1) alone(write);
        else write.reject(thrown);
      }
      return;
    }
    for (const [index, result] of results.entries()) writes[index]?.resolve(result as never);
    waiting = writes.slice(results.length);
    if (waiting.length > 0) setImmediate(commit);
  }

  function alone({ work, resolve, reject }: Waiting): void {
    try {
      resolve(transaction(db, work as (tx: Db) => never));
    } catch (thrown) {
      reject(thrown);
    }
  }

  return (work) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ work, resolve, reject }) === 1) setImmediate(commit);
    });
}
