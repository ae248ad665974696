/** The OpenAPI document against the running router: every operation is called with its example. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { KEY_SCOPES } from '../../router/accounts/keys/problems';
import type { KeyScope } from '../../router/accounts/keys/store';
import { newId } from '../../router/lib/ids';
import type { OpenApiDocument } from '../../router/reference/document';
import { ADMIN, memoryBackend, type Person, startRouter, type TestRouter } from '../support/router';
import { type Call, type Changed, callsOf, eventsOf, exampleOf, schemasOf } from './support';

/** Only ends a failed test: the walk makes some hundred requests. */
setDefaultTimeout(120_000);

const LLM = { LLM_BASE_URL: 'https://llm.example.org/v1', LLM_API_KEY: 'sk-of-the-examples', LLM_MODEL: 'a-model' };
/** The user of the examples. */
const ADA = { email: 'ada@example.org', name: 'Ada', password: 'a-long-password' };

let router: TestRouter;
let document: OpenApiDocument;
let schemas: ReturnType<typeof schemasOf>;
let ada: Person;
let admin: Person;
beforeAll(async () => {
  const files = { seed_subdir: 'direct-home', templated_files: ['AGENTS.md'], instructions_file: 'AGENTS.md' };
  const variables = { user_overridable_env: Object.keys(LLM), agent_env: ['TZ'] };
  router = await startRouter({
    backends: [memoryBackend('helper', { image: 'registry.example/helper:1', ...files, ...variables })],
  });
  document = (await (await fetch(`${router.url}/openapi.json`)).json()) as OpenApiDocument;
  schemas = schemasOf(document);
  ada = await router.person(ADA);
  admin = await router.person(ADMIN);
  await ada.request('/api/me/env-overrides', { method: 'PUT', body: { values: LLM } });
});
afterAll(() => router[Symbol.asyncDispose]());

const json = async (person: Person, path: string, body?: object) =>
  (await person.request(path, body && { method: 'POST', body })).json();

/** Makes what an operation is about, and says who calls it and what of the example changes. */
async function prepared({ name, path }: Call): Promise<{ person: Person; changed: Changed }> {
  const { invitations, keys, sessions, users } = router.context;
  const person = path.startsWith('/api/admin/') ? admin : ada;
  const newUser = async () => (await users.create({ email: `${newId()}@example.org` })).id;
  const about = (parameters: Readonly<Record<string, string>>, more: Changed = {}) => ({
    person,
    changed: { parameters, ...more },
  });
  const another = () => router.person({ ...ADA, email: `${newId()}@example.org` });
  if (/^(PUT \/api\/me\/password|DELETE \/api\/me)$/.test(name)) return { person: await another(), changed: {} };
  if (path === '/auth/logout') return { person: await another(), changed: {} };
  if (path === '/auth/invitations/{token}') return about({ token: (await invitations.create({})).token });
  if (path === '/auth/reset/{token}') return about({ token: (await users.resetLink(await newUser())).token });
  if (path.startsWith('/api/me/sessions/')) {
    return about({ id: (await sessions.open(ada.id, { address: '', browser: '' })).id });
  }
  if (path.includes('/keys/{id}')) {
    const { id } = (await keys.create(ada.id, 'example')).key;
    const limit = { method: 'PUT', body: { unit: 'tokens', period: 'day', hard_limit: 1 } };
    if (path.endsWith('/budget')) await ada.request(`/api/me/keys/${id}/budget`, limit);
    return about({ id });
  }
  if (path === '/api/admin/invitations/{id}') return about({ id: (await invitations.create({})).invitation.id });
  if (path === '/api/admin/runners/{user}/{backend}') return about({ user: ada.id });
  if (name === 'DELETE /api/admin/budgets/{subject}') return about({ subject: ada.id });
  if (path === '/api/admin/users/{id}/restore') {
    const deleted = await newUser();
    await router.context.removal.deleteLater(deleted);
    return about({ id: deleted });
  }
  if (path.startsWith('/api/admin/users/{id}')) return about({ id: await newUser() });
  if (path.startsWith('/v1/responses/')) {
    const { id } = await json(ada, '/v1/responses', { model: 'helper', input: 'Hello!', store: true });
    return about({ id });
  }
  if (path.startsWith('/api/agents/{id}')) {
    const { agents } = await json(ada, '/api/agents');
    const made =
      name === 'DELETE /api/agents/{id}' && (await json(ada, '/api/agents', { backend: 'helper', name: 'x' }));
    return about({ id: made ? made.agent.id : agents[0].id });
  }
  if (path.startsWith('/api/schedules/{id}')) {
    const { agents } = await json(ada, '/api/agents');
    const fields = { when: 'every day at 8', text: 'What is new?' };
    return about({ id: (await json(ada, `/api/agents/${agents[0].id}/schedules`, fields)).schedule.id });
  }
  if (path.startsWith('/api/attachments/')) return about({ id: await uploaded('some bytes') });
  if (path.startsWith('/api/conversations/')) {
    const { conversation } = await json(ada, '/api/conversations', { backend: 'helper' });
    const said = { role: 'user', content: 'Hi', attachments: [await uploaded('some bytes', conversation.id)] };
    const { message } = await json(ada, `/api/conversations/${conversation.id}/messages`, said);
    // So that the stream has something to say.
    return about({ id: conversation.id, messageId: message.id }, { headers: { 'last-event-id': '0' } });
  }
  return { person, changed: {} };
}

