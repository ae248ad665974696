/** Headers of answers of `/v1`: OpenAI's about limits and time, and our own about the agent. */
import { isLimited, type LimitState, type RateLimitsService } from '../accounts/keys/limits';
import type { Key } from '../accounts/keys/store';
import type { Held } from '../relay/relayed';
import type { Plan } from './plan';

const NOTHING: Held = { end: () => undefined };

/**
 * Counts the request against the key's limits and writes what is left into `headers`. Throws `rate_limit_exceeded`,
 * with the same headers.
 * @returns what the caller ends with the request.
 */
export function takeRequest(limits: RateLimitsService, key: Key, headers: Record<string, string | number>): Held {
  if (!isLimited(key)) return NOTHING;
  try {
    return { end: limits.take(key) };
  } finally {
    const { requests, tokens } = limits.statesOf(key);
    Object.assign(headers, ofUnit('requests', requests), ofUnit('tokens', tokens));
  }
}

function ofUnit(unit: string, state: LimitState | undefined): Record<string, string> {
  if (!state) return {};
  return {
    [`x-ratelimit-limit-${unit}`]: String(state.limit),
    [`x-ratelimit-remaining-${unit}`]: String(state.remaining),
    [`x-ratelimit-reset-${unit}`]: duration(state.resetMs),
  };
}

/** A duration in OpenAI's format: `120ms`, `1.5s`, `1m0s`. */
function duration(ms: number): string {
  if (ms < 1_000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = Math.round((ms % 60_000) / 100) / 10;
  return `${minutes > 0 ? `${minutes}m` : ''}${seconds}s`;
}

/** The facts about an answer that are known so far. */
interface Known {
  /** On the clock of `performance.now()`. */
  readonly startedMs: number;
  readonly plan: Plan | undefined;
  /** Whether the runner had to be started first. */
  readonly isCold: boolean;
  readonly runnerId: string | undefined;
}

/** Headers with the known facts about an answer. */
export function knownHeaders({ startedMs, plan, isCold, runnerId }: Known): Record<string, string> {
  const headers: Record<string, string> = {
    'openai-processing-ms': String(Math.round(performance.now() - startedMs)),
  };
  if (plan) {
    headers['x-agent-stack-agent'] = plan.call.agent.id;
    headers['x-agent-stack-cold-start'] = String(isCold);
  }
  if (runnerId !== undefined) headers['x-agent-stack-runner'] = runnerId;
  if (plan?.turn) headers['x-conversation-id'] = plan.turn.conversation.id;
  return headers;
}
