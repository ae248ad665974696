/** What the routes of accounts, sessions and keys answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { flag, named, nullable, type OperationGroup, ok, oneOf, seconds, text, texts, whole } from '../web/operation';
import { KEY_SCOPES } from './keys/problems';

export const user = named('User', {
  id: text,
  email: text,
  name: nullable(text),
  slug: text,
  role: oneOf('user', 'admin'),
});
const session = named('Session', {
  id: text,
  browser: text,
  address: text,
  created_at: seconds,
  last_used_at: seconds,
  expires_at: seconds,
  current: flag,
});
export const keyMembers = {
  id: text,
  name: text,
  last_four: text,
  scopes: t.Array(oneOf(...KEY_SCOPES)),
  backends: texts,
  agents: texts,
  expires_at: nullable(seconds),
  requests_per_minute: nullable(whole),
  tokens_per_minute: nullable(whole),
  concurrent_requests: nullable(whole),
  events_while_waiting: t.Optional(flag),
  created_at: seconds,
  last_used_at: nullable(seconds),
};
const key = named('Key', keyMembers);

const signedIn = { json: t.Object({ user }) };
const password = 'a-long-password';

export const signInOperations: OperationGroup = {
  name: 'Sign-in',
  about:
    'A sign-in sets a cookie. Its value is also good as a Bearer credential. After too many attempts the answer is 429 with Retry-After.',
  access: 'public',
  words: {
    email: 'The e-mail address; upper and lower case are the same',
    password: 'At least 8 characters',
    name: 'What people call the user',
    invite_code: 'The code of this installation, if it asks for one',
    token: 'The last part of the link',
  },
  operations: {
    'POST /auth/login': {
      summary: 'Sign in',
      example: { body: { email: 'ada@example.org', password } },
      answer: signedIn,
      refusals: { 401: 'The address or the password is wrong', 429: 'Too many attempts' },
    },
    'POST /auth/signup': {
      summary: 'Make an account',
      example: { body: { email: 'grace@example.org', password, name: 'Grace' } },
      answer: signedIn,
      refusals: {
        400: 'A member is not as it must be',
        403: 'Sign-up is closed, or the invite code is wrong',
        409: 'There is an account with this address',
        429: 'Too many attempts',
      },
    },
    'POST /auth/invitations/{token}': {
      summary: 'Make an account by an invitation',
      example: {
        parameters: { token: 'the-token-of-the-link' },
        body: { email: 'edsger@example.org', password, name: 'Edsger' },
      },
      answer: signedIn,
      refusals: { 404: 'Used up, expired or revoked', 409: 'There is an account with this address' },
    },
    'POST /auth/reset/{token}': {
      summary: 'Set a new password by a reset link',
      example: { parameters: { token: 'the-token-of-the-link' }, body: { password } },
      answer: signedIn,
      refusals: { 404: 'Used, expired or withdrawn' },
    },
    'POST /auth/logout': {
      summary: 'Sign out',
      more: 'Ends the session, also as a Bearer credential, with all its streams.',
      answer: ok,
      refusals: { 503: 'It has ended, but the database refuses to store that: after a restart it is valid again' },
    },
    'GET /auth/me': { summary: 'Who is signed in', access: 'session', answer: signedIn },
  },
};

export const accountOperations: OperationGroup = {
  name: 'Your account',
  about: 'No key opens these.',
  access: 'session',
  words: { id: 'Id of a session', name: 'What people call you', password: 'Your password, as a confirmation' },
  operations: {
    'GET /api/me': { summary: 'Your account', answer: signedIn },
    'PATCH /api/me': { summary: 'Change your name', example: { body: { name: 'Ada Lovelace' } }, answer: signedIn },
    'PUT /api/me/password': {
      summary: 'Change your password',
      more: 'All other sessions end.',
      about: { old_password: 'The present one', new_password: 'At least 8 characters' },
      example: { body: { old_password: password, new_password: 'another-long-password' } },
      answer: ok,
      refusals: { 401: 'The old password is wrong', 429: 'Too many attempts' },
    },
    'DELETE /api/me': {
      summary: 'Delete your account',
      more: 'With its agents and conversations.',
      example: { body: { password } },
      refusals: { 400: 'The administrator cannot', 401: 'The password is wrong', 429: 'Too many attempts' },
    },
    'GET /api/me/sessions': { summary: 'Your sessions', answer: { json: t.Object({ sessions: t.Array(session) }) } },
    'DELETE /api/me/sessions/{id}': {
      summary: 'End a session',
      more: 'Its streams end as well.',
      example: { parameters: { id: 'b1946ac92492d2347c6235b4' } },
      answer: ok,
      refusals: { 404: 'You have no such session' },
    },
  },
};

export const keyOperations: OperationGroup = {
  name: 'Your keys',
  about: 'Bearer credentials for programs. The scope `v1` opens /v1; `agents` and `manage` open what names them here.',
  access: 'manage',
  words: {
    id: 'Id of a key',
    name: 'What you call it',
    scopes: 'At least one of `v1`, `agents` and `manage`; `v1` if absent',
    backends: 'The backends that it is for; all if absent',
    agents: 'The ids of the agents that it is for; all if absent',
    expires_at: 'Seconds since 1970; never if absent',
    requests_per_minute: 'No limit if absent',
    tokens_per_minute: 'No limit if absent',
    concurrent_requests: 'No limit if absent',
    events_while_waiting: 'Whether a stream sends events, not comments, while an agent starts',
  },
  operations: {
    'GET /api/me/keys': { summary: 'Your keys', answer: { json: t.Object({ keys: t.Array(key) }) } },
    'POST /api/me/keys': {
      summary: 'Make a key',
      more: 'The secret is in this answer only.',
      access: 'session',
      example: { body: { name: 'notebook', scopes: ['v1'], requests_per_minute: 60 } },
      answer: { status: 201, json: t.Object({ key, secret: text }) },
    },
    'DELETE /api/me/keys/{id}': {
      summary: 'Revoke a key',
      more: 'Its streams end within seconds.',
      example: { parameters: { id: 'b1946ac92492d2347c6235b4' } },
      answer: ok,
      refusals: { 404: 'You have no such key' },
    },
  },
};
