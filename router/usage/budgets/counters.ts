/**
 * Counts in memory what is used of budgets, so that a call is checked without the database. What was used before is read
 * from the database when a budget comes into force, at boot or when it is set.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Amount } from '../limits';
import type { Budget } from '../store/budgets';
import type { NewUsageRow, UsageStore } from '../store/calls';

type Period = Budget['period'];

export const PERIODS: readonly Period[] = ['day', 'month'];
/** Users whose use is counted in one turn of the event loop: some milliseconds. */
const COUNTED_AT_ONCE = 500;

/** The usage of one user or key in the period that began at `sinceMs`. */
interface Counter {
  sinceMs: number;
  tokens: number;
  money: number;
}

/**
 * @param deps.unwritten calls that metering has counted and not yet written.
 * @param deps.ofEverybody the budget of everybody, as it applies to a user; `undefined` for one with a budget of their own.
 * @param deps.now milliseconds since the epoch.
 */
export function budgetCounters(deps: {
  usage: UsageStore;
  unwritten: () => readonly NewUsageRow[];
  ofEverybody: (userId: string) => Budget | undefined;
  now: () => number;
}) {
  const { usage, unwritten, ofEverybody, now } = deps;
  /** By the id of the user or key: what was used of its budget in the budget's period. */
  const counters = new Map<string, Counter>();

  function counterOf({ period, subjectId }: Budget): Counter {
    const sinceMs = beginOf(period, now());
    const known = counters.get(subjectId);
    if (known?.sinceMs === sinceMs) return known;
    const fresh = { sinceMs, tokens: 0, money: 0 };
    counters.set(subjectId, fresh);
    return fresh;
  }

  /**
   * Begins to count budgets, with what waits to be written. In one turn of the event loop with the reading, which begins at
   * once: each call is in the counter, waits, or is read.
   */
  function begunAnew(own: readonly Budget[], { fromMs, untilMs }: { fromMs: number; untilMs: number }) {
    const waiting = unwritten().filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
    return own.map((budget) => {
      counters.delete(budget.subjectId);
      const counter = counterOf(budget);
      for (const row of waiting) if (countsFor(row, budget)) grow(counter, spentBy(row));
      return { counter, budget };
    });
  }

  /** Counts what has been used of budgets that come into force: what is written, and what waits for that. */
  async function countUp(fresh: readonly Budget[], subjectId?: string): Promise<void> {
    await Promise.all(
      PERIODS.map(async (period) => {
        const own = fresh.filter((budget) => budget.period === period);
        if (own.length === 0) return;
        const range = { fromMs: beginOf(period, now()), untilMs: endOf(period, now()) };
        const counted = begunAnew(own, range);
        const spent = await usage.spent(period, range, subjectId);
        for (const { counter, budget } of counted) grow(counter, spent.get(budget.subjectId));
      }),
    );
  }

  /**
   * Counts what users without a budget of their own have used in the period of everybody's: first those whose calls wait to
   * be written, then all others, some at a time.
   */
  async function countEverybody(period: Period): Promise<void> {
    let users: readonly string[] = [...new Set(unwritten().map(({ userId }) => userId))];
    await countUsers(users, period);
    for (let after = ''; ; after = users.at(-1) ?? '') {
      users = await usage.usersAfter(after, COUNTED_AT_ONCE);
      if (users.length === 0) return;
      await countUsers(users, period);
      await turn();
    }
  }

  /** Counts up the users who have no budget of their own. */
  async function countUsers(userIds: readonly string[], period: Period): Promise<void> {
    const theirs = userIds.flatMap((id) => ofEverybody(id) ?? []);
    const range = { fromMs: beginOf(period, now()), untilMs: endOf(period, now()) };
    const counted = begunAnew(theirs, range);
    const spent = await usage.spentBy(
      theirs.map(({ subjectId }) => subjectId),
      range,
    );
    for (const { counter, budget } of counted) grow(counter, spent.get(budget.subjectId));
  }

  return {
    countUp,
    countEverybody,
    countUsers,

    /** In the budget's unit, since its period began. */
    usedOf: (budget: Budget): number => counterOf(budget)[budget.unit],

    /** Counts what a call has used. */
    add: (budget: Budget, use: Amount): void => grow(counterOf(budget), use),

    forget: (subjectId: string): void => void counters.delete(subjectId),
  };
}

function grow(counter: Counter, { tokens, cost }: Amount = { tokens: 0, cost: 0 }): void {
  counter.tokens += tokens;
  counter.money += cost;
}

function countsFor({ userId, keyId, keyIds }: NewUsageRow, budget: Budget): boolean {
  return budget.keyId === null ? userId === budget.userId : (keyIds ?? [keyId]).includes(budget.keyId);
}

function spentBy({ promptTokens, completionTokens, cost }: NewUsageRow): Amount {
  return { tokens: promptTokens + completionTokens, cost: cost ?? 0 };
}

/** The start of the UTC day or month that contains `atMs`. */
function beginOf(period: Period, atMs: number): number {
  const at = new Date(atMs);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), period === 'day' ? at.getUTCDate() : 1);
}

/** The end of the period, when the next one begins. */
export function endOf(period: Period, atMs: number): number {
  const at = new Date(atMs);
  if (period === 'day') return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
}
