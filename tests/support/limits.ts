/**
 * A router with an agent that calls its model once per request, a clock that the test sets, and limits on its owner.
 */
import type { Budget } from '../../router/usage/store/budgets';
import { type BrokerBench, startBroker } from './broker';
import { type Asked, completion } from './scripted-runner';
import type { TextScript } from './upstream';

const DAY_MS = 86_400_000;
/** Long sessions and idle times, because the test's clock jumps. */
const env = { REAPER_INTERVAL_SECONDS: '3600', JWT_TTL_SECONDS: '34560000' };

/** An answer with a usage of 12 tokens. */
export const TWELVE: TextScript = {
  pieces: ['Hi'],
  usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
};

export interface LimitsBench extends AsyncDisposable {
  readonly bench: BrokerBench;
  /** Alice's by default. */
  put(budget?: Partial<Budget>): Promise<void>;
  /** Counted by the budget. */
  used(): number[];
  /** Creates a key of alice, and a function that sends requests to the agent with it. */
  key(name: string, grant?: { tokensPerMinute?: number }): Promise<LimitedKey>;
  /** Removes all limits and prices, and moves to a day without usage. */
  nextDay(): Promise<void>;
  now(): number;
}

export interface LimitedKey {
  readonly id: string;
  ask(headers?: Record<string, string>): Promise<Response>;
}

/** @param name Name of the scripted program, one for each test file. */
export async function startLimits(name: string): Promise<LimitsBench> {
  let nowMs = Date.UTC(2026, 10, 22, 12);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of a backend's headers
  const backend = { headers: { 'X-Agent-Work': '${work}' } };
  const bench = await startBroker(name, { env, now: () => nowMs, backend });
  const { budgets, prices, keys } = bench.router.context;
  return {
    bench,
    put: (budget = {}) => budgets.put(budgetOf(bench, budget)),
    used: () => budgets.list().map((state) => state.used),
    async key(keyName, grant = {}) {
      const { key, secret } = await keys.create(bench.alice.id, keyName, grant);
      return { id: key.id, ask: askWith(bench, secret) };
    },
    async nextDay() {
      bench.runner.reply = (asked) => callOnce(bench, asked);
      for (const { budget } of budgets.list()) await budgets.remove(budget.subjectId);
      for (const { model } of prices.list()) await prices.remove(model);
      nowMs += DAY_MS;
    },
    now: () => nowMs,
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}

/** The agent's answer: one call, with the name of the request that it got in the header. */
export async function callOnce(bench: BrokerBench, asked: Asked): Promise<Response> {
  const work = asked.headers.get('x-agent-work');
  const response = await bench.complete({}, { headers: { ...(work !== null && { 'x-agent-work': work }) } });
  return response.ok ? completion('Fine.') : response;
}

/** A budget of tokens per day without limits, with the given members replaced. */
export function budgetOf({ alice }: BrokerBench, budget: Partial<Budget>): Budget {
  return {
    ...{ subjectId: alice.id, userId: alice.id, keyId: null, unit: 'tokens', period: 'day' },
    ...{ softLimit: null, hardLimit: null },
    ...budget,
  };
}

/** A refusal, with its message apart from the other members. */
export async function refusalOf(response: Response) {
  const { error } = (await response.json()) as { error: { message: string; code: string; param: string | null } };
  return { status: response.status, code: error.code, param: error.param, words: error.message };
}

function askWith({ router }: BrokerBench, secret: string): LimitedKey['ask'] {
  return (headers = {}) =>
    fetch(`${router.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'agent', messages: [{ role: 'user', content: 'Hi' }] }),
    });
}
