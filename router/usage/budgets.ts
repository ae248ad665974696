/**
 * Budgets: what a user, or one of their keys, may use in a UTC day or month. Usage of those with a budget is counted in
 * memory, so that a call is checked without the database; it is read from the database at boot, or when the budget is set.
 */
import { AppError } from '../lib/errors';
import type { Budget, BudgetsStore } from './budgets-store';
import { Held } from './held';
import type { Amount, Counted, Refusal } from './limits';
import type { NewUsageRow, UsageStore } from './store';

type Unit = Budget['unit'];
type Period = Budget['period'];

const UNITS: readonly Unit[] = ['tokens', 'money'];
const PERIODS: readonly Period[] = ['day', 'month'];
const NO_BUDGETS: readonly Budget[] = [];

export interface BudgetState {
  readonly budget: Budget;
  /** In the budget's unit, since the period began. */
  readonly used: number;
  /** When the next period begins. */
  readonly resetsAtMs: number;
  /** `soft`: the owner is warned. `hard`: no more calls are passed on. */
  readonly level: 'within' | 'soft' | 'hard';
}

/** The usage of one user or key in the period that began at `sinceMs`. */
interface Counter {
  sinceMs: number;
  tokens: number;
  money: number;
}

export type BudgetsService = ReturnType<typeof budgetsService>;

/**
 * @param deps.unwritten calls that metering has counted and not yet written.
 * @param deps.now milliseconds since the epoch.
 */
