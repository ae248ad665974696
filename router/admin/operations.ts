/** What the administrator's routes answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { keyMembers, user } from '../accounts/operations';
import { address, runnerState } from '../runners/operations';
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

const account = named('Account', {
  ...user.properties,
  created_at: seconds,
  disabled: flag,
  purge_at: t.Optional(seconds),
});
const resetLink = t.Object({ url: text, expires_at: seconds });
const invitation = named('Invitation', {
  id: text,
  email: nullable(text),
  uses: whole,
  uses_max: whole,
  created_at: seconds,
  expires_at: seconds,
  is_open: flag,
});
const limits = named('Limits', { runners: nullable(whole), agents: nullable(whole), backends: nullable(texts) });
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
const noUser = { 404: 'There is no such user' };
const noMember = { 400: 'A member is not as it must be' };
const ofLimits = { json: t.Object({ limits }) };
const someLimits = { runners: 2, agents: 3 };

export const userOperations: OperationGroup = {
  name: 'Administration: users',
  about: 'Accounts, invitations, and what users may have.',
  access: 'admin',
  words: {
    id: 'Id of a user',
    search: 'Part of an e-mail address or a name',
    after: 'Id of the last one of the page before',
    limit: 'At most so many',
    deleted: 'Whether users are among them who are deleted and not yet purged',
    purge: 'Whether the user is purged at once',
    email: 'The e-mail address',
    name: 'What people call the user',
    password: 'At least 8 characters; without one the answer has a reset link',
    role: 'Only the present one: there is one administrator',
    disabled: 'A disabled user cannot sign in, and is signed out',
    uses: 'How many people it is for; 1 if absent',
    days: 'How long it is good for; 7 if absent',
    runners: 'Runners at once; absent or null for no limit of its own',
    agents: 'Agents of one backend; absent or null for no limit of its own',
    backends: 'Names of the backends that may be used; absent or null for all',
  },
  operations: {
    'POST /api/admin/users': {
      summary: 'Make an account',
      example: { body: { email: 'barbara@example.org', name: 'Barbara' } },
      answer: { json: t.Object({ user: account, reset_link: t.Optional(resetLink) }) },
      refusals: { ...noMember, 409: 'There is an account with this address' },
    },
    'GET /api/admin/users': {
      summary: 'All users',
      example: { parameters: { search: 'example', limit: 100 } },
      answer: { json: t.Object({ users: t.Array(account), has_more: flag }) },
    },
    'GET /api/admin/users/{id}': {
      summary: 'A user',
      example: { parameters },
      answer: { json: t.Object({ user: account }) },
      refusals: noUser,
    },
    'PATCH /api/admin/users/{id}': {
      summary: 'Change a user',
      example: { parameters, body: { name: 'Barbara Liskov', disabled: false } },
      answer: { json: t.Object({ user: account }) },
      refusals: { ...noUser, ...noMember },
    },
    'POST /api/admin/users/{id}/reset-link': {
      summary: 'Make a link by which a user sets a password',
      example: { parameters },
      answer: { json: t.Object({ reset_link: resetLink }) },
      refusals: noUser,
    },
    'POST /api/admin/users/{id}/restore': {
      summary: 'Restore a deleted user',
      example: { parameters },
      answer: { json: t.Object({ user: account }) },
      refusals: { ...noUser, 409: 'The user is not deleted' },
    },
    'DELETE /api/admin/users/{id}': {
      summary: 'Delete a user',
      more: 'With all agents and conversations: after DELETED_USERS_DAYS, or at once if asked for, and for a user who is deleted already.',
      example: { parameters },
      refusals: { ...noUser, 400: 'The administrator cannot be deleted', 503: 'A runner cannot be stopped' },
    },
    'POST /api/admin/invitations': {
      summary: 'Invite people',
      more: 'The link is in this answer only.',
      example: { body: { email: 'alan@example.org', uses: 1, days: 7 } },
      answer: { status: 201, json: t.Object({ invitation, url: text }) },
      refusals: { 409: 'There is an account with this address' },
    },
    'GET /api/admin/invitations': {
      summary: 'All invitations',
      answer: { json: t.Object({ invitations: t.Array(invitation) }) },
    },
    'DELETE /api/admin/invitations/{id}': {
      summary: 'Revoke an invitation',
      about: { id: 'Id of an invitation' },
      example: { parameters },
      answer: ok,
      refusals: { 404: 'There is no such invitation' },
    },
    'GET /api/admin/limits': { summary: 'The limits of everybody', answer: ofLimits },
    'PUT /api/admin/limits': {
      summary: 'Set the limits of everybody',
      more: 'As a whole. Stops runners that are no longer allowed.',
      example: { body: someLimits },
      answer: ofLimits,
    },
    'GET /api/admin/users/{id}/limits': {
      summary: 'The limits of a user',
      more: 'Null: that of everybody.',
      example: { parameters },
      answer: ofLimits,
      refusals: noUser,
    },
    'PUT /api/admin/users/{id}/limits': {
      summary: 'Set the limits of a user',
      more: 'As a whole. Stops runners that are no longer allowed.',
      example: { parameters, body: someLimits },
      answer: ofLimits,
      refusals: noUser,
    },
  },
};

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
