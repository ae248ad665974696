/** What the administrator's routes about users answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { user } from '../../accounts/operations';
import { flag, named, nullable, type OperationGroup, ok, seconds, text, texts, whole } from '../../web/operation';

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
const parameters = { id: 'b1946ac92492d2347c6235b4' };
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
      more: 'With all agents and conversations: after DELETED_USERS_DAYS, or at once if asked for. A user who is deleted already stays until then.',
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
