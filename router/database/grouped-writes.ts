/** Commits together what is written in one moment. */
import type { Db } from './database';
import { hasSqliteCode, LOCK_WAIT_MS, transactionAtOnce } from './transaction';

/**
 * Runs `work` in a transaction, soon, and resolves with its result when it is committed. `work` is synchronous, only
 * writes, and may run twice.
 */
export type Write = <T>(work: (tx: Db) => T extends PromiseLike<unknown> ? never : T) => Promise<T>;

/** Maximum time of one transaction. The remaining writes follow in the next turn of the event loop. */
const GROUP_MS = 4;
/** Milliseconds for which the writes of several turns of the event loop are gathered, as long as each turn brings more. */
const GATHER_MS = 2;
/** Milliseconds until the lock that another connection has is tried for again. */
const RETRY_MS = 1;

interface Waiting {
  work(tx: Db): unknown;
  resolve(result: never): void;
  reject(thrown: unknown): void;
  /** The work threw in a group, and gets a transaction of its own. */
  isAlone: boolean;
}

/**
 * Returns the one way for the writes of a store. All writes of one turn of the event loop are one transaction, in their
 * order, because a commit costs ten times what is committed; while several come at once, those of some turns are. Where one
 * of them throws, those before it are a transaction, it is one of its own, and those after it are another, each in a turn of
 * the loop: only that one fails, and nobody waits for as many commits as there are writes.
 */
export function groupedWrites(db: Db): Write {
  let waiting: Waiting[] = [];
  /** The last transaction had several writes. A client that writes alone waits for nobody. */
  let isShared = false;
  /** How many waited in the turn of the loop before. */
  let gathered = 0;
  let gatherUntilMs = 0;
  /** Time of `performance.now()` at which the writes fail that wait for another connection's lock. */
  let failsAtMs: number | undefined;

  function gather(): void {
    const isGrowing = waiting.length > gathered;
    gathered = waiting.length;
    if (isShared && isGrowing && performance.now() < gatherUntilMs) setImmediate(gather);
    else commit();
  }

  function begin(): void {
    gathered = 0;
    gatherUntilMs = performance.now() + GATHER_MS;
    setImmediate(gather);
  }

  function commit(): void {
    const alone = waiting.findIndex(({ isAlone }) => isAlone);
    const writes = alone === -1 ? waiting : waiting.slice(0, Math.max(alone, 1));
    const results: unknown[] = [];
    // Whether it is a write that throws, and not the begin or the end of the transaction.
    let isRunning = false;
    try {
      transactionAtOnce(db, (tx) => {
        const untilMs = performance.now() + GROUP_MS;
        for (const { work } of writes) {
          isRunning = true;
          results.push(work(tx));
          isRunning = false;
          if (performance.now() >= untilMs) break;
        }
      });
      failsAtMs = undefined;
      isShared = results.length > 1;
      waiting = waiting.slice(results.length);
      for (const [index, result] of results.entries()) writes[index]?.resolve(result as never);
    } catch (thrown) {
      // The writes wait for the lock, the event loop does not.
      if (!isRunning && hasSqliteCode(thrown, 'SQLITE_BUSY')) {
        failsAtMs ??= performance.now() + LOCK_WAIT_MS;
        if (performance.now() < failsAtMs) return void setTimeout(commit, RETRY_MS);
      }
      failsAtMs = undefined;
      failed(writes, isRunning ? writes[results.length] : undefined, thrown);
    }
    if (waiting.length > 0) setImmediate(commit);
  }

  function failed(writes: readonly Waiting[], culprit: Waiting | undefined, thrown: unknown): void {
    if (culprit && writes.length > 1) {
      culprit.isAlone = true;
      return;
    }
    // When the begin or the commit failed (another program holds the lock, the disk is full), no write is at fault.
    const refused = culprit ? writes : waiting;
    waiting = waiting.slice(refused.length);
    for (const write of refused) write.reject(thrown);
  }

  return (work) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ work, resolve, reject, isAlone: false }) === 1) begin();
    });
}