/** The id of a file that was uploaded for a message. */
async function uploaded(bytes: string | Uint8Array<ArrayBuffer>, conversationId?: string): Promise<string> {
  const id = conversationId ?? (await json(ada, '/api/conversations', { backend: 'helper' })).conversation.id;
  const path = `/api/conversations/${id}/attachments?name=file`;
  const { attachment } = await (await ada.request(path, { method: 'POST', body: bytes })).json();
  return attachment.id;
}
/** The smallest picture. */
const GIF = Uint8Array.fromBase64('R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==');

/** Other answers of an operation than that to its example: what to change, and the media type of the answer. */
const OTHERS: Readonly<Record<string, Changed & { readonly media: string }>> = {
  'POST /v1/chat/completions': { body: { stream: true }, media: 'text/event-stream' },
  'POST /v1/responses': { body: { stream: true }, media: 'text/event-stream' },
  'GET /api/conversations/{id}/export': { parameters: { format: 'markdown' }, media: 'text/markdown' },
  'GET /api/me/usage': { headers: { accept: 'text/csv' }, media: 'text/csv' },
  'GET /api/admin/usage': { parameters: { format: 'csv' }, media: 'text/csv' },
  'GET /api/admin/audit': { parameters: { format: 'csv' }, media: 'text/csv' },
};

const send = (path: string, init: RequestInit, credential: Record<string, string> = {}) =>
  fetch(router.url + path, { ...init, redirect: 'manual', headers: { ...(init.headers as object), ...credential } });

/** What is wrong with an answer, by the document. */
async function problemsOf(call: Call, response: Response): Promise<string[]> {
  const { responses } = call.operation;
  const status = String(response.status) in responses ? String(response.status) : 'default';
  const content = responses[status]?.content;
  if (response.status === 204) return (await response.text()) === '' && !content ? [] : ['204 has a body'];
  const media = response.headers.get('content-type')?.split(';')[0] ?? '';
  if (!content?.[media]) return [`${status} is not documented as ${media}: ${await response.text()}`];
  const { answer } = schemas;
  if (media === 'text/event-stream') {
    const events = await eventsOf(response, 2);
    return events.length === 0 ? ['no event came'] : events.flatMap((event) => answer(call, status, media, event));
  }
  if (!/json$/.test(media)) {
    return (await response.bytes()).length > 0 ? [] : ['the file is empty'];
  }
  return answer(call, status, media, await response.json());
}

test('the document is valid by the schema of OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
  expect([valid, errors]).toEqual([true, undefined]);
});

