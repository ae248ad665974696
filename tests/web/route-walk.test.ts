/**
 * Walks every route of both listeners as six strangers to what it opens, and compares the statuses with one table. The routes
 * come from the applications themselves: a route without an entry fails, and so does an entry without a route.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { newId } from '../../router/lib/ids';
import { PAGES } from '../browser/every-page';
import { ADMIN, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

/** Ends only a test that has failed: the walk makes a thousand requests. */
setDefaultTimeout(120_000);

/**
 * Who asks. What a path names belongs to Alice (a user, a key or an invitation is made for each request):
 * - `out`: nobody, without any credential
 * - `other`: another user, signed in
 * - `admin`: the administrator, signed in
 * - `key`: a key of the administrator with another scope: `manage` at /v1, `v1` everywhere else
 * - `disabled`: Alice's friend, whose session was opened before the account was disabled
 * - `foreign`: the administrator's browser, sent by a page of another site
 */
const WALKERS = ['out', 'other', 'admin', 'key', 'disabled', 'foreign'] as const;
type Walker = (typeof WALKERS)[number];

/** Route → the status for each of WALKERS, in their order. */
const PUBLIC: Record<string, string> = {
  // out other admin key disabled foreign
  'GET /readyz': '200 200 200 200 200 200',
  'GET /healthz': '200 200 200 200 200 200',
  'GET /v1/models': '401 200 200 403 401 401',
  'GET /v1/models/*': '401 200 200 403 401 401',
  'ALL /v1/*': '401 404 404 403 401 403',
  'GET /api/agents/:id/files': '401 404 404 401 401 404',
  'GET /api/agents/:id/files/size': '401 404 404 401 401 404',
  'GET /api/agents/:id/files/content': '401 404 404 401 401 404',
  'GET /api/agents/:id/files/archive': '401 404 404 401 401 404',
  'PUT /api/agents/:id/files/content': '401 404 404 401 401 403',
  'POST /agents/:id/files': '401 404 404 401 401 403',
  'GET /api/backends': '401 200 200 403 401 200',
  'GET /api/runners': '401 200 200 403 401 200',
  'POST /api/runners/:backend/start': '401 200 200 403 401 403',
  'DELETE /api/runners/:backend': '401 200 200 403 401 403',
  'PUT /api/runners/:backend/idle': '401 200 200 403 401 403',
  'GET /api/runners/:backend/progress': '401 200 200 403 401 200',
  'GET /api/me/env-overrides': '401 200 200 403 401 200',
  'PUT /api/me/env-overrides': '401 200 200 403 401 403',
  'PUT /api/me/env-overrides/:name': '401 400 400 403 401 403',
  'DELETE /api/me/env-overrides/:name': '401 400 400 403 401 403',
  'GET /api/admin/shared-env': '401 403 200 401 401 200',
  'PUT /api/admin/shared-env/:name': '401 403 400 401 401 403',
  'GET /api/agents': '401 200 200 403 401 200',
  'POST /api/agents': '401 200 200 403 401 403',
  'PATCH /api/agents/:id': '401 404 404 403 401 403',
  'DELETE /api/agents/:id': '401 404 404 403 401 403',
  'POST /api/agents/:id/start': '401 404 404 403 401 403',
  'DELETE /api/agents/:id/runner': '401 404 404 403 401 403',
  'GET /api/agents/:id/settings': '401 404 404 403 401 404',
  'PUT /api/agents/:id/instructions': '401 404 404 403 401 403',
  'PUT /api/agents/:id/idle': '401 404 404 403 401 403',
  'PUT /api/agents/:id/env/:name': '401 404 404 403 401 403',
  'DELETE /api/agents/:id/env/:name': '401 404 404 403 401 403',
  'POST /api/agents/:id/reset': '401 404 404 403 401 403',
  'GET /api/agents/:id/runner': '401 404 404 403 401 404',
  'GET /api/agents/:id/runner/log': '401 404 404 403 401 404',
  'GET /api/conversations': '401 200 200 403 401 200',
  'POST /api/conversations': '401 200 200 403 401 403',
  'GET /api/conversations/:id': '401 404 404 403 401 404',
  'GET /api/conversations/by-slug/:backend/:seq': '401 200 200 403 401 200',
  'PATCH /api/conversations/:id': '401 404 404 403 401 403',
  'DELETE /api/conversations/:id': '401 404 404 403 401 403',
  'POST /api/conversations/:id/messages': '401 404 404 403 401 403',
  'DELETE /api/conversations/:id/messages/after/:messageId': '401 404 404 403 401 403',
  'GET /api/conversations/:id/export': '401 404 404 403 401 404',
  'POST /api/conversations/import': '401 400 400 403 401 403',
  'POST /agents/:id/import': '401 404 404 401 401 403',
  'GET /api/attachments/:id': '401 404 404 403 401 404',
  'POST /api/conversations/:id/attachments': '401 404 404 403 401 403',
  'GET /api/conversations/:id/stream': '401 404 404 403 401 404',
  'GET /api/schedules': '401 200 200 401 401 200',
  'GET /api/agents/:id/schedules': '401 404 404 401 401 404',
  'POST /api/agents/:id/schedules': '401 404 404 401 401 403',
  'GET /api/schedules/:id': '401 404 404 401 401 404',
  'PATCH /api/schedules/:id': '401 404 404 401 401 403',
  'DELETE /api/schedules/:id': '401 404 404 401 401 403',
  'POST /api/schedules/:id/run': '401 404 404 401 401 403',
  'GET /assets/*': '200 200 200 200 200 200',
  'GET /openapi.json': '200 200 200 200 200 200',
  'GET /docs': '200 200 200 200 200 200',
  'GET /docs/:part': '200 200 200 200 200 200',
  'GET /sign-in': '200 303 303 200 200 303',
  'POST /sign-in': '422 422 422 422 422 403',
  // No provider is set.
  'GET /sign-in/oidc': '404 404 404 404 404 404',
  'GET /sign-in/oidc/callback': '404 404 404 404 404 404',
  'GET /sign-up': '200 303 303 200 200 303',
  'POST /sign-up': '422 422 422 422 422 403',
  'POST /sign-out': '303 303 303 303 303 403',
  'POST /auth/login': '401 401 401 401 401 403',
  'POST /auth/signup': '409 409 409 409 409 403',
  'POST /auth/logout': '200 200 200 200 200 403',
  'GET /auth/me': '401 200 200 401 401 200',
  'GET /sign-up/:token': '200 200 200 200 200 200',
  'POST /sign-up/:token': '409 409 409 409 409 403',
  'POST /auth/invitations/:token': '409 409 409 409 409 403',
  'GET /reset/:token': '200 200 200 200 200 200',
  'POST /reset/:token': '303 303 303 303 303 403',
  'POST /auth/reset/:token': '200 200 200 200 200 403',
  'GET /': '401 303 303 401 401 303',
  'GET /agents/:id': '401 404 404 401 401 404',
  'POST /agents/:id/conversations': '401 404 404 401 401 403',
  'GET /conversations': '401 200 200 401 401 200',
  'GET /conversations/:id': '401 404 404 401 401 404',
  'GET /conversations/:id/read': '401 404 404 401 401 404',
  'POST /conversations/:id/messages': '401 404 404 401 401 403',
  'POST /conversations/:id/title': '401 404 404 401 401 403',
  'POST /conversations/:id/delete': '401 404 404 401 401 403',
  'GET /messages/:id/text': '401 404 404 401 401 404',
  'POST /messages/:id/stop': '401 404 404 401 401 403',
  'GET /live': '401 200 200 401 401 200',
  'GET /conversations/:id/options': '401 404 404 401 401 404',
  'GET /conversations/:id/title': '401 404 404 401 401 404',
  'POST /conversations/:id/shelf': '401 404 404 401 401 403',
  'GET /messages/:id': '401 404 404 401 401 404',
  'GET /messages/:id/edit': '401 404 404 401 401 404',
  'POST /messages/:id/edit': '401 404 404 401 401 403',
  'POST /messages/:id/retry': '401 404 404 401 401 403',
  'POST /messages/:id/show': '401 404 404 401 401 403',
  'POST /messages/:id/delete': '401 404 404 401 401 403',
  'POST /messages/:id/credentials': '401 404 404 401 401 403',
  'POST /messages/:id/credentials/share': '401 403 404 401 401 403',
  'POST /messages/:id/credentials/try': '401 404 404 401 401 403',
  'GET /agents': '401 200 200 401 401 200',
  'POST /agents': '401 303 303 401 401 403',
  'GET /agents/:id/settings': '401 404 404 401 401 404',
  'POST /agents/:id/settings': '401 404 404 401 401 403',
  'POST /agents/:id/settings/instructions': '401 404 404 401 401 403',
  'POST /agents/:id/settings/variables': '401 404 404 401 401 403',
  'POST /agents/:id/settings/reset': '401 404 404 401 401 403',
  'POST /agents/:id/settings/delete': '401 404 404 401 401 403',
  'GET /agents/:id/schedules': '401 404 404 401 401 404',
  'POST /agents/:id/schedules': '401 404 404 401 401 403',
  'GET /schedules/:id': '401 404 404 401 401 404',
  'POST /schedules/:id': '401 404 404 401 401 403',
  'POST /schedules/:id/pause': '401 404 404 401 401 403',
  'POST /schedules/:id/resume': '401 404 404 401 401 403',
  'POST /schedules/:id/run': '401 404 404 401 401 403',
  'POST /schedules/:id/delete': '401 404 404 401 401 403',
  'GET /agents/:id/models': '401 404 404 401 401 404',
  'POST /agents/:id/model': '401 404 404 401 401 403',
  'GET /agents/:id/files': '401 404 404 401 401 404',
  'GET /agents/:id/files/size': '401 404 404 401 401 404',
  'GET /agents/:id/runner': '401 404 404 401 401 404',
  'POST /agents/:id/runner': '401 404 404 401 401 403',
  'POST /agents/:id/runner/stop': '401 404 404 401 401 403',
  'POST /agents/:id/runner/restart': '401 404 404 401 401 403',
  'GET /search': '401 200 200 401 401 200',
  'GET /settings': '401 200 200 401 401 200',
  'POST /settings/idle': '401 303 303 401 401 403',
  'GET /api/me': '401 200 200 401 401 200',
  'PATCH /api/me': '401 200 200 401 401 403',
  'PUT /api/me/password': '401 401 401 401 401 403',
  'DELETE /api/me': '401 401 401 401 401 403',
  'GET /api/me/sessions': '401 200 200 401 401 200',
  'DELETE /api/me/sessions/:id': '401 404 404 401 401 403',
  'POST /settings/you/name': '401 303 303 401 401 403',
  'POST /settings/you/language': '401 422 422 401 401 403',
  'POST /settings/you/titles': '401 303 303 401 401 403',
  'POST /settings/you/password': '401 422 422 401 401 403',
  'POST /settings/you/delete': '401 422 422 401 401 403',
  'POST /settings/sessions/:id/revoke': '401 404 404 401 401 403',
  'POST /settings/sessions/revoke-others': '401 303 303 401 401 403',
  'GET /admin/keys': '401 403 200 401 401 200',
  'POST /admin/keys/:id/revoke': '401 403 303 401 401 403',
  'GET /api/admin/keys': '401 403 200 401 401 200',
  'DELETE /api/admin/keys/:id': '401 403 200 401 401 403',
  'POST /settings/keys': '401 303 303 401 401 403',
  'POST /settings/keys/:id/revoke': '401 404 404 401 401 403',
  'GET /api/me/keys': '401 200 200 403 401 200',
  'POST /api/me/keys': '401 201 201 403 401 403',
  'DELETE /api/me/keys/:id': '401 404 404 403 401 403',
  'GET /api/admin/invitations': '401 403 200 401 401 200',
  'POST /api/admin/invitations': '401 403 409 401 401 403',
  'DELETE /api/admin/invitations/:id': '401 403 200 401 401 403',
  'GET /admin/invitations': '401 403 200 401 401 200',
  'POST /admin/invitations': '401 403 422 401 401 403',
  'POST /admin/invitations/:id/revoke': '401 403 303 401 401 403',
  'GET /api/admin/limits': '401 403 200 401 401 200',
  'PUT /api/admin/limits': '401 403 200 401 401 403',
  'GET /api/admin/users/:id/limits': '401 403 200 401 401 200',
  'PUT /api/admin/users/:id/limits': '401 403 200 401 401 403',
  'GET /admin/limits': '401 403 200 401 401 200',
  'POST /admin/limits': '401 403 422 401 401 403',
  'GET /admin/users/:id/limits': '401 403 200 401 401 200',
  'POST /admin/users/:id/limits': '401 403 422 401 401 403',
  'GET /api/admin/runners': '401 403 200 401 401 200',
  'DELETE /api/admin/runners/:user/:backend': '401 403 200 401 401 403',
  'GET /admin/overview': '401 403 200 401 401 200',
  'GET /api/admin/overview': '401 403 200 401 401 200',
  'GET /admin/live': '401 403 422 401 401 422',
  'POST /admin/backends/:backend/pull': '401 403 409 401 401 403',
  'POST /api/admin/backends/:backend/pull': '401 403 409 401 401 403',
  'GET /admin/backends': '401 403 200 401 401 200',
  'GET /api/admin/backends': '401 403 200 401 401 200',
  'GET /admin/runners': '401 403 200 401 401 200',
  'GET /admin/runners/:id': '401 403 404 401 401 404',
  'POST /admin/runners/:id/stop': '401 403 303 401 401 403',
  'POST /admin/runners/:id/restart': '401 403 404 401 401 403',
  'GET /admin/audit': '401 403 200 401 401 200',
  'GET /api/admin/audit': '401 403 200 401 401 200',
  'GET /api/admin/users': '401 403 200 401 401 200',
  'POST /api/admin/users': '401 403 409 401 401 403',
  'GET /api/admin/users/:id': '401 403 200 401 401 200',
  'PATCH /api/admin/users/:id': '401 403 200 401 401 403',
  'DELETE /api/admin/users/:id': '401 403 204 401 401 403',
  'POST /api/admin/users/:id/restore': '401 403 409 401 401 403',
  'POST /admin/users/:id/restore': '401 403 409 401 401 403',
  'POST /api/admin/users/:id/reset-link': '401 403 200 401 401 403',
  'GET /admin/start': '401 403 200 401 401 200',
  'POST /admin/start/dismiss': '401 403 303 401 401 403',
  'GET /admin/users': '401 403 200 401 401 200',
  'POST /admin/users': '401 403 409 401 401 403',
  'GET /admin/users/:id': '401 403 200 401 401 200',
  'POST /admin/users/:id/name': '401 403 303 401 401 403',
  'POST /admin/users/:id/password': '401 403 303 401 401 403',
  'POST /admin/users/:id/reset-link': '401 403 303 401 401 403',
  'POST /admin/users/:id/unlink': '401 403 303 401 401 403',
  'POST /admin/users/:id/disable': '401 403 303 401 401 403',
  'POST /admin/users/:id/enable': '401 403 303 401 401 403',
  'POST /admin/users/:id/delete': '401 403 422 401 401 403',
  'ALL /*': '404 404 404 404 404 403',
  'GET /usage': '401 200 200 401 401 200',
  'GET /admin': '401 403 303 401 401 303',
  'GET /admin/usage': '401 403 200 401 401 200',
  'GET /api/me/usage': '401 200 200 403 401 200',
  'GET /api/admin/usage': '401 403 200 401 401 200',
  'GET /admin/prices': '401 403 200 401 401 200',
  'POST /admin/prices': '401 403 422 401 401 403',
  'POST /admin/prices/remove': '401 403 404 401 401 403',
  'POST /admin/prices/shared': '401 403 303 401 401 403',
  'GET /api/admin/shared-models': '401 403 200 401 401 200',
  'PUT /api/admin/shared-models': '401 403 200 401 401 403',
  'GET /api/admin/prices': '401 403 200 401 401 200',
  'PUT /api/admin/prices/*': '401 403 200 401 401 403',
  'DELETE /api/admin/prices/*': '401 403 200 401 401 403',
  'POST /usage/budgets': '401 422 422 401 401 403',
  'POST /usage/budgets/remove': '401 404 404 401 401 403',
  'GET /api/me/budgets': '401 200 200 403 401 200',
  'PUT /api/me/keys/:id/budget': '401 404 404 403 401 403',
  'DELETE /api/me/keys/:id/budget': '401 404 404 403 401 403',
  'GET /admin/budgets': '401 403 200 401 401 200',
  'POST /admin/budgets': '401 403 422 401 401 403',
  'POST /admin/budgets/remove': '401 403 404 401 401 403',
  'GET /api/admin/budgets': '401 403 200 401 401 200',
  'PUT /api/admin/budgets/:subject': '401 403 200 401 401 403',
  'DELETE /api/admin/budgets/:subject': '401 403 200 401 401 403',
  'POST /settings/credentials': '401 422 422 401 401 403',
  'POST /settings/credentials/try': '401 422 422 401 401 403',
  'POST /settings/credentials/clear': '401 422 422 401 401 403',
  'POST /settings/credentials/share': '401 403 422 401 401 403',
};

