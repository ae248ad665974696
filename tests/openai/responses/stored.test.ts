/** Stored answers: `store`, `previous_response_id`, and the conversations that they create, at both endpoints. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { ConflictError, NotFoundError, type OpenAI } from 'openai';
import { responder } from '../../support/responses';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner, user } from '../../support/scripted-runner';

const runner = scriptedRunner('responses-stored');
let router: TestRouter;
let alice: Person;
let mallory: Person;
let client: OpenAI;
let stranger: OpenAI;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('plain', {}, runner.program),
      memoryBackend('keeper', { history: 'last-turn', headers: { 'X-Session': `\${conversation}` } }, runner.program),
    ],
  });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  client = await alice.openai();
  stranger = await mallory.openai();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = (asked) => completion(`to ${JSON.parse(asked.text).messages.at(-1).content.split('\n').at(-1)}`);
});

const respond = responder(() => client);
const assistant = (content: string) => ({ role: 'assistant' as const, content });
/** The earlier messages as a session gets them that does not know them. */
const retold = (...messages: { role: string; content: string }[]) =>
  user(messages.map(({ role, content }) => `${role}:\n${content}`).join('\n\n'));
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '') as { messages: object[]; [member: string]: unknown };
const conversations = () => router.context.conversations.list(alice.id);
const textsOf = async (id: string | undefined) => {
  const page = await router.context.conversations.page(id ?? '', { limit: 99 });
  return page.map(({ content }) => content);
};
const saved = async (id: string | undefined) =>
  until(async () => {
    const page = await router.context.conversations.page(id ?? '', { limit: 99 });
    return page.every(({ status }) => status === 'done');
  }, 'the answer is saved');

test('a chat is stored only on request, and a response not if the request forbids it', async () => {
  const response = await respond({ input: 'Hi', store: false });
  await client.chat.completions.create({ model: 'plain', messages: [user('Hi')], store: false });
  expect([response.conversation, await conversations()]).toEqual([undefined, []]);
  for (const previous_response_id of [response.id, 'resp_x', 'x']) {
    const error = await respond({ input: 'And?', previous_response_id }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ code: 'not_found', param: 'previous_response_id' });
  }
});

test('a response that is stored can be read again, gone on from by its id, and seen as a conversation', async () => {
  const first = await respond({ input: 'One?', instructions: 'Be brief.', store: true });
  expect(first.conversation?.id).toMatch(/^[0-9a-f]{24}$/);
  const second = await respond({ input: 'Two?', previous_response_id: first.id });
  // Instructions belong to one request, as in OpenAI's API.
  expect(told().messages).toEqual([user('One?'), assistant('to One?'), user('Two?')]);
  expect([second.previous_response_id, second.conversation]).toEqual([first.id, first.conversation ?? null]);
  const id = first.conversation?.id;
  await saved(id);
  expect(await textsOf(id)).toEqual(['One?', 'to One?', 'Two?', 'to Two?']);
  expect(await client.responses.retrieve(second.id)).toMatchObject({
    id: second.id,
    status: 'completed',
    output_text: 'to Two?',
    conversation: { id },
  } as object);
  const third = await respond({ input: 'Three?', conversation: id ?? '' });
  expect([told().messages.length, third.conversation?.id]).toEqual([5, id]);
});

test('what can be done with a stored response is what OpenAI does with one that was not made in the background', async () => {
  const { id } = await respond({ input: 'One?', store: true });
  const refused = async (call: () => Promise<unknown>) => call().catch((thrown: unknown) => thrown);
  for (const [call, param] of [
    [() => client.responses.retrieve(id, { stream: true }), 'stream'],
    [() => client.responses.cancel(id), 'response_id'],
    [() => client.responses.inputItems.list(id, { order: 'newest' as 'asc' }), 'order'],
    [() => client.responses.inputItems.list(id, { limit: 0 }), 'limit'],
  ] as const) {
    expect(await refused(call)).toMatchObject({ status: 400, param, type: 'invalid_request_error' });
  }
  const headers = { authorization: `Bearer ${client.apiKey}` };
  const status = async (method: string, path: string) =>
    (await fetch(`${router.url}/v1/responses/${id}${path}`, { method, headers })).status;
  expect([await status('HEAD', ''), await status('HEAD', '/input_items')]).toEqual([200, 200]);
  expect([await status('GET', '/nothing'), await status('GET', '/input_items/x')]).toEqual([404, 404]);
  expect([await status('POST', ''), await status('DELETE', '/input_items')]).toEqual([405, 405]);
});

