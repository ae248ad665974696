/** The usage of one answer: the sum of the upstream calls of which the broker is certain that they served it. */
import type { MeteringService } from './metering';
import type { UsageStore } from './store/calls';

/** Milliseconds after an answer in which its last call may still be counted. */
const AFTER_MS = 500;

/** The conversation of an answer, and the time in which it was written, in milliseconds since the epoch. */
interface AnswerSpan {
  readonly userId: string;
  readonly conversationId: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** When the conversation's next answer begins. */
  readonly nextMs?: number | undefined;
}

interface AnswerUse {
  readonly models: readonly string[];
  readonly tokens: number;
  /** Absent where a call has no price. */
  readonly cost?: number;
}

export type AnswerUseService = ReturnType<typeof answerUseService>;

export function answerUseService({ usage, metering }: { usage: UsageStore; metering: MeteringService }) {
  return {
    /** Returns `undefined` where no call is known. A conversation writes one answer at a time. */
    async usedFor({ toMs, nextMs = Number.POSITIVE_INFINITY, ...span }: AnswerSpan): Promise<AnswerUse | undefined> {
      const untilMs = Math.max(toMs, Math.min(toMs + AFTER_MS, nextMs));
      await metering.flush();
      const calls = await usage.ofConversation({ ...span, untilMs });
      if (calls.length === 0) return undefined;
      const tokens = calls.reduce((sum, call) => sum + call.promptTokens + call.completionTokens, 0);
      const costs = calls.map(({ cost }) => cost).filter((cost) => cost !== null);
      const models = [...new Set(calls.map(({ model }) => model))];
      const isPriced = costs.length === calls.length;
      return { models, tokens, ...(isPriced && { cost: costs.reduce((sum, cost) => sum + cost, 0) }) };
    },
  };
}
