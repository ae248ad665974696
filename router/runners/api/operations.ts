/** What the routes of runners answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { flag, named, nullable, type OperationGroup, oneOf, seconds, text, texts, whole } from '../../web/operation';

const backend = named('Backend', {
  name: text,
  display_name: text,
  models: texts,
  default_idle_seconds: whole,
  idle_seconds: whole,
  user_overridable_env: texts,
  disabled: flag,
});
/** The runner's name on its platform, and its port there. */
export const address = { container_name: text, host_port: whole };
/** States of an agent's runner. */
export const runnerState = oneOf('stopped', 'starting', 'running', 'stopping', 'failed', 'unknown', 'paused');
const runner = named('Runner', {
  agent_id: text,
  backend: text,
  ...address,
  started_at: seconds,
  last_active: seconds,
  idle_seconds: whole,
  idle_for_seconds: whole,
  stops_in_seconds: nullable(whole),
  state: runnerState,
  running: flag,
  stale: flag,
});
const progress = named('Progress', {
  stage: oneOf('stopped', 'queued', 'creating', 'image_pull', 'starting', 'health_wait', 'ready', 'error'),
  progress: t.Number({ description: 'Percent' }),
  message: text,
  detail: t.Object({
    agent_id: text,
    state: runnerState,
    place: t.Optional(t.Integer({ description: 'The place in the queue of starts' })),
    hint: t.Optional(t.String({ description: "The runner's last output" })),
  }),
});
/** Why a runner cannot be started. */
export const startRefusals = {
  422: 'Credentials of the LLM are missing',
  429: 'Too many runners',
  502: 'It ended while it started, or its platform refused it',
  503: 'The backend is switched off, or its platform does not answer',
  504: 'It was not ready in time',
};
const example = { parameters: { backend: 'helper' } };
const unknown = { 404: 'There is no such backend' };

export const runnerOperations: OperationGroup = {
  name: 'Runners',
  about: 'By the name of a backend: each means the runner of your default agent of it.',
  access: 'manage',
  words: { backend: 'Name of a backend', idle_seconds: '0 for never' },
  operations: {
    'GET /api/backends': {
      summary: 'The backends that you may use',
      access: 'agents',
      answer: { json: t.Object({ backends: t.Array(backend) }) },
    },
    'GET /api/runners': {
      summary: 'Your runners',
      answer: { json: t.Object({ runners: t.Array(runner) }) },
    },
    'POST /api/runners/{backend}/start': {
      summary: 'Start a runner',
      more: 'Answers when it is ready.',
      example,
      answer: { json: t.Object({ runner: t.Object({ backend: text, ...address }) }) },
      refusals: { ...unknown, ...startRefusals },
    },
    'GET /api/runners/{backend}/progress': {
      summary: 'Follow a start',
      more: 'Events from the current stage to `ready` or `error`.',
      example,
      answer: { events: progress },
      refusals: unknown,
    },
    'PUT /api/runners/{backend}/idle': {
      summary: 'Set after how long an idle runner stops',
      more: 'Applies to all your agents of the backend that have no time of their own. Moved into the limits of the installation.',
      example: { ...example, body: { idle_seconds: 900 } },
      answer: { json: t.Object({ idle_seconds: whole }) },
      refusals: unknown,
    },
    'DELETE /api/runners/{backend}': {
      summary: 'Stop a runner',
      example,
      answer: { json: t.Object({ stopped: flag }) },
      refusals: unknown,
    },
  },
};