export function budgetsService(deps: {
  budgets: BudgetsStore;
  usage: UsageStore;
  unwritten: () => readonly NewUsageRow[];
  now: () => number;
}) {
  const { budgets: store, usage, unwritten, now } = deps;
  const budgets = new Map<string, Budget>();
  /** By the id of the user or key: what was used of its budget in the budget's period. */
  const counters = new Map<string, Counter>();
  const held = new Held();

  function counterOf({ period, subjectId }: Budget): Counter {
    const sinceMs = beginning(period, now());
    const known = counters.get(subjectId);
    if (known?.sinceMs === sinceMs) return known;
    const fresh = { sinceMs, tokens: 0, money: 0 };
    counters.set(subjectId, fresh);
    return fresh;
  }

  function stateOf(budget: Budget): BudgetState {
    const used = counterOf(budget)[budget.unit];
    const isOver = (limit: number | null) => limit !== null && used >= limit;
    const level = isOver(budget.hardLimit) ? 'hard' : isOver(budget.softLimit) ? 'soft' : 'within';
    return { budget, used, resetsAtMs: ending(budget.period, now()), level };
  }

  function hardBudgetsOf(who: Counted): readonly Budget[] {
    // Most installations have none.
    if (budgets.size === 0) return NO_BUDGETS;
    return subjectsOf(who).flatMap((id) => {
      const budget = budgets.get(id);
      return budget && budget.hardLimit !== null ? [budget] : [];
    });
  }

  function refusalOf(who: Counted): Refusal | undefined {
    const applying = hardBudgetsOf(who);
    if (applying.length === 0) return undefined;
    const refusals = applying.flatMap((budget): Refusal | [] => {
      const state = stateOf(budget);
      if (state.level === 'hard') return { error: usedUp(state, now()), isHeld: false };
      const { tokens, cost } = held.of(budget.subjectId);
      const most = state.used + (budget.unit === 'tokens' ? tokens : cost);
      return most >= (budget.hardLimit ?? Number.POSITIVE_INFINITY) ? { error: taken(budget), isHeld: true } : [];
    });
    return refusals.find(({ isHeld }) => !isHeld) ?? refusals[0];
  }

  function forget(subjectId: string): void {
    budgets.delete(subjectId);
    counters.delete(subjectId);
  }

  /** Counts what has been used of budgets that come into force: what is written, and what waits for that. */
  async function countUp(fresh: readonly Budget[], subjectId?: string): Promise<void> {
    const waiting = unwritten();
    await Promise.all(
      PERIODS.map(async (period) => {
        const own = fresh.filter((budget) => budget.period === period);
        if (own.length === 0) return;
        const range = { fromMs: beginning(period, now()), untilMs: ending(period, now()) };
        const isIn = ({ atMs }: NewUsageRow) => atMs >= range.fromMs && atMs < range.untilMs;
        // In one turn of the event loop with the reading, which begins at once: each call is in one of the three.
        const counted = own.map((budget) => {
          counters.delete(budget.subjectId);
          const counter = counterOf(budget);
          for (const row of waiting) if (isIn(row) && countsFor(row, budget)) grow(counter, spentBy(row));
          return { counter, budget };
        });
        const spent = await usage.spent(period, range, subjectId);
        for (const { counter, budget } of counted) grow(counter, spent.get(budget.subjectId));
      }),
    );
  }

  return {
    /** Reads the budgets, and what has been used of them. Call it once, before any other method. */
    async load(): Promise<void> {
      const all = await store.list();
      for (const budget of all) budgets.set(budget.subjectId, budget);
      await countUp(all);
    },

    /** A deleted key uses nothing any more, and its budget is deleted with it. */
    forget,

    /**
     * Refuses a request to an agent early: throws `insufficient_quota` when the user or a key is at a hard limit, not
     * counting the amounts that calls under way hold. The check before each upstream call is in `limits.ts`.
     */
    refuseUsedUp(who: Counted): void {
      const refusal = refusalOf(who);
      if (refusal && !refusal.isHeld) throw refusal.error;
    },

    refusalOf,

    hold: (who: Counted, amount: Amount): (() => void) => held.hold(subjectsOf(who), amount),

    unitsOf: (who: Counted): readonly Unit[] => hardBudgetsOf(who).map(({ unit }) => unit),

    /** Counts what a call has used. */
    add(use: Counted & Amount): void {
      for (const subjectId of subjectsOf(use)) {
        const budget = budgets.get(subjectId);
        if (budget) grow(counterOf(budget), use);
      }
    },

    /** The budget of a user, if there is one; not those of their keys. */
    ownState(userId: string): BudgetState | undefined {
      const budget = budgets.get(userId);
      return budget && stateOf(budget);
    },

    /** The budgets of a user and of their keys. */
    statesOf: (userId: string): readonly BudgetState[] =>
      [...budgets.values()].filter((budget) => budget.userId === userId).map(stateOf),

    list: (): readonly BudgetState[] => [...budgets.values()].map(stateOf),

    /** Sets or replaces the budget of its subject, from the next call on. Throws `invalid_fields`. */
    async put(budget: Budget): Promise<void> {
      const fields = problemsOf(budget);
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      await store.put(budget);
      const former = budgets.get(budget.subjectId);
      budgets.set(budget.subjectId, budget);
      if (former?.period !== budget.period) await countUp([budget], budget.subjectId);
    },

    /** Throws `not_found` when the subject has no budget. */
    async remove(subjectId: string): Promise<void> {
      // The store first: memory must not lift a limit that is still in the database.
      const wasThere = await store.delete(subjectId);
      forget(subjectId);
      if (!wasThere) throw new AppError('not_found', { message: 'There is no such budget.' });
    },
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

function subjectsOf({ userId, keyIds = [] }: Counted): readonly string[] {
  return keyIds.length === 0 ? [userId] : [userId, ...keyIds];
}

function problemsOf({ unit, period, softLimit, hardLimit }: Budget): Record<string, string> {
  const fields: Record<string, string> = {};
  if (!UNITS.includes(unit)) fields.unit = 'tokens or money';
  if (!PERIODS.includes(period)) fields.period = 'day or month';
  const isLimit = (limit: number | null) => limit === null || (Number.isFinite(limit) && limit >= 0);
  if (!isLimit(softLimit)) fields.soft_limit = 'A number of 0 or more';
  if (!isLimit(hardLimit)) fields.hard_limit = 'A number of 0 or more';
  if (softLimit === null && hardLimit === null) fields.hard_limit = 'Set at least one limit';
  else if (softLimit !== null && hardLimit !== null && softLimit > hardLimit) {
    fields.soft_limit = 'Not above the hard limit';
  }
  return fields;
}

/** The start of the UTC day or month that contains `atMs`. */
function beginning(period: Period, atMs: number): number {
  const at = new Date(atMs);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), period === 'day' ? at.getUTCDate() : 1);
}

/** The end of the period, when the next one begins. */
function ending(period: Period, atMs: number): number {
  const at = new Date(atMs);
  if (period === 'day') return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
}

function usedUp({ budget, resetsAtMs }: BudgetState, nowMs: number): AppError {
  const whose = budget.keyId === null ? 'Your budget' : 'The budget of this API key';
  const limit = (budget.hardLimit ?? 0).toLocaleString('en');
  const amount = budget.unit === 'tokens' ? `${limit} tokens` : `${limit} (in the currency of the prices)`;
  const reset = `${new Date(resetsAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const way = budget.keyId === null ? 'ask the administrator to raise it' : 'use another key, or raise it';
  return new AppError('insufficient_quota', {
    message: `${whose} for this ${budget.period}, ${amount}, is used up. It starts again on ${reset}; until then ${way}.`,
    retryAfterSeconds: Math.max(1, Math.ceil((resetsAtMs - nowMs) / 1000)),
  });
}

/** The error when calls under way hold all that is left. */
function taken({ keyId, period }: Budget): AppError {
  const whose = keyId === null ? 'your budget' : 'the budget of this API key';
  return new AppError('rate_limit_exceeded', {
    message: `Open calls have reserved the rest of ${whose} for this ${period}. Try again when one has ended, or set a lower limit of tokens for the answer.`,
    retryAfterSeconds: 1,
  });
}
