/**
 * Budgets: what a user, or one of their keys, may use in a UTC day or month. Usage is counted in memory, so that a call
 * is checked without the database; the counters are read from the database once, at boot.
 */
import { AppError } from '../lib/errors';
import type { Budget, BudgetsStore } from './budgets-store';
import { Held } from './held';
import type { Amount, Counted, Refusal } from './limits';
import type { UsageStore } from './store';

type Unit = Budget['unit'];
type Period = Budget['period'];

const UNITS: readonly Unit[] = ['tokens', 'money'];
const PERIODS: readonly Period[] = ['day', 'month'];

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

/** @param deps.now milliseconds since the epoch. */
export function budgetsService(deps: { budgets: BudgetsStore; usage: UsageStore; now: () => number }) {
  const { budgets: store, usage, now } = deps;
  const budgets = new Map<string, Budget>();
  /**
   * By period, then by the id of the user or key. Users and keys without a budget are counted too, because they may get
   * one.
   */
  const counters: Readonly<Record<Period, Map<string, Counter>>> = { day: new Map(), month: new Map() };
  const held = new Held();

  function counterOf(period: Period, subjectId: string): Counter {
    const sinceMs = beginning(period, now());
    const known = counters[period].get(subjectId);
    if (known?.sinceMs === sinceMs) return known;
    const fresh = { sinceMs, tokens: 0, money: 0 };
    counters[period].set(subjectId, fresh);
    return fresh;
  }

  function stateOf(budget: Budget): BudgetState {
    const used = counterOf(budget.period, budget.subjectId)[budget.unit];
    const isOver = (limit: number | null) => limit !== null && used >= limit;
    const level = isOver(budget.hardLimit) ? 'hard' : isOver(budget.softLimit) ? 'soft' : 'within';
    return { budget, used, resetsAtMs: ending(budget.period, now()), level };
  }

  function hardBudgetsOf(who: Counted): readonly Budget[] {
    return subjectsOf(who).flatMap((id) => {
      const budget = budgets.get(id);
      return budget && budget.hardLimit !== null ? [budget] : [];
    });
  }

  function refusalOf(who: Counted): Refusal | undefined {
    const refusals = hardBudgetsOf(who).flatMap((budget): Refusal | [] => {
      const state = stateOf(budget);
      if (state.level === 'hard') return { error: usedUp(state, now()), isHeld: false };
      const { tokens, cost } = held.of(budget.subjectId);
      const most = state.used + (budget.unit === 'tokens' ? tokens : cost);
      return most >= (budget.hardLimit ?? Number.POSITIVE_INFINITY) ? { error: taken(budget), isHeld: true } : [];
    });
    return refusals.find(({ isHeld }) => !isHeld) ?? refusals[0];
  }

  return {
    /** Reads the budgets and the usage of the current periods. Call it once, before any other method. */
    async load(): Promise<void> {
      for (const budget of await store.list()) budgets.set(budget.subjectId, budget);
      for (const period of PERIODS) {
        const range = { fromMs: beginning(period, now()), untilMs: ending(period, now()) };
        for (const dimension of ['user', 'key'] as const) {
          for (const { key, promptTokens, completionTokens, cost } of await usage.groups(range, dimension)) {
            const tokens = promptTokens + completionTokens;
            counters[period].set(key, { sinceMs: range.fromMs, tokens, money: cost });
          }
        }
        for (const { keyId, tokens, cost } of await usage.possibleKeys(range)) {
          const counter = counterOf(period, keyId);
          counter.tokens += tokens;
          counter.money += cost;
        }
      }
    },

    /** A deleted key uses nothing any more. */
    forget(subjectId: string): void {
      for (const period of PERIODS) counters[period].delete(subjectId);
    },

    /**
     * Throws `insufficient_quota` when the user or a key is at a hard limit; for a request that is going to make calls.
     * Amounts that are held by calls under way do not count here.
     */
    check(who: Counted): void {
      const refusal = refusalOf(who);
      if (refusal && !refusal.isHeld) throw refusal.error;
    },

    refusalOf,

    hold: (who: Counted, amount: Amount): (() => void) => held.hold(subjectsOf(who), amount),

    unitsOf: (who: Counted): readonly Unit[] => hardBudgetsOf(who).map(({ unit }) => unit),

    /** Counts what a call has used. */
    add({ tokens, cost, ...who }: Counted & Amount): void {
      for (const period of PERIODS) {
        for (const subjectId of subjectsOf(who)) {
          const counter = counterOf(period, subjectId);
          counter.tokens += tokens;
          counter.money += cost;
        }
      }
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
      budgets.set(budget.subjectId, budget);
    },

    /** Throws `not_found` when the subject has no budget. */
    async remove(subjectId: string): Promise<void> {
      // The store first: memory must not lift a limit that is still in the database.
      const wasThere = await store.delete(subjectId);
      budgets.delete(subjectId);
      if (!wasThere) throw new AppError('not_found', { message: 'There is no such budget.' });
    },
  };
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