test('every operation says what it is, who may call it, what it means, and has an example that fits its schema', () => {
  const { request } = schemas;
  const wrong: string[] = [];
  const ids = new Set<string>();
  for (const call of callsOf(document)) {
    const { operationId, summary, parameters = [], requestBody, responses } = call.operation;
    if (ids.has(operationId) || summary === '') wrong.push(`${call.name}: its id or its summary`);
    ids.add(operationId);
    for (const { name, in: where, description, example } of parameters) {
      if (!description) wrong.push(`${call.name}: what ${name} means`);
      if (where === 'path' && example === undefined) wrong.push(`${call.name}: an example of ${name}`);
    }
    for (const [media, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
      const undescribed = Object.entries(schema?.properties ?? {}).filter(([, member]) => !member.description);
      if (!call.path.startsWith('/v1/') && !schema?.$ref)
        wrong.push(...undescribed.map(([name]) => `${call.name}: ${name}`));
      if (schema) wrong.push(...request(call, media, example).map((problem) => `${call.name}: example: ${problem}`));
    }
    if (!responses.default) wrong.push(`${call.name}: refusals`);
  }
  expect(wrong).toEqual([]);
});

test('every operation called with its example answers as the document says', async () => {
  const wrong: string[] = [];
  for (const call of callsOf(document)) {
    const { person, changed } = await prepared(call);
    const { path, init } = exampleOf(call, changed);
    const response = await send(path, init, { cookie: person.cookie });
    if (!response.ok) wrong.push(`${call.name}: ${response.status} ${await response.text()}`);
    else wrong.push(...(await problemsOf(call, response)).map((problem) => `${call.name}: ${problem}`));
    const other = OTHERS[call.name];
    if (!other) continue;
    const again = exampleOf(call, {
      parameters: { ...changed.parameters, ...other.parameters },
      body: { ...other.body },
      headers: { ...other.headers },
    });
    const second = await send(again.path, again.init, { cookie: person.cookie });
    expect([call.name, second.headers.get('content-type')]).toEqual([call.name, expect.stringContaining(other.media)]);
    wrong.push(...(await problemsOf(call, second)).map((problem) => `${call.name}, ${other.media}: ${problem}`));
  }
  expect(wrong).toEqual([]);
  const documented = callsOf(document).flatMap(({ name, operation: { responses } }) => {
    const [media = []] = Object.values(responses).map(({ content = {} }) => Object.keys(content));
    return media.length > 1 ? [name] : [];
  });
  expect([...Object.keys(OTHERS), FILE].sort()).toEqual(documented.sort());
});

const FILE = 'GET /api/attachments/{id}';

test('a picture of a message has a documented type', async () => {
  const [call] = callsOf(document).filter(({ name }) => name === FILE);
  if (!call) throw new Error(`${FILE} is not documented`);
  const { path, init } = exampleOf(call, { parameters: { id: await uploaded(GIF) } });
  const response = await send(path, init, { cookie: ada.cookie });
  expect([response.headers.get('content-type'), await problemsOf(call, response)]).toEqual(['image/gif', []]);
});

test('a member that the document does not describe is a problem', () => {
  const [me] = callsOf(document).filter(({ name }) => name === 'GET /auth/me');
  if (!me) throw new Error('GET /auth/me is not documented');
  const user = { id: 'x', email: 'x', name: null, slug: 'x', role: 'user' };
  const answer = (value: unknown) => schemas.answer(me, '200', 'application/json', value);
  expect(answer({ user })).toEqual([]);
  expect(answer({ user: { ...user, more: 1 } })).toHaveLength(1);
  expect(answer({ user: { ...user, role: 'king' } })).toHaveLength(1);
  expect(answer({ user: { ...user, slug: undefined } })).toHaveLength(1);
});

test('who may call an operation is what the document says, and a refusal has the documented shape', async () => {
  const { keys } = router.context;
  const person = await router.person({ ...ADA, email: 'strangers@example.org' });
  const bearer = async (scope: KeyScope) => ({
    authorization: `Bearer ${(await keys.create(person.id, scope, { scopes: [scope] })).secret}`,
  });
  const scopes = Object.fromEntries(
    await Promise.all(KEY_SCOPES.map(async (scope) => [scope, await bearer(scope)] as const)),
  );
  const wrong: string[] = [];
  for (const call of callsOf(document)) {
    const { security } = call.operation;
    if (security.length === 0) continue;
    const { path, init } = exampleOf(call, { parameters: { id: newId(), user: newId(), messageId: newId() } });
    const ask = async (credential: Record<string, string>) => {
      const response = await send(path, init, credential);
      if (response.ok) await response.body?.cancel();
      else wrong.push(...(await problemsOf(call, response)).map((problem) => `${call.name}: ${problem}`));
      return response.status;
    };
    const isOpen = (status: number) => status !== 401 && status !== 403;
    expect([call.name, await ask({})]).toEqual([call.name, 401]);
    for (const scope of KEY_SCOPES) {
      const isDocumented = security.some(({ key }) => key?.includes(scope));
      expect([call.name, scope, isOpen(await ask(scopes[scope] ?? {}))]).toEqual([call.name, scope, isDocumented]);
    }
    const needsAdmin = security.some(({ session }) => session?.includes('admin'));
    if (needsAdmin) expect([call.name, await ask({ cookie: person.cookie })]).toEqual([call.name, 403]);
  }
  expect(wrong).toEqual([]);
});

test('what is not there is 404 where the document says so', async () => {
  for (const call of callsOf(document)) {
    if (!call.operation.responses['404'] || !/\{(id|subject|token|messageId)\}/.test(call.path)) continue;
    const { person, changed } = await prepared(call);
    const { messageId = newId() } = { ...changed.parameters };
    const id = call.path.startsWith('/v1/') ? `resp_${newId()}` : newId();
    const unknown = { id, subject: newId(), token: newId(), messageId };
    const { path, init } = exampleOf(call, { parameters: { ...changed.parameters, ...unknown } });
    const response = await send(path, init, { cookie: person.cookie });
    expect([call.name, response.status, await problemsOf(call, response)]).toEqual([call.name, 404, []]);
  }
});
