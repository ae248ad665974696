/** `/v1` as a client of OpenAI's API sees it: models, agents, and the messages of refusals. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestInit, type TestRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const BODY_BYTES_MAX = 20_000;

const runner = scriptedRunner('openai');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('echo', { display_name: 'Echo', extra_models: ['echo/main', 'gpt-4o'] }),
      memoryBackend('scripted', {}, runner.program),
      memoryBackend('off', { disabled: true }),
      memoryBackend('keyed', { user_overridable_env: LLM }),
    ],
    env: { MAX_BODY_BYTES: String(BODY_BYTES_MAX) },
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());

const bearer = (value: string) => ({ authorization: `Bearer ${value}` });
const post = (body: TestInit['body'], headers: Record<string, string> = bearer(key)): TestInit => ({
  method: 'POST',
  body,
  headers: typeof body === 'string' ? { 'content-type': 'application/json', ...headers } : headers,
});
const chat = (model: unknown, more: object = {}) => ({
  model,
  messages: [{ role: 'user', content: 'Hello' }],
  ...more,
});
const complete = (init: TestInit) => router.request('/v1/chat/completions', init);

async function expectError(
  response: Response,
  status: number,
  code: string,
  words: RegExp,
  param: string | null = null,
) {
  const { error, ...more } = (await response.json()) as { error: Record<string, unknown>; detail: string };
  expect([response.status, error.code, error.param]).toEqual([status, code, param]);
  expect(error.message).toMatch(words);
  expect(error.type).toBeString();
  expect([Object.keys(error).sort(), more]).toEqual([
    ['code', 'message', 'param', 'type'],
    { detail: String(error.message) },
  ]);
  expect(response.headers.get('content-type')).toStartWith('application/json');
  expect(response.headers.get('x-request-id')).toMatch(/^req-[0-9a-f]{24}$/);
}

test('the models are the backends and their further names, as the predecessor lists them, and one’s own agents', async () => {
  const list = async () => (await (await alice.request('/v1/models')).json()) as { data: { created: number }[] };
  const before = await list();
  const base = { object: 'model', created: expect.any(Number), owned_by: 'agent-stack', running: false };
  expect(before as object).toEqual({
    object: 'list',
    data: [
      { id: 'echo', root: 'echo', display_name: 'Echo', ...base },
      { id: 'echo/main', root: 'echo', ...base },
      { id: 'gpt-4o', root: 'echo', ...base },
      { id: 'scripted', root: 'scripted', display_name: 'scripted', ...base },
      { id: 'off', root: 'off', display_name: 'off', ...base },
      { id: 'keyed', root: 'keyed', display_name: 'keyed', ...base },
      { id: '@echo', root: 'echo', display_name: 'Echo', ...base },
      ...['scripted', 'off', 'keyed'].map((name) => ({ id: `@${name}`, root: name, display_name: name, ...base })),
    ],
  });
  expect(router.platform.runners.size).toBe(0);
  await complete(post(chat('echo')));
  const after = await list();
  const running = after.data.filter((model) => 'running' in model && model.running);
  expect(running).toMatchObject([{ id: 'echo' }, { id: 'echo/main' }, { id: 'gpt-4o' }, { id: '@echo', root: 'echo' }]);
  expect(new Set([...after.data, ...before.data].map(({ created }) => created)).size).toBe(1);
});

test('a single model is found by its id, also by one with a slash', async () => {
  for (const path of ['echo', 'echo/main', 'echo%2Fmain', '@echo']) {
    const response = await alice.request(`/v1/models/${path}`);
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { id: decodeURIComponent(path), root: 'echo' },
    ]);
  }
  for (const path of ['nope', 'echo/other', '%zz']) {
    await expectError(await alice.request(`/v1/models/${path}`), 404, 'model_not_found', /Available: echo,/, 'model');
  }
});

test('a model means the backend of its name or of a further name, and no other below that name', async () => {
  for (const model of ['echo', 'echo/main', 'gpt-4o', '@echo']) {
    const response = await complete(post(chat(model)));
    expect([response.status, await response.json()]).toMatchObject([200, { model }]);
  }
  for (const model of ['ech', 'echo/other', 'echo/main/x', 'echoo', 'Echo', 'main', 'x/echo', '@main', '@']) {
    await expectError(
      await complete(post(chat(model))),
      404,
      'model_not_found',
      /serves model ".*Available: echo,.*, @keyed\./,
      'model',
    );
  }
});

test('everybody has an agent and a runner of their own', async () => {
  const bob = await router.person(PEOPLE.bob);
  runner.reply = () => completion('Hi.');
  const starts = runner.specs.length;
  for (const who of [alice, bob, alice])
    expect((await who.request('/v1/chat/completions', post(chat('scripted'), {}))).status).toBe(200);
  expect(runner.specs.slice(starts).map(({ env }) => env.AGENT_USER_ID)).toEqual([alice.id, bob.id]);
});

test('a chat is answered to a cookie and to a key, streamed or not', async () => {
  for (const headers of [bearer(key), { cookie: alice.cookie }, { ...bearer(key), cookie: 'agent_stack_session=x' }]) {
    const whole = await complete(post(chat('echo'), headers));
    expect([whole.status, await whole.json()]).toMatchObject([200, { choices: [{ message: { content: 'Hello' } }] }]);
    const stream = await complete(post(chat('echo', { stream: true }), headers));
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(await stream.text()).toEndWith('data: [DONE]\n\n');
  }
});

test('nobody is served without a credential, or with one that is not good', async () => {
  await expectError(await complete(post(chat('echo'), {})), 401, 'invalid_api_key', /Bearer/);
  const bad = ['Bearer sk-as-nope', `Bearer ${key}x`, 'Bearer a.b.c'];
  const ofOtherForm = ['Bearer', 'Basic eDp5', key];
  for (const authorization of [...bad, ...ofOtherForm]) {
    // A cookie does not replace an invalid Bearer credential.
    const headers = { authorization, cookie: alice.cookie };
    const message = bad.includes(authorization) ? /not valid/ : /send an API key as "Authorization: Bearer <key>"/;
    await expectError(await complete(post(chat('echo'), headers)), 401, 'invalid_api_key', message);
  }
});

test('a request says which agent it means, in JSON', async () => {
  for (const body of [chat(undefined), chat(''), chat(7), chat(null), {}]) {
    await expectError(await complete(post(body)), 400, 'invalid_request', /Name an agent in "model"/, 'model');
  }
  for (const body of ['{"model":', 'hello', '{"model":"echo",}']) {
    await expectError(await complete(post(body)), 400, 'invalid_request', /not valid JSON/);
  }
  for (const body of ['[]', '"echo"', 'null', '7']) {
    await expectError(await complete(post(body)), 400, 'invalid_request', /must be a JSON object/);
  }
});

test('a path that no agent serves is not found, whatever the request lacks', async () => {
  for (const path of ['files', 'conversations', 'assistants', 'nothing/here']) {
    const response = await router.request(`/v1/${path}`, { headers: bearer(key) });
    await expectError(response, 404, 'not_found', new RegExp(`No agent serves /v1/${path}`));
  }
});

test('a path that no agent serves is not blamed on the model', async () => {
  for (const path of ['audio/speech', 'images/generations', 'moderations']) {
    const response = await router.request(`/v1/${path}`, { ...post({ model: 'tts-1' }), method: 'POST' });
    await expectError(response, 404, 'not_found', new RegExp(`No agent serves /v1/${path}.*"paths" in backends.json`));
  }
});

test('a response of elsewhere is said to be none that is stored here', async () => {
  for (const path of ['responses/resp_68af4b2c', 'responses/compact']) {
    const response = await router.request(`/v1/${path}`, { headers: bearer(key) });
    await expectError(
      response,
      404,
      'not_found',
      /^No agent serves .*\{id\}\/input_items, of a response that was stored here\.$/,
    );
  }
});

const ASTRAY = [
  ...['/chat/completions', '/responses', '/embeddings', '/v1/v1/chat/completions', '/v1/chat/completions/models'],
  ...[
    '/v1//chat/completions',
    '//v1/chat/completions',
    '/V1/models',
    '/api/v1/chat/completions',
    '/openai/v1/responses',
  ],
  '/openai/deployments/scripted/chat/completions?api-version=2024-10-21',
];
test.each(ASTRAY)('a client whose base URL is wrong is told so, at %s', async (path) => {
  const response = await router.request(path, post({ model: 'scripted', messages: [] }));
  await expectError(response, 404, 'not_found', /Set the base URL .* with \/v1 behind it/);
});

test('the base URL itself says where to go on', async () => {
  for (const path of ['/v1', '/v1/']) {
    const response = await router.request(path, { headers: bearer(key) });
    await expectError(response, 404, 'not_found', /GET \/v1\/models lists the agents/);
  }
});

test('an address with a slash at its end says that this slash is wrong', async () => {
  const response = await router.request('/v1/chat/completions/', post({ model: 'scripted', messages: [] }));
  await expectError(response, 404, 'not_found', /Leave out the slash at its end/);
});

test('a client whose base URL lacks /v1 is told so where it lists the models', async () => {
  const headers = { ...bearer(key), accept: 'application/json' };
  const response = await router.request('/models', { headers });
  await expectError(response, 404, 'not_found', /^There is no \/models\. Set the base URL/);
});

test('a form is refused with the type that is taken', async () => {
  const form = { method: 'POST', body: new URLSearchParams({ a: 'b' }), headers: bearer(key) };
  // Members without a meaning for chat.
  await expectError(
    await router.request('/v1/chat/completions?model=scripted', form),
    415,
    'unsupported_media_type',
    /Content-Type: application\/json/,
  );
});

test('a body without a type, or with an empty one, is read as JSON', async () => {
  for (const type of [{}, { 'content-type': '' }]) {
    const body = new TextEncoder().encode(JSON.stringify(chat('echo')));
    const response = await complete({ method: 'POST', body, headers: { ...bearer(key), ...type } });
    expect([type, response.status]).toEqual([type, 200]);
  }
});

test('a too large body is refused, while it is read if it declares no length', async () => {
  const words = new RegExp(`larger than ${BODY_BYTES_MAX} bytes`);
  const large = JSON.stringify(chat('echo', { padding: 'x'.repeat(BODY_BYTES_MAX) }));
  await expectError(
    await fetch(`${router.url}/v1/chat/completions`, post(large) as RequestInit),
    413,
    'too_large',
    words,
  );
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(to) {
      sent += 1;
      to.enqueue(new Uint8Array(1_000).fill(32));
    },
  });
  await expectError(await complete({ ...post('{}'), body: endless }), 413, 'too_large', words);
  expect(sent).toBeLessThan((2 * BODY_BYTES_MAX) / 1_000);
  const fits = JSON.stringify(chat('echo', { padding: '' }));
  expect((await complete(post(fits.padEnd(BODY_BYTES_MAX)))).status).toBe(200);
});

test('a backend that is switched off, and one without credentials, say so and start nothing', async () => {
  const starts = router.platform.calls('start');
  for (const stream of [true, false]) {
    await expectError(await complete(post(chat('off', { stream }))), 503, 'backend_disabled', /off is switched off/);
    const words = /keyed needs LLM_BASE_URL, LLM_API_KEY, LLM_MODEL.*Settings/;
    await expectError(await complete(post(chat('keyed', { stream }))), 422, 'credentials_missing', words);
  }
  await alice.request('/api/me/env-overrides/LLM_MODEL', { method: 'PUT', body: { value: 'm' } });
  const words = /needs LLM_BASE_URL, LLM_API_KEY\./;
  await expectError(await complete(post(chat('keyed'))), 422, 'credentials_missing', words);
  expect(router.platform.calls('start')).toBe(starts);
});

test('a request that is refused leaves no conversation behind', async () => {
  const headers = { ...bearer(key), 'x-agent-stack-detach': 'true' };
  await complete(post(chat('off'), headers));
  await complete(post(chat('nope'), headers));
  await router.request('/v1/embeddings', post(chat('echo'), headers));
  expect(await router.context.conversations.list(alice.id)).toEqual([]);
});
