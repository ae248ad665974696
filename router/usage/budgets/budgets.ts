/**
 * Budgets: what a user, one of their keys, or each user without a budget of their own may use in a UTC day or month. What is
 * used of them is in memory (`counters.ts`), so that a call is checked without the database.
 */
import { AppError } from '../../lib/errors';
import { Held } from '../held';
import type { Amount, Counted, Refusal } from '../limits';
import type { Budget, BudgetsStore } from '../store/budgets';
import type { NewUsageRow, UsageStore } from '../store/calls';
import { budgetCounters, endOf, PERIODS } from './counters';

type Unit = Budget['unit'];

const UNITS: readonly Unit[] = ['tokens', 'money'];
const NO_BUDGETS: readonly Budget[] = [];
/** The subject of the budget of users who have none of their own. No id is like it. */
export const EVERYBODY = 'everybody';

export interface BudgetState {
  readonly budget: Budget;
  /** In the budget's unit, since the period began. */
  readonly used: number;
  /** When the next period begins. */
  readonly resetsAtMs: number;
  /** `soft`: the owner is warned. `hard`: no more calls are passed on. */
  readonly level: 'within' | 'soft' | 'hard';
  /** Whether it is that of everybody, applied to a user without one of their own. */
  readonly isOfEverybody: boolean;
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
  const held = new Held();
  const counters = budgetCounters({
    ...{ usage, unwritten, now },
    ofEverybody: (userId) => (budgets.has(userId) ? undefined : budgetOf(userId)),
  });

  function stateOf(budget: Budget): BudgetState {
    const used = counters.usedOf(budget);
    const isOver = (limit: number | null) => limit !== null && used >= limit;
    const level = isOver(budget.hardLimit) ? 'hard' : isOver(budget.softLimit) ? 'soft' : 'within';
    const isOfEverybody = budget.subjectId !== EVERYBODY && !budgets.has(budget.subjectId);
    return { budget, used, resetsAtMs: endOf(budget.period, now()), level, isOfEverybody };
  }

  /** The user's own budget, or that of everybody. */
  function budgetOf(userId: string): Budget | undefined {
    const everybody = budgets.get(EVERYBODY);
    return budgets.get(userId) ?? (everybody && { ...everybody, subjectId: userId, userId });
  }

  /** The budgets that count a use: of the user, and of the keys. */
  function countingOf({ userId, keyIds = [] }: Counted): readonly Budget[] {
    const found = [budgetOf(userId), ...keyIds.map((id) => budgets.get(id))];
    return found.filter((budget) => budget !== undefined);
  }

  function hardBudgetsOf(who: Counted): readonly Budget[] {
    // Most installations have none.
    if (budgets.size === 0) return NO_BUDGETS;
    return countingOf(who).filter(({ hardLimit }) => hardLimit !== null);
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
    counters.forget(subjectId);
  }

  return {
    /** Reads the budgets, and what has been used of them. Call it once, before any other method. */
    async load(): Promise<void> {
      const all = await store.list();
      for (const budget of all) budgets.set(budget.subjectId, budget);
      await counters.countUp(all);
      const everybody = budgets.get(EVERYBODY);
      if (everybody) await counters.countEverybody(everybody.period);
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
      if (budgets.size === 0) return;
      for (const budget of countingOf(use)) counters.add(budget, use);
    },

    /** The budget of a user, if there is one; not those of their keys. */
    ownState(userId: string): BudgetState | undefined {
      const budget = budgetOf(userId);
      return budget && stateOf(budget);
    },

    /** The budget of users who have none of their own. */
    ofEverybody: (): Budget | undefined => budgets.get(EVERYBODY),

    /** The budget of a user, which may be that of everybody, and those of their keys. */
    statesOf(userId: string): readonly BudgetState[] {
      const ofKeys = [...budgets.values()].filter((budget) => budget.userId === userId && budget.keyId !== null);
      const ofUser = budgetOf(userId);
      return (ofUser ? [ofUser, ...ofKeys] : ofKeys).map(stateOf);
    },

    list: (): readonly BudgetState[] => [...budgets.values()].map(stateOf),

    /** Sets or replaces the budget of its subject, from the next call on. Throws `invalid_fields`. */
    async put(budget: Budget): Promise<void> {
      const fields = problemsOf(budget);
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      await store.put(budget);
      const former = budgets.get(budget.subjectId);
      budgets.set(budget.subjectId, budget);
      if (former?.period === budget.period) return;
      if (budget.subjectId === EVERYBODY) await counters.countEverybody(budget.period);
      else await counters.countUp([budget], budget.subjectId);
    },

    /** Throws `not_found` when the subject has no budget. */
    async remove(subjectId: string): Promise<void> {
      // The store first: memory must not lift a limit that is still in the database.
      const wasThere = await store.delete(subjectId);
      const removed = budgets.get(subjectId);
      forget(subjectId);
      const everybody = budgets.get(EVERYBODY);
      // Everybody's applies to this user from now on.
      if (everybody && removed?.userId && removed.keyId === null)
        await counters.countUsers([removed.userId], everybody.period);
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
