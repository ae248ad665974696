/** Deletes single calls that are older than their retention. Totals stay in reports and budgets (`usage_sums`). */
import { setImmediate as turn } from 'node:timers/promises';
import type { UsageStore } from './store/calls';

/** Rows of one statement: some milliseconds. */
const ROWS_AT_ONCE = 500;
/** Statements of one run. With one run a minute, 5,000,000 old calls are gone in a night. */
const STATEMENTS_MAX = 20;

/** @param beforeMs in milliseconds since the epoch. */
export async function deleteOldCalls(usage: Pick<UsageStore, 'deleteBefore'>, beforeMs: number): Promise<void> {
  for (let done = 0; done < STATEMENTS_MAX; done += 1) {
    if ((await usage.deleteBefore(beforeMs, ROWS_AT_ONCE)) < ROWS_AT_ONCE) return;
    await turn();
  }
}