const INTERNAL: Record<string, string> = {
  'GET /readyz': '200 200 200 200 200 200',
  'GET /healthz': '200 200 200 200 200 200',
  'GET /metrics': '200 200 200 200 200 200',
  'ALL /upstream/v1/*': '401 401 401 401 401 401',
  'POST /api/internal/agents/:id/event': '401 401 401 404 401 401',
  'ALL /auth': '404 404 404 404 404 404',
  'ALL /auth/*': '404 404 404 404 404 404',
  'ALL /api': '404 404 404 404 404 404',
  'ALL /api/*': '404 404 404 404 404 404',
  'ALL /v1': '404 404 404 404 404 404',
  'ALL /v1/*': '404 404 404 404 404 404',
};

/** Members of all forms and JSON bodies; each route reads its own. No password is right, and Alice has the address. */
const BODY = {
  ...{ email: PEOPLE.alice.email, name: 'Walker', title: 'Walk', role: 'user', content: 'Hello', text: 'Hello' },
  ...{ password: 'not-the-password', old_password: 'not-the-password', new_password: 'another-password' },
  ...{ backend: 'echo', model: 'echo', messages: [{ role: 'user', content: 'Hello' }], value: 'some-model' },
  ...{
    instructions: 'Be brief.',
    idle: '',
    seconds: 60,
    idle_seconds: 60,
    typed: 'Somebody else',
    shared: true,
    models: '',
  },
};
/** Members of the form of a schedule; the API reads `when`. */
const SCHEDULE = {
  ...{ every: 'day', time: '08:00', cron: '', time_zone: 'UTC', conversation: '', text: 'Hello' },
  when: 'every day at 8',
};
const LIMIT = { unit: 'tokens', period: 'day', hard_limit: 1000 };
/** The bodies of routes that read nothing of BODY. */
const BODIES: Record<string, object> = {
  'POST /auth/login': { ...BODY, email: 'nobody@example.org' },
  'POST /auth/signup': { ...BODY, email: PEOPLE.mallory.email },
  'POST /usage/budgets/remove': { subject: 'the-id-of-a-key' },
  'POST /admin/budgets/remove': { subject: 'the-id-of-a-key' },
  'PUT /api/me/keys/:id/budget': LIMIT,
  'PUT /api/admin/budgets/:subject': LIMIT,
  'PUT /api/me/env-overrides': { values: {} },
  'POST /messages/:id/edit': { text: 'x' },
  'POST /settings/you/titles': { setting: 'titles' },
  'POST /conversations/:id/shelf': { shelf: 'pinned' },
  'POST /messages/:id/credentials': { LLM_MODEL: 'some-model' },
  'POST /messages/:id/credentials/share': { LLM_MODEL: 'some-model' },
  'POST /messages/:id/credentials/try': { LLM_MODEL: 'some-model' },
  'PUT /api/admin/prices/*': { prompt: 1, completion: 1 },
  'PUT /api/admin/shared-models': { models: [] },
  'POST /api/agents/:id/schedules': SCHEDULE,
  'PATCH /api/schedules/:id': SCHEDULE,
  'POST /agents/:id/schedules': SCHEDULE,
  'POST /schedules/:id': SCHEDULE,
};

