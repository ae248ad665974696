/** View models of usage, budgets and prices. */

/** Sums over calls to the LLM. Cached tokens are among the prompt's, reasoning tokens among the completion's. */
export interface UsageFigures {
  calls: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  /** Cost of the calls whose model had a price. */
  cost: number;
  /** Calls whose tokens are a guess. */
  estimatedCalls: number;
}

/** The sums of one model, agent, or day as `2026-11-22`. */
export interface UsageLine extends UsageFigures {
  key: string;
  name: string;
}

export interface UsageTableView {
  /** Unique in the page. */
  id: string;
  title: string;
  /** The noun for a line: a model, an agent, … */
  nameOfLines: string;
  lines: UsageLine[];
}

/** Days as `2026-11-22`, the last one included. */
export interface UsageRangeView {
  from: string;
  to: string;
  presets: { label: string; from: string; to: string; current: boolean }[];
  errors: Record<string, string>;
}

export interface UsageView {
  range: UsageRangeView;
  totals: UsageFigures;
  /** The length of one of `times`. The `key` of a week is its first day in the range. */
  step: 'day' | 'week';
  /** Every day or week of the range, in order. */
  times: UsageLine[];
  tables: UsageTableView[];
  /** Where the single calls are, as CSV. */
  csvHref: string;
}

/** The budget of a user or a key for a period, and the amount used. */
export interface BudgetView {
  /** Id of the user or the key. */
  subjectId: string;
  /** The key's name, or the user's address. */
  label: string;
  /** Whose key it is. */
  owner?: string;
  isKey: boolean;
  unit: 'tokens' | 'money';
  period: 'day' | 'month';
  softLimit?: number;
  hardLimit?: number;
  /** Absent of the budget of everybody, of which each user uses another part. */
  used?: number;
  /** Whether it is that of everybody, which applies to a user without one of their own. */
  isOfEverybody: boolean;
  resetsAtMs: number;
  level: 'within' | 'soft' | 'hard';
}

/** Whom a budget can be set for. */
export interface BudgetSubject {
  id: string;
  label: string;
  isKey: boolean;
}

/** Money per million tokens; without a price of their own, cached tokens cost what the others of the prompt do. */
export interface PriceView {
  model: string;
  prompt: number;
  completion: number;
  cached?: number;
  /** On top of the tokens: for each call, or for each picture of it. */
  perCall?: number;
}
