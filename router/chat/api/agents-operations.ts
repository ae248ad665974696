/** What the routes of agents answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { address, startRefusals } from '../../runners/api/operations';
import { flag, named, nullable, type OperationGroup, seconds, text, whole } from '../../web/operation';

const agent = named('Agent', {
  id: text,
  user_id: text,
  backend: text,
  name: text,
  model: text,
  ordinal: whole,
  created_at: seconds,
  updated_at: seconds,
  running: flag,
  container_name: nullable(text),
  host_port: nullable(whole),
});
const parameters = { id: 'b1946ac92492d2347c6235b4' };
const noAgent = { 404: 'You have no such agent' };

export const agentOperations: OperationGroup = {
  name: 'Agents',
  about: 'Your agents. Each backend has a default one, which is made when it is missing.',
  access: 'agents',
  words: {
    id: 'Id of one of your agents',
    backend: 'Name of a backend',
    name: 'What you call it; cut to 80 characters',
    model: 'In the place of LLM_MODEL; empty to remove it; cut to 200 characters',
  },
  operations: {
    'GET /api/agents': {
      summary: 'Your agents',
      answer: { json: t.Object({ agents: t.Array(agent), max_per_backend: whole }) },
    },
    'POST /api/agents': {
      summary: 'Make an agent',
      example: { body: { backend: 'helper', name: 'Researcher' } },
      answer: { json: t.Object({ agent }) },
      refusals: { 400: 'An unknown backend, or no name', 409: 'More than MAX_AGENTS_PER_BACKEND' },
    },
    'PATCH /api/agents/{id}': {
      summary: 'Rename an agent, or change its model',
      example: { parameters, body: { name: 'Writer', model: 'gpt-5' } },
      answer: { json: t.Object({ agent }) },
      refusals: { ...noAgent, 400: 'No name' },
    },
    'POST /api/agents/{id}/start': {
      summary: "Start an agent's runner",
      more: 'Answers when it is ready.',
      example: { parameters },
      answer: { json: t.Object({ runner: t.Object({ agent_id: text, backend: text, ...address }) }) },
      refusals: { ...noAgent, ...startRefusals },
    },
    'DELETE /api/agents/{id}/runner': {
      summary: "Stop an agent's runner",
      example: { parameters },
      answer: { json: t.Object({ stopped: flag }) },
      refusals: noAgent,
    },
    'DELETE /api/agents/{id}': {
      summary: 'Delete an agent',
      more: 'With its conversations. Its home moves to the trash, for DELETED_HOMES_DAYS.',
      example: { parameters },
      refusals: { ...noAgent, 503: 'Its runner cannot be stopped; then it stays' },
    },
  },
};