let router: TestRouter;
let alice: Person;
let owned: { agent: string; conversation: string; message: string; attachment: string; schedule: string };
let cookies: Record<Walker, string>;
let keys: { v1: string; manage: string };

beforeAll(async () => {
  router = await startRouter();
  const admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  const other = await router.person(PEOPLE.mallory);
  const disabled = await router.person(PEOPLE.bob);
  await router.context.removal.disable(disabled.id);
  const json = async (path: string, body: object) => (await alice.request(path, { method: 'POST', body })).json();
  const { conversation } = await json('/api/conversations', { backend: 'echo' });
  const { message } = await json(`/api/conversations/${conversation.id}/messages`, { role: 'user', content: 'Hello' });
  const { schedule } = await json(`/api/agents/${conversation.agent_id}/schedules`, {
    when: 'every hour',
    text: 'Hello',
  });
  const text = new TextEncoder().encode('of Alice');
  const { attachment } = await (
    await alice.request(`/api/conversations/${conversation.id}/attachments?name=a.txt`, { method: 'POST', body: text })
  ).json();
  owned = {
    ...{ agent: conversation.agent_id, conversation: conversation.id, message: message.id },
    ...{ attachment: attachment.id, schedule: schedule.id },
  };
  const { keys: service } = router.context;
  const make = async (scope: 'v1' | 'manage') => (await service.create(admin.id, scope, { scopes: [scope] })).secret;
  keys = { v1: await make('v1'), manage: await make('manage') };
  cookies = {
    ...{ out: '', key: '' },
    ...{ other: other.cookie, admin: admin.cookie, disabled: disabled.cookie, foreign: admin.cookie },
  };
});
afterAll(() => router[Symbol.asyncDispose]());

