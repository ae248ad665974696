/** What the administrator's routes about the installation answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { keyMembers } from '../accounts/operations';
import { address, runnerState } from '../runners/api/operations';
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

const answersOf = t.Object({ ended: whole, failed: whole });
const overview = named('Overview', {
  runners: t.Object({ running: whole, starting: whole, queued: whole, failed: whole }),
  cpu_percent: amount,
  memory_bytes: amount,
  answers: t.Object({ hour: answersOf, day: answersOf, since: seconds }),
  disk: t.Object({
    free_bytes: whole,
    total_bytes: whole,
    database_bytes: whole,
    homes_bytes: nullable(whole),
    data_bytes: nullable(whole),
    measured_at: nullable(seconds),
    complete: nullable(flag),
  }),
  versions: t.Object({ router: text, bun: text, schema: text, platforms: texts }),
  problems: t.Array(t.Object({ platform: text, message: text })),
});
const imageState = oneOf('present', 'ok', 'pulling', 'failed');
const backend = named('ConfiguredBackend', {
  name: text,
  driver: text,
  image: nullable(text),
  image_state: nullable(imageState),
  problem: nullable(text),
  runners: whole,
  disabled: flag,
  for_everybody: flag,
});
const runner = named('AnyRunner', {
  user_id: text,
  agent_id: text,
  backend: text,
  ...address,
  started_at: seconds,
  last_active: seconds,
  idle_for_seconds: whole,
  state: runnerState,
  stale: flag,
  requests: whole,
  calls: whole,
  cpu_percent: nullable(amount),
  memory_bytes: nullable(whole),
});
const auditEvent = named('AuditEvent', {
  id: whole,
  at: seconds,
  action: text,
  actor: nullable(text),
  actor_id: nullable(text),
  target: text,
  detail: text,
  address: text,
});
const key = named('AnyKey', { ...keyMembers, user: text });

const id = 'b1946ac92492d2347c6235b4';
const parameters = { id };
export const installationOperations: OperationGroup = {
  name: 'Administration: installation',
  about: 'Backends, runners and keys of everybody, and who did what.',
  access: 'admin',
  words: {
    user: 'Id of a user',
    backend: 'Name of a backend',
    id: 'Id of a key',
    after: 'Id of the last one of the page before',
    limit: 'At most so many; 500 if absent',
    action: 'Only this action, such as `key.made`',
    person: 'Only what this e-mail address did, or had done to it',
    from: 'The first day, such as 2026-11-01 (UTC)',
    to: 'The last day',
    format: '`csv` for all events; so does `Accept: text/csv`',
  },
  operations: {
    'GET /api/admin/overview': {
      summary: 'The installation at a glance',
      answer: { json: overview },
    },
    'GET /api/admin/backends': {
      summary: 'The entries of backends.json',
      answer: { json: t.Object({ backends: t.Array(backend), problem: nullable(text) }) },
    },
    'POST /api/admin/backends/{backend}/pull': {
      summary: "Fetch a backend's image anew",
      more: 'Answers at once; GET /api/admin/backends says how it goes.',
      example: { parameters: { backend: 'helper' } },
      answer: { status: 202, json: t.Object({ image: nullable(text), image_state: nullable(imageState) }) },
      refusals: { 404: 'There is no such backend', 409: 'It has no image', 503: 'Its platform is silent' },
    },
    'GET /api/admin/runners': {
      summary: "Everybody's runners",
      about: { after: "An agent's id" },
      answer: { json: t.Object({ runners: t.Array(runner), has_more: flag }) },
    },
    'DELETE /api/admin/runners/{user}/{backend}': {
      summary: "Stop somebody's runner",
      example: { parameters: { user: id, backend: 'helper' } },
      answer: { json: t.Object({ stopped: flag }) },
    },
    'GET /api/admin/keys': {
      summary: "Everybody's keys",
      example: { parameters: { limit: 100 } },
      answer: { json: t.Object({ keys: t.Array(key), has_more: flag }) },
    },
    'DELETE /api/admin/keys/{id}': {
      summary: 'Revoke any key',
      example: { parameters },
      answer: ok,
      refusals: { 404: 'There is no such key' },
    },
    'GET /api/admin/audit': {
      summary: 'Who did what',
      example: { parameters: { action: 'key.made', limit: 100 } },
      answer: { json: t.Object({ events: t.Array(auditEvent), has_more: flag }), files: ['text/csv'] },
      refusals: { 422: 'A day that cannot be read' },
    },
  },
};
