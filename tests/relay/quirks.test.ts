/** Law 13: the requirements of backends are data. The router knows none of these names. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const SESSION = `\${user}/\${agent}/\${conversation}`;

const runner = scriptedRunner('relay-quirks');
let router: TestRouter;
let alice: Person;
let mallory: Person;

beforeAll(async () => {
  const backend = (name: string, more: object) => memoryBackend(name, { ...more }, runner.program);
  router = await startRouter({
    backends: [
      backend('plain', { paths: ['chat/completions', 'embeddings'] }),
      backend('headed', { headers: { 'X-Who': `user \${user}`, 'X-Session': SESSION, 'X-Fixed': '1' } }),
      backend('bodied', { session_body: { user: `c-\${conversation}`, owner: `\${user}` } }),
      backend('renamed', { extra_models: ['renamed/other'], model: 'its/own-name' }),
      backend('forwarding', { forward_model_env: 'LLM_MODEL', user_overridable_env: LLM, model: 'unused' }),
      backend('remembering', { history: 'last-turn', paths: ['chat/completions'] }),
      backend('omitting', { omit_body: ['user', 'model', 'absent'], session_body: { user: `c-\${conversation}` } }),
      backend('single', { history: 'one-message', session_body: { session_id: `\${session}` } }),
      backend('roleless', { stream_lacks_role: true, paths: ['chat/completions', 'completions'] }),
      backend('keyed', { api_key_header: 'X-Key', api_key_scheme: '' }),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
});
afterAll(() => router[Symbol.asyncDispose]());

const TALK = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'One?' },
  { role: 'assistant', content: 'One.' },
  { role: 'user', content: 'Two?' },
];

/** Sends a chat and returns the request that arrived at the runner. */
async function send(who: Person, body: Record<string, unknown>, headers: Record<string, string> = {}) {
  runner.reply = () => completion('Hello.');
  const count = runner.requests.length;
  const response = await who.request('/v1/chat/completions', {
    method: 'POST',
    body: { messages: TALK, ...body },
    headers,
  });
  await response.text();
  const asked = runner.requests[count];
  return { response, headers: asked?.headers ?? new Headers(), text: asked?.text ?? '', arrived: asked !== undefined };
}

async function conversationOf(who: Person, backendName: string) {
  const backend = router.context.backends.find(backendName);
  if (!backend) throw new Error(`premise: ${backendName} is a backend`);
  const agent = await router.context.agents.defaultOf(who.id, backend);
  return { agent, conversation: await router.context.conversations.create(agent) };
}

/** A conversation that contains the first turn of `TALK`. */
async function begun(who: Person, backendName: string) {
  const { conversation } = await conversationOf(who, backendName);
  const answer = await router.context.generations.record(
    { conversation, text: 'One?' },
    { isStream: false, stop: () => undefined },
  );
  answer.chunk(await completion('One.').bytes());
  answer.end('done');
  await answer.saved.promise;
  return conversation;
}

const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

test('law 13: a backend without quirks gets the client’s own bytes', async () => {
  const text = '{ "model": "plain",\n  "messages": [], "seed": 12345678901234567890, "x": {"unknown": [1.0]} }';
  const count = runner.requests.length;
  const headers = { 'content-type': 'application/json' };
  const response = await alice.request('/v1/chat/completions', { method: 'POST', body: text, headers });
  expect([response.status, runner.requests[count]?.text]).toEqual([200, text]);
});

test('law 13: headers are filled in, and left out where a variable has no value', async () => {
  const { agent, conversation } = await conversationOf(alice, 'headed');
  const inside = await send(alice, { model: 'headed' }, { 'x-conversation-id': conversation.id });
  expect(inside.headers.get('x-who')).toBe(`user ${alice.id}`);
  expect(inside.headers.get('x-session')).toBe(`${alice.id}/${agent.id}/${conversation.id}`);
  expect(inside.headers.get('x-fixed')).toBe('1');
  const outside = await send(alice, { model: 'headed' }, { 'x-session': 'mine' });
  expect([outside.headers.get('x-who'), outside.headers.get('x-session')]).toEqual([`user ${alice.id}`, null]);
});

test('law 13: members of the body are filled in, and the client’s own stay where a variable has no value', async () => {
  const { conversation } = await conversationOf(alice, 'bodied');
  const inside = await send(alice, { model: 'bodied', user: 'me' }, { 'x-conversation-id': conversation.id });
  expect(json(inside.text)).toEqual({ model: 'bodied', messages: TALK, user: `c-${conversation.id}`, owner: alice.id });
  const outside = await send(alice, { model: 'bodied', user: 'me' });
  expect(json(outside.text)).toEqual({ model: 'bodied', messages: TALK, user: 'me', owner: alice.id });
});

