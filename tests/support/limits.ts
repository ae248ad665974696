/** A router with an agent that calls its model once for each request, a clock of the test's, and limits on its owner. */
import type { Budget } from '../../router/usage/budgets-store';
import { type BrokerBench, startBroker } from './broker';
import { type Asked, completion } from './scripted-runner';
import type { TextScript } from './upstream';

const DAY_MS = 86_400_000;
/** The clock leaps, and nobody is to be signed out or stopped by it. */
const env = { REAPER_INTERVAL_SECONDS: '3600', JWT_TTL_SECONDS: '34560000' };

/** An answer that has used 12 tokens. */
export const TWELVE: TextScript = {
  pieces: ['Hi'],
  usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
};

export interface LimitsBench extends AsyncDisposable {
  readonly bench: BrokerBench;
  /** Of alice, unless it says otherwise. */
  put(budget?: Partial<Budget>): Promise<void>;
  /** By budget. */
  used(): number[];
  /** A key of alice, and what asks the agent with it. */
  key(name: string, grant?: { tokensPerMinute?: number }): Promise<LimitedKey>;
  /** No limits, no prices, and a day on which nothing was used. */
  nextDay(): Promise<void>;
  now(): number;
}

export interface LimitedKey {
  readonly id: string;
  ask(headers?: Record<string, string>): Promise<Response>;
}

/** @param name of the scripted program, one for each test file. */
export async function startLimits(name: string): Promise<LimitsBench> {
  let nowMs = Date.UTC(2026, 10, 22, 12);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the variable of a backend's headers
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

/** What the agent does: one call, with the name of the request that it was told. */
export async function callOnce(bench: BrokerBench, asked: Asked): Promise<Response> {
  const work = asked.headers.get('x-agent-work');
  const response = await bench.complete({}, { headers: { ...(work !== null && { 'x-agent-work': work }) } });
  return response.ok ? completion('Fine.') : response;
}

/** A budget of tokens a day without a limit, with what is given put in its place. */
export function budgetOf({ alice }: BrokerBench, budget: Partial<Budget>): Budget {
  return {
    ...{ subjectId: alice.id, userId: alice.id, keyId: null, unit: 'tokens', period: 'day' },
    ...{ softLimit: null, hardLimit: null },
    ...budget,
  };
}

/** What a refusal says, its words apart from the rest. */
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
