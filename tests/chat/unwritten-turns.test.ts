/** What a client finds that has the head of a stream, or its end, before the router has stored that. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { callBack } from '../support/callbacks';
import { PEOPLE, type Person, plainAndKeeper, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, Reading, scriptedRunner, user } from '../support/scripted-runner';
import { holdTime, restoreTime } from '../support/time';

const runner = scriptedRunner('unwritten-turns');
let router: TestRouter;
let alice: Person;
let key = '';
/** No two moments are the same, so that lists have one order. */
let nowMs = 0;

beforeAll(async () => {
  router = await startRouter({
    backends: plainAndKeeper(runner.program),
    now() {
      nowMs = Math.max(nowMs + 1, Date.now());
      return nowMs;
    },
    steady: () => performance.now(),
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(restoreTime);

const agent = (content: string) => ({ role: 'assistant', content });

function send(path: string, body: object, id?: string): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, ...(id !== undefined && { 'x-conversation-id': id }) };
  return fetch(`${router.url}/v1/${path}`, { method: 'POST', headers, body: JSON.stringify({ store: true, ...body }) });
}
const ask = (model: string, messages: readonly object[], { id, stream = false }: { id?: string; stream?: boolean }) =>
  send('chat/completions', { model, messages, stream }, id);

async function begin(question: string, model = 'plain'): Promise<string> {
  runner.reply = () => completion('Begun.');
  const response = await ask(model, [user(question)], {});
  await response.text();
  return response.headers.get('x-conversation-id') ?? '';
}

/** A stream in a conversation of which its client has the head. */
async function stream(id: string, question: string) {
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('So'));
  const response = await ask('plain', [user(question)], { id, stream: true });
  return async () => {
    answering.write(DONE);
    answering.close();
    await response.text();
  };
}

/** When the router works on a request and has looked for its place. */
const isAsked = () => until(() => router.context.streams.working > 0, 'it is asked');

/** While no answer is saved, as when another program has the lock of the database for a moment. */
async function whileUnsaved<T>(work: () => Promise<T>): Promise<T> {
  const { conversations } = router.context.stores;
  const { insertTurn, endAnswer } = conversations;
  const over = Promise.withResolvers<void>();
  conversations.insertTurn = (...turn) => over.promise.then(() => insertTurn(...turn));
  conversations.endAnswer = (...end) => over.promise.then(() => endAnswer(...end));
  try {
    return await work();
  } finally {
    Object.assign(conversations, { insertTurn, endAnswer });
    over.resolve();
  }
}

const firstOf: Readonly<Record<string, (response: Response) => Promise<string | undefined>>> = {
  '/': async ({ headers }) => headers.get('location')?.split('/').at(-1),
  '/conversations': async (page) => /href="\/conversations\/([0-9a-f]{24})"/.exec(await page.text())?.[1],
  '/api/conversations': async (list) =>
    ((await list.json()) as { conversations: { id: string }[] }).conversations[0]?.id,
};

for (const [path, first] of Object.entries(firstOf)) {
  test(`${path} has the conversation first whose stream has begun`, async () => {
    const id = await begin('Older');
    await begin('Newer');
    const end = await stream(id, 'Newest');
    expect(await first(await alice.request(path))).toBe(id);
    await end();
  });
}

test('law 17: a stream that nobody watches is stored while it goes on, also by a clock that stands still', async () => {
  for (const id of [await begin('One'), await begin('Other')]) {
    holdTime();
    const end = await stream(id, 'More');
    const { page } = router.context.stores.conversations;
    await until(async () => (await page(id, { limit: 9 })).length === 4, 'its turn is stored');
    await end();
  }
});

test('a search finds what was asked in a stream that has begun', async () => {
  const id = await begin('Of animals');
  const end = await stream(id, 'What is a wombat?');
  const page = await (await alice.request('/search?q=wombat')).text();
  expect(page).toContain('What is a <mark>wombat</mark>');
  await end();
});

test('what an agent says unasked goes to the conversation whose stream has begun last', async () => {
  const [older, newer] = [await begin('One'), await begin('Two')];
  const spec = runner.specs.at(-1);
  if (!spec) throw new Error('premise: the runner was started');
  const ends = [await stream(newer, 'First'), await stream(older, 'Second')];
  expect((await callBack(spec, { content: 'I look.' })).body).toMatchObject({ conversation_id: older });
  for (const end of ends) await end();
});

test('who has read the end of a stream goes on in its runtime session, although that end is not saved yet', async () => {
  const id = await begin('Q1', 'keeper');
  const session = runner.session;
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('A2'));
  const history = [user('Q1'), agent('Begun.'), user('Q2')];
  const reading = new Reading(await ask('keeper', history, { id, stream: true }));
  await reading.until('A2');
  const next = await whileUnsaved(async () => {
    answering.write(DONE);
    answering.close();
    await reading.until('[DONE]');
    runner.reply = () => completion('A3');
    const response = ask('keeper', [...history, agent('A2'), user('Q3')], { id });
    await isAsked();
    return { response };
  });
  await (await next.response).text();
  expect(runner.session).toBe(session as string);
  expect(JSON.parse(runner.requests.at(-1)?.text ?? '')).toMatchObject({ messages: [user('Q3')] });
});

test('who has read the end of a streamed response goes on from it, although that end is not saved yet', async () => {
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('A1'));
  const reading = new Reading(await send('responses', { model: 'plain', input: 'Q1', stream: true }));
  await reading.until('A1');
  const next = await whileUnsaved(async () => {
    answering.write(DONE);
    answering.close();
    await reading.until('response.completed');
    runner.reply = () => completion('A2');
    const previous = /resp_[0-9a-f]{24}/.exec(reading.text)?.[0];
    const response = send('responses', { model: 'plain', input: 'Q2', previous_response_id: previous });
    await isAsked();
    return { response };
  });
  expect((await next.response).status).toBe(200);
});
