// What was used, its prices and budgets, with awkward content, for the tests and for scripts/gallery.tsx.
import type {
  BudgetSubject,
  BudgetView,
  PriceView,
  UsageFigures,
  UsageLine,
  UsageView,
} from '../../views/usage/models';
import { atMs } from './fixtures';

const nothing: UsageFigures = {
  calls: 0,
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  reasoningTokens: 0,
  cost: 0,
  estimatedCalls: 0,
};

function usageLine(name: string, calls: number, overrides: Partial<UsageLine> = {}): UsageLine {
  const tokens = { promptTokens: calls * 5_210, completionTokens: calls * 731, cachedTokens: calls * 2_048 };
  return { ...nothing, key: name, name, calls, ...tokens, cost: calls * 0.0213, ...overrides };
}

/** Thirty days until 2026-08-04, quiet on Sundays. */
const days: UsageLine[] = Array.from({ length: 30 }, (_, index) => {
  const ms = atMs - (29 - index) * 86_400_000;
  const calls = new Date(ms).getUTCDay() === 0 ? 0 : Math.round(40 + 35 * Math.sin(index * 1.7) + index);
  return { ...usageLine(new Date(ms).toISOString().slice(0, 10), calls) };
});

const usageTotals: UsageFigures = days.reduce((sum: UsageFigures, day) => {
  const added = Object.entries(sum).map(([name, value]) => [name, value + day[name as keyof UsageFigures]]);
  return Object.fromEntries(added) as UsageFigures;
}, nothing);

const range: UsageView['range'] = {
  from: '2026-07-06',
  to: '2026-08-04',
  presets: [
    { label: '7 days', from: '2026-07-29', to: '2026-08-04', current: false },
    { label: '30 days', from: '2026-07-06', to: '2026-08-04', current: true },
    { label: 'This month', from: '2026-08-01', to: '2026-08-04', current: false },
    { label: 'Last month', from: '2026-07-01', to: '2026-07-31', current: false },
  ],
  errors: {},
};

export const usage: UsageView = {
  range,
  totals: { ...usageTotals, estimatedCalls: 12 },
  step: 'day',
  times: days,
  tables: [
    {
      id: 'by-model',
      title: 'By model',
      nameOfLines: 'Model',
      lines: [
        usageLine('anthropic/claude-opus-5.2-with-a-name-that-is-too-long-for-a-phone', 720),
        usageLine('gpt-5.5', 301),
        usageLine('glm-5.2', 14, { cost: 0 }),
        usageLine('', 2, { name: 'Without a model', promptTokens: 0, completionTokens: 0, cost: 0 }),
      ],
    },
    {
      id: 'by-agent',
      title: 'By agent',
      nameOfLines: 'Agent',
      lines: [usageLine('OpenClaw', 801), usageLine('每周总结 🎉', 220), usageLine('A deleted agent', 16)],
    },
  ],
  csvHref: '/api/me/usage?format=csv&from=2026-07-06&to=2026-08-04',
};

export const noUsage: UsageView = {
  ...usage,
  totals: nothing,
  times: days.map(({ key, name }) => ({ ...nothing, key, name })),
  tables: [],
};

export const budgets: BudgetView[] = [
  {
    subjectId: 'everybody',
    isOfEverybody: false,
    label: 'Everybody without a budget of their own',
    isKey: false,
    unit: 'tokens',
    period: 'month',
    softLimit: 400_000,
    hardLimit: 500_000,
    resetsAtMs: Date.UTC(2026, 8, 1),
    level: 'within',
  },
  {
    subjectId: 'u1',
    label: 'ada@example.com',
    isOfEverybody: false,
    isKey: false,
    unit: 'tokens',
    period: 'month',
    softLimit: 8_000_000,
    hardLimit: 10_000_000,
    used: 6_160_817,
    resetsAtMs: Date.UTC(2026, 8, 1),
    level: 'within',
  },
  {
    subjectId: 'k1',
    label: 'Laptop',
    owner: 'ada@example.com',
    isOfEverybody: false,
    isKey: true,
    unit: 'money',
    period: 'day',
    softLimit: 2.5,
    used: 2.71,
    resetsAtMs: Date.UTC(2026, 7, 5),
    level: 'soft',
  },
  {
    subjectId: 'k2',
    label: 'CI with a name that goes on and on until it no longer fits',
    owner: 'somebody.with.a.long.address@department.example.com',
    isOfEverybody: false,
    isKey: true,
    unit: 'tokens',
    period: 'day',
    hardLimit: 200_000,
    used: 201_312,
    resetsAtMs: Date.UTC(2026, 7, 5),
    level: 'hard',
  },
];

export const budgetSubjects: BudgetSubject[] = [
  { id: 'u1', label: 'ada@example.com', isKey: false },
  { id: 'k1', label: 'Laptop · ada@example.com', isKey: true },
  { id: 'k2', label: 'CI with a name that goes on and on until it no longer fits · ada@example.com', isKey: true },
];

export const prices: PriceView[] = [
  {
    model: 'anthropic/claude-opus-5.2-with-a-name-that-is-too-long-for-a-phone',
    prompt: 5,
    completion: 25,
    cached: 0.5,
  },
  { model: 'glm-5.2', prompt: 0, completion: 0 },
  { model: 'paint-5', prompt: 0, completion: 0, perCall: 0.04 },
  { model: 'gpt-5.5', prompt: 1.25, completion: 10, cached: 0.125 },
];