test('a refusal is stored as what the agent said', async () => {
  runner.reply = () => {
    const message = { role: 'assistant', content: null, refusal: 'I cannot do that.' };
    return Response.json({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] });
  };
  const response = await respond({ input: 'Do it.', store: true });
  expect(response.output as object[]).toMatchObject([
    { type: 'message', status: 'completed', content: [{ type: 'refusal', refusal: 'I cannot do that.' }] },
  ]);
  await saved(response.conversation?.id);
  expect(await textsOf(response.conversation?.id)).toEqual(['Do it.', 'I cannot do that.']);
  runner.reply = () => completion('Fine.');
  await respond({ input: 'Why?', previous_response_id: response.id });
  expect(told().messages).toEqual([user('Do it.'), assistant('I cannot do that.'), user('Why?')]);
});

test('items of other users are not found', async () => {
  const mine = await respond({ input: 'A secret', store: true });
  const id = mine.conversation?.id ?? '';
  const count = runner.requests.length;
  for (const attempt of [
    () => stranger.responses.create({ model: 'plain', input: 'And?', previous_response_id: mine.id }),
    () => stranger.responses.create({ model: 'plain', input: 'And?', conversation: id }),
    () => stranger.chat.completions.create({ model: 'plain', messages: [], metadata: { conversation_id: id } }),
    () => stranger.responses.retrieve(mine.id),
    () => client.responses.retrieve(`resp_${id}`),
  ]) {
    expect(await attempt().catch((thrown: unknown) => thrown)).toBeInstanceOf(NotFoundError);
  }
  expect([runner.requests.length, await router.context.conversations.list(mallory.id)]).toEqual([count, []]);
});

test('continuing an answer that is not the newest makes a new conversation', async () => {
  const first = await respond({ input: 'One?', store: true, model: 'keeper' });
  const id = first.conversation?.id;
  await saved(id);
  await respond({ input: 'Two?', previous_response_id: first.id, model: 'keeper' });
  expect([told().messages, runner.session]).toEqual([[user('Two?')], id]);
  await saved(id);
  const other = await respond({ input: 'Or two?', previous_response_id: first.id, model: 'keeper' });
  const otherId = other.conversation?.id;
  // The runtime's session of the fork knows nothing yet.
  expect(told().messages).toEqual([retold(user('One?'), assistant('to One?'), user('Or two?'))]);
  expect([otherId === id, runner.session?.startsWith(`${otherId}-`)]).toEqual([false, true]);
  await saved(otherId);
  const forked = runner.session;
  await respond({ input: 'Three?', previous_response_id: other.id, model: 'keeper' });
  expect([told().messages, runner.session]).toEqual([[user('Three?')], forked]);
  await saved(otherId);
  expect(await textsOf(otherId)).toEqual(['One?', 'to One?', 'Or two?', 'to Or two?', 'Three?', 'to Three?']);
  expect(await textsOf(id)).toEqual(['One?', 'to One?', 'Two?', 'to Two?']);
});

test('in a conversation its own agent answers and is named, whatever model is asked for', async () => {
  const first = await respond({ input: 'One?', store: true });
  await saved(first.conversation?.id);
  const slug = (await router.context.agents.list(alice.id)).find(({ backend }) => backend === 'plain')?.slug;
  const models: string[] = [];
  for (const model of ['keeper', 'nobody', `@${slug}`]) {
    const next = await respond({ input: 'And?', previous_response_id: first.id, model });
    models.push(next.model);
    await saved(next.conversation?.id);
    models.push((await client.responses.retrieve(next.id)).model);
  }
  expect(models).toEqual(['plain', 'plain', 'plain', 'plain', `@${slug}`, 'plain']);
});