/** The path of a route with the ids of things that are there. */
async function pathOf(route: string): Promise<string> {
  const path = route.slice(route.indexOf(' ') + 1).replace('*', 'echo');
  if (!path.includes(':')) return path;
  const { invitations, keys: service, sessions, users } = router.context;
  const someone = () => users.create({ email: `${newId()}@example.org` });
  const id = async () => {
    if (/\/admin\/users\//.test(path)) return (await someone()).id;
    if (/\/admin\/invitations\//.test(path)) return (await invitations.create({})).invitation.id;
    if (/\/keys\//.test(path)) return (await service.create(alice.id, 'walked')).key.id;
    if (/\/sessions\//.test(path)) return (await sessions.open(alice.id, { address: '', browser: '' })).id;
    if (/\/schedules\/:/.test(path)) return owned.schedule;
    if (/\/attachments\/:id/.test(path)) return owned.attachment;
    if (/\/conversations\//.test(path)) return owned.conversation;
    return /\/messages\//.test(path) ? owned.message : owned.agent;
  };
  const values: Record<string, () => string | Promise<string>> = {
    ...{
      id,
      user: () => alice.id,
      messageId: () => owned.message,
      backend: () => 'echo',
      seq: () => '1',
      name: () => 'LLM_MODEL',
      part: () => 'agents',
    },
    subject: () => alice.id,
    token: async () =>
      (await (path.includes('reset') ? users.resetLink((await someone()).id) : invitations.create({}))).token,
  };
  const parts = path.split('/').map((part) => (part.startsWith(':') ? values[part.slice(1)]?.() : part));
  const query = path.endsWith('/attachments') ? '?name=a.txt' : '';
  return (await Promise.all(parts)).join('/') + query;
}

async function walk(base: string, route: string): Promise<string> {
  const method = route.startsWith('ALL ') ? 'POST' : route.slice(0, route.indexOf(' '));
  const statuses: number[] = [];
  for (const walker of WALKERS) {
    const path = await pathOf(route);
    const headers: Record<string, string> = {};
    if (cookies[walker] !== '') headers.cookie = cookies[walker];
    if (walker === 'key') headers.authorization = `Bearer ${path.startsWith('/v1') ? keys.manage : keys.v1}`;
    if (walker === 'foreign')
      Object.assign(headers, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' });
    if (method !== 'GET') headers['content-type'] = 'application/json';
    const response = await fetch(base + path, {
      ...{ method, headers, redirect: 'manual' },
      ...(method !== 'GET' && { body: JSON.stringify(BODIES[route] ?? BODY) }),
    });
    await response.body?.cancel();
    statuses.push(response.status);
    if (/sign-out|logout/.test(path)) await signInAgain();
  }
  return statuses.join(' ');
}

async function signInAgain(): Promise<void> {
  const admin = await router.person(ADMIN);
  cookies.admin = cookies.foreign = admin.cookie;
  cookies.other = (await router.person(PEOPLE.mallory)).cookie;
}

const listeners: [string, (one: TestRouter) => { base: string; routes: readonly string[] }, Record<string, string>][] =
  [
    ['public', ({ url, routes }) => ({ base: url, routes: routes.public }), PUBLIC],
    ['internal', ({ internalUrl, routes }) => ({ base: internalUrl, routes: routes.internal }), INTERNAL],
  ];

test.each(listeners)('every route of the %s listener answers each stranger as the table says', async (_, of, table) => {
  const { base, routes } = of(router);
  const answers: Record<string, string> = {};
  for (const route of new Set(routes.map((one) => one.replace(/^GET \/assets\/.*/, 'GET /assets/*')))) {
    answers[route] = route === 'GET /assets/*' ? await walk(base, 'GET /assets/app.js') : await walk(base, route);
  }
  expect(answers).toEqual(table);
});

test('every route of /api, /auth and /v1 is described in operations.ts of its subject, and nothing else is', async () => {
  const { paths } = (await (await router.request('/openapi.json')).json()) as { paths: Record<string, object> };
  const plain = (name: string) => name.replace(/\{\w+\}|:\w+|\*/g, '*');
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => plain(`${method.toUpperCase()} ${path}`)),
  );
  const served = router.routes.public.filter((route) => /^\w+ \/(api|auth|v1)\//.test(route)).map(plain);
  const [all] = served.splice(served.indexOf('ALL /v1/*'), 1);
  expect(all).toBe('ALL /v1/*');
  expect(served.filter((route) => !described.includes(route))).toEqual([]);
  expect(described.filter((name) => !served.includes(name) && !name.includes(' /v1/'))).toEqual([]);
});

test('every page is walked in a browser', async () => {
  // A page of a runner is there while it runs.
  await alice.request(`/api/agents/${owned.agent}/start`, { method: 'POST', body: {} });
  const pages: string[] = [];
  for (const route of router.routes.public.filter((one) =>
    /^GET \/(?!api|v1|auth|assets|live|admin\/live)/.test(one),
  )) {
    for (const { cookie } of [{ cookie: '' }, alice, { cookie: cookies.admin }]) {
      const headers = { cookie, accept: 'text/html' };
      const response = await fetch(router.url + (await pathOf(route)), { headers, redirect: 'manual' });
      const text = await response.text();
      if (response.status === 200 && text.startsWith('<!') && !pages.includes(route)) pages.push(route);
    }
  }
  expect(pages.sort()).toEqual(Object.keys(PAGES).sort());
});