test('law 13: a backend is sent the model of its entry, or the one its user has chosen', async () => {
  expect(json((await send(alice, { model: 'renamed/other' })).text).model).toBe('its/own-name');
  const set = (name: string, value: string) =>
    alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  await set('LLM_BASE_URL', 'https://llm.example/v1');
  await set('LLM_API_KEY', 'sk-alice');
  await set('LLM_MODEL', 'first');
  expect(json((await send(alice, { model: 'forwarding' })).text).model).toBe('first');
  await set('LLM_MODEL', 'second');
  expect(json((await send(alice, { model: 'forwarding' })).text).model).toBe('second');
});

test('law 13: a backend that remembers gets the last turn under its instructions, and all of anything else', async () => {
  const conversation = await begun(alice, 'remembering');
  const inside = await send(alice, { model: 'remembering' }, { 'x-conversation-id': conversation.id });
  expect(json(inside.text).messages).toEqual([TALK[0], TALK[3]]);
  expect(json((await send(alice, { model: 'remembering' })).text).messages).toEqual(TALK);
  const full = await conversationOf(alice, 'plain');
  const all = await send(alice, { model: 'plain' }, { 'x-conversation-id': full.conversation.id });
  expect(json(all.text).messages).toEqual(TALK);
});

test('law 13: a last turn is everything since the user spoke', async () => {
  const conversation = await begun(alice, 'remembering');
  const messages = [...TALK, { role: 'assistant', content: null, tool_calls: [] }, { role: 'tool', content: '4' }];
  const { text } = await send(alice, { model: 'x', messages }, { 'x-conversation-id': conversation.id });
  expect(json(text).messages).toEqual([TALK[0], ...messages.slice(3)]);
});

test('law 13: members that a backend must not see are left out, and its own take their place', async () => {
  const { conversation } = await conversationOf(alice, 'omitting');
  const outside = await send(alice, { model: 'omitting', user: 'me', seed: 1 });
  expect(json(outside.text)).toEqual({ messages: TALK, seed: 1 });
  const inside = await send(alice, { model: 'omitting', user: 'me' }, { 'x-conversation-id': conversation.id });
  expect(json(inside.text)).toEqual({ messages: TALK, user: `c-${conversation.id}` });
});

test('law 13: a backend that takes a single message gets the last turn, or all of them in one', async () => {
  const conversation = await begun(alice, 'single');
  const inside = await send(alice, { model: 'single' }, { 'x-conversation-id': conversation.id });
  const turn = { role: 'user', content: 'system:\nBe brief.\n\nuser:\nTwo?' };
  expect(json(inside.text)).toMatchObject({ messages: [turn], session_id: conversation.id });
  const outside = json((await send(alice, { model: 'single', session_id: conversation.id })).text);
  const content = 'system:\nBe brief.\n\nuser:\nOne?\n\nassistant:\nOne.\n\nuser:\nTwo?';
  expect(outside.messages).toEqual([{ role: 'user', content }]);
  expect(outside.session_id).toMatch(/^[0-9a-f]{24}$/);
  expect(outside.session_id).not.toBe(conversation.id);
  const again = json((await send(alice, { model: 'single' })).text);
  expect(again.session_id).not.toBe(outside.session_id);
});

test('law 13: what is not text stays beside the one message, and one message stays as it is', async () => {
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
  const seen = { role: 'user', content: [{ type: 'text', text: 'Look.' }, image] };
  const both = json((await send(alice, { model: 'single', messages: [TALK[0], seen] })).text);
  const text = 'system:\nBe brief.\n\nuser:\nLook.';
  expect(both.messages).toEqual([{ role: 'user', content: [{ type: 'text', text }, image] }]);
  for (const messages of [[seen], [], 'Hi', [null, TALK[0]]]) {
    expect(json((await send(alice, { model: 'single', messages })).text).messages).toEqual(messages);
  }
});

const streamed = (path: string) =>
  alice.request(path, { method: 'POST', body: { model: 'roleless', messages: TALK, prompt: 'Two?', stream: true } });