test('requests that go on from the same answer at the same time all branch off from it', async () => {
  const first = await respond({ input: 'One?', store: true });
  await saved(first.conversation?.id);
  const gate = Promise.withResolvers<void>();
  const answer = runner.reply;
  runner.reply = async (asked) => {
    await gate.promise;
    return answer(asked);
  };
  const count = runner.requests.length;
  const inputs = ['Two?', 'Or two?', 'Or else?'];
  const branches = inputs.map((input) => respond({ input, previous_response_id: first.id }));
  await until(() => runner.requests.length === count + inputs.length, 'the runner has all of them');
  gate.resolve();
  const answers = await Promise.all(branches);
  const ids = answers.map(({ conversation }) => conversation?.id);
  expect([new Set(ids).size, ids.filter((id) => id === first.conversation?.id).length]).toEqual([3, 1]);
  for (const [index, { conversation, id, output_text }] of answers.entries()) {
    await saved(conversation?.id);
    const said = [`${inputs[index]}`, `to ${inputs[index]}`];
    expect([output_text, await textsOf(conversation?.id)]).toEqual([
      `to ${inputs[index]}`,
      ['One?', 'to One?', ...said],
    ]);
    expect(await client.responses.retrieve(id)).toMatchObject({ output_text } as object);
  }
  // In a conversation there is one answer at a time, as in OpenAI's API.
  const conversation = first.conversation?.id ?? '';
  const turns = await Promise.allSettled(inputs.map((input) => respond({ input, conversation })));
  expect(turns.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const missing = await respond({ input: 'Hi', conversation: 'conv_0' }).catch((thrown: unknown) => thrown);
  expect(missing).toMatchObject({ status: 404, param: 'conversation' });
});

test('a stream is kept while it is written, and not gone on from before its end', async () => {
  const out = pipe();
  out.write(chunk('Hel'));
  runner.reply = () => out.response();
  const stream = await client.responses.create({ model: 'plain', input: 'Hi', stream: true, store: true });
  let id = '';
  let growing = false;
  for await (const event of stream) {
    if (event.type === 'response.created') id = event.response.id;
    if (event.type !== 'response.output_text.delta' || growing) continue;
    growing = true;
    const text = () => router.context.generations.textOf(id.slice('resp_'.length));
    await until(() => text() === 'Hel', 'the text grows');
    expect(await client.responses.retrieve(id)).toMatchObject({ status: 'in_progress' } as object);
    const early = await respond({ input: 'And?', previous_response_id: id }).catch((thrown: unknown) => thrown);
    expect(early).toBeInstanceOf(ConflictError);
    out.write(chunk('lo.') + DONE);
    out.close();
  }
  await until(async () => (await client.responses.retrieve(id)).status === 'completed', 'it is saved');
  expect((await client.responses.retrieve(id)).output_text).toBe('Hello.');
});

test('a chat with store starts a conversation and names it; metadata goes on in it; neither reaches the runtime', async () => {
  const messages = [user('Hi')];
  const { response } = await client.chat.completions
    .create({ model: 'plain', messages, store: true, metadata: { note: 'x' } })
    .withResponse();
  const id = response.headers.get('x-conversation-id') ?? '';
  expect(told()).toEqual({ model: 'plain', messages });
  await saved(id);
  const again = { model: 'plain', messages: [user('Again')], metadata: { conversation_id: id } };
  const { response: second } = await client.chat.completions.create(again).withResponse();
  expect([second.headers.get('x-conversation-id'), told()]).toEqual([
    id,
    { model: 'plain', messages: [user('Again')] },
  ]);
  await saved(id);
  expect(await textsOf(id)).toEqual(['Hi', 'to Hi', 'Again', 'to Again']);
  // An id in another form belongs to the client.
  const metadata = { conversation_id: crypto.randomUUID() };
  await client.chat.completions.create({ model: 'plain', messages, metadata });
  expect(told()).toMatchObject({ metadata });
});

test('a conversation that its client rewinds or edits gets a new session, which is sent everything', async () => {
  const chat = async (messages: OpenAI.ChatCompletionMessageParam[], id?: string) => {
    const body = { model: 'keeper', messages, store: true };
    const headers = id === undefined ? {} : { 'x-conversation-id': id };
    const { response } = await client.chat.completions.create(body, { headers }).withResponse();
    const named = response.headers.get('x-conversation-id') ?? '';
    await saved(named);
    return named;
  };
  const one = [user('One?'), assistant('to One?')];
  const two = [...one, user('Two?'), assistant('to Two?')];
  const id = await chat([user('One?')]);
  await chat([...one, user('Two?')], id);
  expect([runner.session, told().messages]).toEqual([id, [user('Two?')]]);
  await chat([...two, { role: 'developer', content: 'Be brief.' }, user('Three?')], id);
  expect([runner.session, told().messages]).toEqual([id, [{ role: 'system', content: 'Be brief.' }, user('Three?')]]);
  // Rewound to the second turn.
  const edited = [...one, user('Or two?')];
  await chat(edited, id);
  const second = runner.session;
  expect([second, told().messages]).toEqual([`${id}-6`, [retold(...edited)]]);
  // The session stays the same from there on.
  const on = [...edited, assistant('to Or two?'), user('Four?')];
  await chat(on, id);
  expect([runner.session, told().messages]).toEqual([second, [user('Four?')]]);
  // A client that sends only its new message relies on the session of the runtime.
  await chat([user('Five?')], id);
  expect([runner.session, told().messages]).toEqual([second, [user('Five?')]]);
  // The client edited an answer.
  const wrong = [...on, assistant('Something else'), user('Five?'), assistant('to Five?'), user('Six?')];
  await chat(wrong, id);
  expect([runner.session, told().messages]).toEqual([`${id}-12`, [retold(...wrong)]]);
});

test('in a conversation that begins in the middle, the runtime gets the earlier messages', async () => {
  const messages = [user('One?'), assistant('One.'), user('Two?')];
  await client.chat.completions.create({ model: 'keeper', messages, store: true });
  expect(told().messages).toEqual([retold(...messages)]);
});

test('a thought in tags is an item of its own, and a client of the chat may send it back in tags or not', async () => {
  const sent = '<think>Let me see.</think>\n\nTwo.';
  runner.reply = () => completion(sent);
  const response = await respond({ model: 'keeper', input: 'How many?', store: true });
  expect(response.output_text).toBe('Two.');
  expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
  await saved(response.conversation?.id);
  expect((await client.responses.retrieve(response.id)).output).toEqual(response.output);
  const { id = '' } = response.conversation ?? {};
  const headers = { 'x-conversation-id': id };
  const messages = [user('How many?')];
  for (const [back, next] of [
    [sent, 'Sure?'],
    ['Two.', 'Really?'],
  ] as const) {
    messages.push(assistant(back) as never, user(next));
    await client.chat.completions.create({ model: 'keeper', messages, store: true }, { headers });
    expect(told().messages).toEqual([user(next)]);
    await saved(id);
  }
});

test('long responses that are read slowly, or not at all, have a bound for each user', async () => {
  const slow = scriptedRunner('responses-slow');
  await using bounded = await startRouter({
    backends: [memoryBackend('plain', {}, slow.program)],
    env: { MAX_HELD_BYTES_PER_USER: '20000000' },
  });
  const bob = await bounded.person(PEOPLE.bob);
  const key = await bob.createKey();
  const headers = { authorization: `Bearer ${key}` };
  slow.reply = () => completion('x'.repeat(15_000_000));
  const body = JSON.stringify({ model: 'plain', messages: [user('A lot')], store: true });
  const asked = await fetch(`${bounded.url}/v1/chat/completions`, { method: 'POST', headers, body });
  await asked.arrayBuffer();
  const [, answer] = await bounded.context.stores.conversations.page(asked.headers.get('x-conversation-id') ?? '', {
    limit: 2,
  });
  const path = `/v1/responses/resp_${answer?.id}`;
  const { held } = bounded.context;
  await until(() => held.total === 0, 'the answer is stored');
  const { hostname, port } = new URL(bounded.url);
  const socket = await Bun.connect({ hostname, port: Number(port), socket: { data: (one) => one.pause() } });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\n\r\n`);
  await until(() => held.total > 15_000_000, 'it is on its way');
  const refused = await fetch(bounded.url + path, { headers });
  expect([refused.status, await refused.json()]).toMatchObject([429, { error: { code: 'too_much_at_once' } }]);
  socket.terminate();
  await until(() => held.total === 0, 'its memory is given back');
  const read = await fetch(bounded.url + path, { headers });
  expect(
    ((await read.json()) as { output: { content: { text: string }[] }[] }).output[0]?.content[0]?.text.length,
  ).toBe(15_000_000);
  await until(() => held.total === 0, 'its memory is given back, too');
});
