/** Commits together what is written in one turn of the event loop. */
import { type Db, transaction } from './database';

/**
 * Runs `work` in a transaction, soon, and resolves with its result when it is committed. `work` is synchronous, only
 * writes, and may run twice.
 */
export type Write = <T>(work: (tx: Db) => T extends PromiseLike<unknown> ? never : T) => Promise<T>;

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
    let isBegun = false;
    try {
      transaction(db, (tx) => {
        isBegun = true;
        for (const { work } of writes) results.push(work(tx));
      });
    } catch (thrown) {
      // No write is at fault where another program holds the lock, or the disk is full. To wait for the lock again, once
      // for each of them, would stop the event loop for as long.
      const isOwn = isBegun && results.length < writes.length;
      for (const write of writes) {
        if (isOwn && writes.length > 1) alone(write);
        else write.reject(thrown);
      }
      return;
    }
    for (const [index, { resolve }] of writes.entries()) resolve(results[index] as never);
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
