/** What the routes of usage, budgets and prices answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import {
  amount,
  flag,
  named,
  nullable,
  type OperationGroup,
  ok,
  oneOf,
  seconds,
  text,
  texts,
  whole,
} from '../web/operation';

const figures = {
  calls: whole,
  prompt_tokens: whole,
  completion_tokens: whole,
  cached_tokens: whole,
  reasoning_tokens: whole,
  total_tokens: whole,
  cost: amount,
  estimated_calls: whole,
};
const report = named('Usage', {
  from: text,
  to: text,
  group: text,
  totals: t.Object(figures),
  groups: t.Array(t.Object({ key: text, name: nullable(text), ...figures })),
  has_more: flag,
});
const budget = named('Budget', {
  subject: text,
  user: nullable(text),
  key: nullable(text),
  unit: oneOf('tokens', 'money'),
  period: oneOf('day', 'month'),
  soft_limit: nullable(amount),
  hard_limit: nullable(amount),
  used: amount,
  resets_at: seconds,
  level: oneOf('within', 'soft', 'hard'),
  of_everybody: t.Optional(flag),
});
const price = named('Price', {
  model: text,
  prompt: amount,
  completion: amount,
  cached: nullable(amount),
  per_call: t.Optional(amount),
});
const budgets = { json: t.Object({ budgets: t.Array(budget) }) };
const usage = { json: report, files: ['text/csv'] };
const limit = { unit: 'tokens', period: 'month', soft_limit: 800_000, hard_limit: 1_000_000 };
const period = { from: '2026-11-01', to: '2026-11-30' };
const id = 'b1946ac92492d2347c6235b4';

const budgetWords = {
  id: 'Id of one of your keys',
  unit: '`tokens` or `money`',
  period: '`day` or `month`, by UTC',
  soft_limit: 'From here on there is a warning; absent for none',
  hard_limit: 'From here on calls are refused; absent for none',
};
const reportWords = {
  from: 'The first day, such as 2026-11-01 (UTC)',
  to: 'The last day',
  group: '`day`, `model`, `backend`, `agent` or `key`; for the administrator also `user`',
  format: '`csv` for every call; so does `Accept: text/csv`',
  page: 'Of the groups, 1,000 on each',
};

export const usageOperations: OperationGroup = {
  name: 'Usage and budgets',
  about: 'What your agents have used, and the limits of your keys.',
  access: 'manage',
  words: { ...reportWords, ...budgetWords },
  operations: {
    'GET /api/me/usage': {
      summary: 'What you have used',
      example: { parameters: { ...period, group: 'model' } },
      answer: usage,
      refusals: { 422: 'A day that cannot be read' },
    },
    'GET /api/me/budgets': { summary: 'Your budgets', answer: budgets },
    'PUT /api/me/keys/{id}/budget': {
      summary: 'Limit a key',
      more: 'A key cannot change its own budget.',
      example: { parameters: { id }, body: limit },
      answer: ok,
      refusals: { 404: 'You have no such key' },
    },
    'DELETE /api/me/keys/{id}/budget': {
      summary: 'Lift the limit of a key',
      example: { parameters: { id } },
      answer: ok,
      refusals: { 404: 'You have no such key' },
    },
  },
};

export const pricingOperations: OperationGroup = {
  name: 'Administration: usage, budgets, prices',
  about: 'What everybody has used, and what it costs.',
  access: 'admin',
  words: {
    ...{ ...reportWords, ...budgetWords },
    subject: "Id of a user or of a key, a user's e-mail address, or everybody",
    model: 'Name of a model, with its slashes',
    prompt: 'Of a million tokens',
    completion: 'Of a million tokens',
    cached: 'Of a million tokens; that of the prompt if absent',
    per_call: 'Of each call; none if absent',
    models: 'The only models that shared credentials may be used for; empty for all',
  },
  operations: {
    'GET /api/admin/usage': {
      summary: 'What everybody has used',
      example: { parameters: { ...period, group: 'user' } },
      answer: usage,
      refusals: { 422: 'A day that cannot be read' },
    },
    'GET /api/admin/budgets': { summary: 'All budgets', answer: budgets },
    'PUT /api/admin/budgets/{subject}': {
      summary: 'Limit a user, a key, or everybody without a budget of their own',
      example: { parameters: { subject: 'ada@example.org' }, body: limit },
      answer: ok,
      refusals: { 404: 'There is no such user or key' },
    },
    'DELETE /api/admin/budgets/{subject}': {
      summary: 'Lift the limit of a user or a key',
      more: 'By its id.',
      example: { parameters: { subject: id } },
      answer: ok,
      refusals: { 404: 'There is no such budget' },
    },
    'GET /api/admin/prices': { summary: 'Prices of models', answer: { json: t.Object({ prices: t.Array(price) }) } },
    'PUT /api/admin/prices/{model}': {
      summary: 'Set the price of a model',
      example: { parameters: { model: 'openai/gpt-5-mini' }, body: { prompt: 0.25, completion: 2, cached: 0.03 } },
      answer: ok,
    },
    'DELETE /api/admin/prices/{model}': {
      summary: 'Remove the price of a model',
      example: { parameters: { model: 'openai/gpt-5-mini' } },
      answer: ok,
      refusals: { 404: 'The model has no price' },
    },
    'GET /api/admin/shared-models': {
      summary: 'The models of shared credentials',
      answer: { json: t.Object({ models: texts }) },
    },
    'PUT /api/admin/shared-models': {
      summary: 'Limit shared credentials to some models',
      example: { body: { models: ['gpt-5-mini', 'qwen3/*'] } },
      answer: ok,
    },
  },
};
