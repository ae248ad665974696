/**
 * Metering: one row for each upstream call, however it has ended. A row is priced and counted at once and written soon
 * after in a batch, so that no call waits for the database and a crash loses at most one second of rows.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import type { MetricsService } from '../metrics/metrics';
import type { Limiter } from './limits';
import type { PricesService } from './prices/prices';
import type { NewUsageRow, UsageStore } from './store/calls';
import type { Tokens } from './tokens';

const WRITE_MS = 1_000;
/** Rows that are kept while the database refuses writes; beyond this, the oldest are lost. */
const PENDING_MAX = 50_000;
/** Rows of one transaction, which everybody waits for: after an outage there are many. */
const ROWS_AT_ONCE = 200;
/** Characters of a model name that are stored; no real model name is longer. */
const MODEL_LENGTH_MAX = 200;

type Described = 'userId' | 'agentId' | 'backend' | 'path' | 'model' | 'source' | 'status' | 'ending' | 'totalMs';

/** An upstream call that has ended. Times are in milliseconds since its start. */
export interface UpstreamUse extends Readonly<Pick<NewUsageRow, Described>> {
  readonly conversationId?: string | undefined;
  /** The key whose request the call served, or all keys whose requests it may have served. */
  readonly keyIds?: readonly string[] | undefined;
  readonly tokens: Tokens;
  /** How often the price per call is charged: once, once per picture, or 0 times for a refused call. */
  readonly calls?: number;
  /** The upstream did not report its tokens: the numbers are an estimate. */
  readonly estimated: boolean;
  /** Until the first byte of the answer; absent when no answer came. */
  readonly firstByteMs?: number | undefined;
}

export type MeteringService = ReturnType<typeof meteringService>;

/** @param deps.now milliseconds since the epoch. */
export function meteringService(deps: {
  usage: UsageStore;
  prices: Pick<PricesService, 'costOf'>;
  /** Services that count the usage of users and keys. */
  counters: readonly Pick<Limiter, 'add'>[];
  metrics: MetricsService;
  now: () => number;
}) {
  const { usage, prices, counters, metrics, now } = deps;
  let pending: NewUsageRow[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    // Calls that are counted meanwhile are written a second later.
    for (let left = pending.length; left > 0; ) {
      const rows = pending.splice(0, Math.min(left, ROWS_AT_ONCE));
      left -= rows.length;
      try {
        await usage.insert(rows);
      } catch (error) {
        relayLog.error({ err: error, rows: rows.length }, 'usage.refused');
        pending = [...rows, ...pending].slice(-PENDING_MAX);
        writeSoon();
        return;
      }
      if (left > 0) await nextTurn();
    }
  }

  function writeSoon(): void {
    timer ??= setTimeout(() => void flush(), WRITE_MS);
  }

  function flush(): Promise<void> {
    writing = writing.then(write);
    return writing;
  }

  return {
    /** Never throws and never waits. */
    record(use: UpstreamUse): void {
      const { tokens, calls, conversationId, keyIds = [], firstByteMs, totalMs, ...rest } = use;
      const model = use.model.slice(0, MODEL_LENGTH_MAX);
      const of = { agent: use.agentId };
      const cost = safely('price', of, () => prices.costOf(model, tokens, calls));
      const used = { userId: use.userId, keyIds, tokens: tokens.prompt + tokens.completion, cost: cost ?? 0 };
      for (const counter of counters) safely('counter', of, () => counter.add(used));
      safely('metrics', of, () => metrics.tokensUsed(use.backend, tokens));
      pending.push({
        ...rest,
        model,
        atMs: now(),
        conversationId: conversationId ?? null,
        keyId: (keyIds.length === 1 && keyIds[0]) || null,
        keyIds: keyIds.length > 1 ? keyIds : null,
        promptTokens: tokens.prompt,
        completionTokens: tokens.completion,
        cachedTokens: tokens.cached,
        reasoningTokens: tokens.reasoning,
        cost: cost ?? null,
        firstByteMs: firstByteMs === undefined ? null : Math.round(firstByteMs),
        totalMs: Math.round(totalMs),
      });
      writeSoon();
    },

    /** The rows recorded so far that are not written: without those of a batch that is being written. */
    unwritten: (): readonly NewUsageRow[] => pending,

    /** Writes the rows recorded so far: before a report, and on shutdown. Never rejects. */
    flush,
  };
}