test('law 13: a stream that names no role gets a chunk that does, with its first bytes, which are untouched', async () => {
  const out = pipe();
  runner.reply = () => out.response();
  const pieces = [': hello\n\n', chunk('Zw'), chunk('ei').slice(0, 9), chunk('ei').slice(9), DONE];
  for (const piece of pieces.slice(0, 2)) out.write(piece);
  const reading = new Reading(await streamed('/v1/chat/completions'));
  await reading.until('Zw');
  for (const piece of pieces.slice(2)) out.write(piece);
  out.close();
  const text = await reading.end();
  const [first = '', ...others] = eventsOf(text);
  expect(JSON.parse(first)).toMatchObject({
    object: 'chat.completion.chunk',
    model: 'roleless',
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  });
  expect([text.endsWith(pieces.join('')), others]).toEqual([true, eventsOf(pieces.join(''))]);
});

test('law 13: nothing but a streamed chat gets such a chunk', async () => {
  const body = chunk('Hi') + DONE;
  const events = { headers: { 'content-type': 'text/event-stream' } };
  runner.reply = () => new Response(body, events);
  expect(await (await streamed('/v1/completions')).text()).toBe(body);
  runner.reply = () => new Response(body, { ...events, status: 203 });
  expect(await (await streamed('/v1/chat/completions')).text()).toBe(body);
  const said = await completion('Hi').text();
  runner.reply = () => new Response(said, { headers: { 'content-type': 'application/json' } });
  // It becomes a stream, whose only chunk names the role.
  const chunks = eventsOf(await (await streamed('/v1/chat/completions')).text()).slice(0, -1);
  expect(chunks.map((one) => JSON.parse(one).choices[0].delta)).toEqual([{ role: 'assistant', content: 'Hi' }]);
  const asked = { method: 'POST', body: { model: 'roleless', messages: TALK } };
  expect(await (await alice.request('/v1/chat/completions', asked)).text()).toBe(said);
});

test('law 13: the key goes where the backend looks for it', async () => {
  const { headers } = await send(alice, { model: 'keyed' });
  expect([headers.get('x-key')?.startsWith('ak-'), headers.get('authorization')]).toEqual([true, null]);
});

test('a conversation decides the agent, is recorded, and is named in the answer', async () => {
  const { conversation } = await conversationOf(alice, 'plain');
  for (const how of [
    { body: { model: 'nope' }, headers: { 'x-conversation-id': conversation.id } },
    { body: { user: `agstack-${conversation.id}` }, headers: {} },
  ]) {
    const { response } = await send(alice, how.body, how.headers);
    expect([response.status, response.headers.get('x-conversation-id')]).toEqual([200, conversation.id]);
    await until(async () => (await last(conversation.id))?.status === 'done', 'the answer is saved');
  }
  const messages = await router.context.conversations.page(conversation.id, { limit: 9 });
  expect(messages.map(({ content }) => content)).toEqual(['Two?', 'Hello.', 'Two?', 'Hello.']);
});

const last = async (id: string) => (await router.context.conversations.page(id, { limit: 9 })).at(-1);

test('a missing conversation and one of another user are both not found', async () => {
  const { conversation } = await conversationOf(alice, 'plain');
  const byHeader = ['0'.repeat(24), conversation.id, 'x', ''].map((id) => ({ headers: { 'x-conversation-id': id } }));
  const byUser = ['0'.repeat(24), conversation.id].map((id) => ({ body: { user: `agstack-${id}` } }));
  for (const how of [...byHeader, ...byUser]) {
    const { body = {}, headers = {} } = how as { body?: object; headers?: Record<string, string> };
    const { response, arrived } = await send(mallory, { model: 'plain', ...body }, headers);
    expect([how, response.status, arrived]).toEqual([how, 404, false]);
  }
  expect(await last(conversation.id)).toBeUndefined();
});

test('a request that is no chat is not recorded, also in a conversation', async () => {
  const { conversation } = await conversationOf(alice, 'plain');
  const headers = { 'x-conversation-id': conversation.id };
  const response = await alice.request('/v1/embeddings', { method: 'POST', body: { input: 'Hi' }, headers });
  expect(response.status).toBe(200);
  expect(await last(conversation.id)).toBeUndefined();
});

test('messages of any shape go to the runner, which knows better what is wrong with them', async () => {
  for (const messages of ['Hi', null, [null], [{ role: 'user' }], [{ role: 'user', content: [{ text: 1 }, null] }]]) {
    const { response, text } = await send(alice, { model: 'plain', messages }, { 'x-agent-stack-detach': 'true' });
    expect([response.status, json(text).messages]).toEqual([200, messages]);
  }
});
