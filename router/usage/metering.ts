/**
 * Metering: one row for each call to an upstream, however it has ended. A row is priced and counted at once, and written
 * with others soon after, so that no call waits for the database and a crash loses a second at most.
 */
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import type { MetricsService } from '../metrics/metrics';
import type { Limiter } from './limits';
import type { PricesService } from './prices';
import type { NewUsageRow, UsageStore } from './store';
import type { Tokens } from './tokens';

const WRITE_MS = 1_000;
/** While the database refuses rows so many are kept; then the oldest are lost. */
const PENDING_MAX = 50_000;
/** What a runner names as its model is kept up to this length; no model's name is longer. */
const MODEL_LENGTH_MAX = 200;

type Described = 'userId' | 'agentId' | 'backend' | 'path' | 'model' | 'source' | 'status' | 'ending' | 'totalMs';

/** A call that has ended. Times are milliseconds since it began. */
export interface UpstreamUse extends Readonly<Pick<NewUsageRow, Described>> {
  readonly conversationId?: string | undefined;
  /** The key whose request it served, or those that it may have been for. */
  readonly keyIds?: readonly string[] | undefined;
  readonly tokens: Tokens;
  /** How often a price per call is charged: once, for each picture, or not at all for what was refused. */
  readonly calls?: number;
  /** The upstream has not said how many tokens: they are a guess. */
  readonly estimated: boolean;
  /** Until the first byte of the answer; without one there was none. */
  readonly firstByteMs?: number | undefined;
}

export type MeteringService = ReturnType<typeof meteringService>;

/** @param deps.now milliseconds since the epoch. */
export function meteringService(deps: {
  usage: UsageStore;
  prices: Pick<PricesService, 'costOf'>;
  /** They count what users and keys use. */
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
    const rows = pending;
    pending = [];
    try {
      await usage.insert(rows);
    } catch (error) {
      relayLog.error({ err: error, rows: rows.length }, 'usage.refused');
      pending = [...rows, ...pending].slice(-PENDING_MAX);
      writeSoon();
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

    /** Writes what is recorded so far: before a report, and when the router ends. Never rejects. */
    flush,
  };
}
