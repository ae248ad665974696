/** What the routes of one agent's settings answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { runnerState } from '../runners/api/operations';
import { amount, flag, named, nullable, type OperationGroup, seconds, text, whole } from '../web/operation';

const settings = named('AgentSettings', {
  model: nullable(t.Object({ own: text, inherited: nullable(text) })),
  idle_seconds: whole,
  has_own_idle: flag,
  instructions: nullable(t.Object({ text, file: text, own: flag })),
  env: t.Array(t.Object({ name: text, secret: flag, shown: nullable(text) })),
  limits: t.Object({
    memory_bytes: nullable(whole),
    cpus: nullable(amount),
    pids: nullable(whole),
    answer_seconds: whole,
  }),
});
const load = t.Object({ at: seconds, cpu_percent: nullable(amount), memory_bytes: nullable(whole) });
const state = named('RunnerState', {
  state: runnerState,
  up_seconds: nullable(whole),
  answers: whole,
  calls: whole,
  stops_in_seconds: nullable(whole),
  stale: flag,
  load: t.Array(load),
});

const parameters = { id: 'b1946ac92492d2347c6235b4' };
const none = { 404: 'You have no such agent, or its backend is no longer configured' };
const answer = { json: settings };
const ofOne = { parameters: { ...parameters, name: 'TZ' } };

export const agentSettingsOperations: OperationGroup = {
  name: 'Settings of an agent',
  about:
    'What is set for one agent, and how its runner is. Changes apply from the next start; a runner without work restarts at once.',
  access: 'agents',
  words: {
    id: 'Id of one of your agents',
    name: "A variable of the backend's `agent_env`",
    text: "At most 32,000 characters; an empty text brings the seed's back",
    idle_seconds: '0 for never; absent for the time of all your agents of the backend',
    value: 'An empty value removes it',
  },
  operations: {
    'GET /api/agents/{id}/settings': {
      summary: 'What is set for an agent',
      more: 'Secrets are masked.',
      example: { parameters },
      answer,
      refusals: none,
    },
    'PUT /api/agents/{id}/instructions': {
      summary: "Write an agent's instructions",
      example: { parameters, body: { text: 'Answer in one sentence.' } },
      answer,
      refusals: { ...none, 400: 'The backend reads no instructions', 422: 'Too long' },
    },
    'PUT /api/agents/{id}/idle': {
      summary: "Set an agent's idle time",
      example: { parameters, body: { idle_seconds: 900 } },
      answer,
      refusals: none,
    },
    'PUT /api/agents/{id}/env/{name}': {
      summary: 'Set a variable of an agent',
      example: { ...ofOne, body: { value: 'Europe/Berlin' } },
      answer,
      refusals: { ...none, 400: "Not in the backend's `agent_env`" },
    },
    'DELETE /api/agents/{id}/env/{name}': {
      summary: 'Remove a variable of an agent',
      example: ofOne,
      answer,
      refusals: { ...none, 400: "Not in the backend's `agent_env`" },
    },
    'GET /api/agents/{id}/runner': {
      summary: "How an agent's runner is",
      more: '`answers` and `calls` keep it up. `load` is that of the last hour; 100 percent is one CPU.',
      example: { parameters },
      answer: { json: state },
      refusals: none,
    },
    'GET /api/agents/{id}/runner/log': {
      summary: "What an agent's runner has printed",
      more: 'At most 300 lines, without keys.',
      example: { parameters },
      answer: { json: t.Object({ log: text }) },
      refusals: none,
    },
    'POST /api/agents/{id}/reset': {
      summary: "Empty an agent's home",
      more: 'Stops the runner and moves the home to the trash; the next start fills a new one.',
      example: { parameters },
      refusals: { ...none, 503: 'Its runner cannot be stopped' },
    },
  },
};
