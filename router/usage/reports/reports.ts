/** Usage reports: totals, groups, and single calls; of one user or of all. Days are UTC days. */

import type { KeysStore } from '../../accounts/keys/store';
import type { UsersStore } from '../../accounts/users/store';
import type { AgentsStore } from '../../agents/store';
import type { BackendRegistry } from '../../backends/backends';
import { AppError } from '../../lib/errors';
import { DAY_MS } from '../../lib/time';
import type { UsageDimension, UsageGroup, UsageRange, UsageRow, UsageStore, UsageTotals } from '../store/calls';

const DEFAULT_DAYS = 30;
/** One year: a report is read into memory as a whole, and a table with a line per day must stay readable. */
const DAYS_MAX = 366;
const CALLS_PER_PAGE = 200;
/** About three months. */
const DAILY_DAYS_MAX = 92;

/** Days such as `2026-11-22`; both ends are included. */
export interface Days {
  readonly from: string;
  readonly to: string;
}

/** The days of a report, and the user; without a `userId`, all users. */
export interface Scope {
  readonly days: Days;
  readonly userId?: string;
}

export interface NamedGroup extends UsageGroup {
  /** The name that people use; absent when it is unknown or was deleted. */
  readonly name?: string;
}

/** One call, with names in place of the ids of its row. */
export interface Call {
  readonly row: UsageRow;
  readonly user: string;
  readonly agent: string;
  readonly key: string;
}

export type UsageService = ReturnType<typeof usageService>;

export function usageService(deps: {
  usage: UsageStore;
  users: UsersStore;
  agents: AgentsStore;
  keys: KeysStore;
  backends: BackendRegistry;
  /** Writes the pending rows, so that a report is complete. */
  flush: () => Promise<void>;
  now: () => number;
}) {
  const { usage, users, agents, keys, backends, flush, now } = deps;

  /** The names of users, agents, keys, … by id, in one question. */
  async function namesOf(by: UsageDimension, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (by === 'user') return new Map((await users.namesOf(ids)).map(({ id, email }) => [id, email]));
    if (by === 'agent') return new Map((await agents.namesOf(ids)).map(({ id, name }) => [id, name]));
    if (by === 'key') return new Map((await keys.namesOf(ids)).map(({ id, name }) => [id, name]));
    const nameOf = (id: string) => (by === 'backend' ? backends.find(id)?.displayName : id);
    return new Map(ids.flatMap((id) => [[id, nameOf(id) ?? ''] as const]).filter(([, name]) => name !== ''));
  }

  return {
    /**
     * The days that were requested: without `to` they end today, without `from` they are the 30 days up to `to`. Throws
     * `invalid_request`, which names the faulty value.
     */
    daysOf(asked: { readonly from?: string | undefined; readonly to?: string | undefined }): Days {
      const toMs = asked.to ? startOf('to', asked.to) : startOf('to', dayOf(now()));
      const fromMs = asked.from ? startOf('from', asked.from) : toMs - (DEFAULT_DAYS - 1) * DAY_MS;
      if (fromMs > toMs) throw refused('from', `expected a day that is not after "to", which is ${dayOf(toMs)}`);
      if (toMs - fromMs >= DAYS_MAX * DAY_MS) throw refused('from', `expected at most ${DAYS_MAX} days up to "to"`);
      return { from: dayOf(fromMs), to: dayOf(toMs) };
    },

    /** The spans of days that are requested most. */
    usualDays(): Readonly<Record<'week' | 'month' | 'thisMonth' | 'lastMonth', Days>> {
      const nowMs = now();
      const to = dayOf(nowMs);
      const firstOf = (monthsBack: number) => {
        const date = new Date(nowMs);
        return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - monthsBack);
      };
      return {
        week: { from: dayOf(nowMs - 6 * DAY_MS), to },
        month: { from: dayOf(nowMs - (DEFAULT_DAYS - 1) * DAY_MS), to },
        thisMonth: { from: dayOf(firstOf(0)), to },
        lastMonth: { from: dayOf(firstOf(1)), to: dayOf(firstOf(0) - DAY_MS) },
      };
    },

    async totals(scope: Scope): Promise<UsageTotals> {
      await flush();
      return usage.totals(rangeOf(scope));
    },

    /** All days in order; other dimensions by tokens, most first: `limit` groups, from `offset` on. */
    async groups(scope: Scope, by: UsageDimension, limit?: number, offset?: number): Promise<readonly NamedGroup[]> {
      await flush();
      const groups = await usage.groups(rangeOf(scope), by, limit, offset);
      const names = await namesOf(
        by,
        groups.map(({ key }) => key),
      );
      return groups.map((group) => {
        const name = names.get(group.key);
        return { ...group, ...(name !== undefined && { name }) };
      });
    },

    /** The single calls, oldest first, page by page; calls that are recorded meanwhile may be included. */
    async *calls(scope: Scope): AsyncGenerator<readonly Call[]> {
      await flush();
      const range = rangeOf(scope);
      for (let after: UsageRow | undefined; ; ) {
        const rows = await usage.page(range, after, CALLS_PER_PAGE);
        after = rows.at(-1);
        if (!after) return;
        const idsOf = (of: (row: UsageRow) => string | null) => [...new Set(rows.map((row) => of(row) ?? ''))];
        const [byUser, byAgent, byKey] = await Promise.all([
          namesOf(
            'user',
            idsOf(({ userId }) => userId),
          ),
          namesOf(
            'agent',
            idsOf(({ agentId }) => agentId),
          ),
          namesOf(
            'key',
            idsOf(({ keyId }) => keyId),
          ),
        ]);
        yield rows.map((row) => ({
          row,
          user: byUser.get(row.userId) ?? row.userId,
          agent: byAgent.get(row.agentId) ?? row.agentId,
          key: byKey.get(row.keyId ?? '') ?? row.keyId ?? '',
        }));
      }
    },
  };
}

/** A chart has a bar for each day, or for each week where days would be too thin to tell apart. */
export function stepOf({ from, to }: Days): 'day' | 'week' {
  return Date.parse(to) - Date.parse(from) < DAILY_DAYS_MAX * DAY_MS ? 'day' : 'week';
}

/** The first day of every day or week of a span, in order. A week begins on Monday, the first one with the span. */
export function timesIn({ from, to }: Days, step: 'day' | 'week'): readonly string[] {
  const toMs = Date.parse(to);
  const starts: string[] = [];
  for (let ms = Date.parse(from); ms <= toMs; ) {
    starts.push(dayOf(ms));
    ms += step === 'day' ? DAY_MS : (7 - ((new Date(ms).getUTCDay() + 6) % 7)) * DAY_MS;
  }
  return starts;
}

function rangeOf({ days, userId }: Scope): UsageRange {
  const range = { fromMs: Date.parse(days.from), untilMs: Date.parse(days.to) + DAY_MS };
  return userId === undefined ? range : { ...range, userId };
}

function startOf(name: string, day: string): number {
  const ms = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(day) : Number.NaN;
  // Some parsers read 30 February as 2 March; the comparison refuses it.
  if (Number.isNaN(ms) || dayOf(ms) !== day) throw refused(name, 'expected a day such as 2026-11-22');
  return ms;
}

/** The UTC day of a time. */
function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function refused(name: string, expected: string): AppError {
  const problem = `${expected.charAt(0).toUpperCase()}${expected.slice(1)}`;
  return new AppError('invalid_request', { message: `"${name}": ${expected}.`, fields: { [name]: problem } });
}
