/** Answers that are longer than one row has room for: whoever reads one reads all of it, in every state. */
import { afterAll, expect, test } from 'bun:test';
import { ROW_LENGTH_MAX } from '../../router/chat/store/texts';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('long-answers');
const router = await startRouter({
  backends: [memoryBackend('scribe', { paths: ['chat/completions'] }, runner.program)],
});
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const { conversations } = router.context.stores;

function ask(body: object): Promise<Response> {
  return fetch(`${router.url}/v1/responses`, {
    method: 'POST',
    headers: { cookie: alice.cookie, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'scribe', store: true, ...body }),
  });
}

/** The text that a stored response is read with, and its status. */
async function responseText(id: string) {
  const response = await fetch(`${router.url}/v1/responses/${id}`, { headers: { cookie: alice.cookie } });
  const { status, output } = (await response.json()) as { status: string; output: { content: { text: string }[] }[] };
  return { status, text: output[0]?.content[0]?.text ?? '' };
}

const wholeText = async (messageId: string) => (await alice.request(`/messages/${messageId}/text`)).text();
const newest = async (id: string) => (await conversations.page(id, { limit: 10 })).at(-1);
const EVENTS = { headers: { 'content-type': 'text/event-stream' } };
const piecesOf = (id: string) =>
  router.context.database.db.$client.query('SELECT content FROM message_pieces WHERE message_id = ?').all(id).length;

/** Characters of two halves each, with one that has one, so that a cut falls between halves at every length or next to it. */
const faces = (length: number, shift: number) =>
  `${'a'.repeat(shift)}${'😀'.repeat(Math.ceil(length / 2))}`.slice(0, -2);

test.each([0, 1])('a long answer is one text wherever it is cut into pieces (shift %i)', async (shift) => {
  const text = faces(700_000, shift);
  runner.reply = () => {
    const source = pipe();
    for (let at = 0; at < text.length; at += 9_999) source.write(chunk(text.slice(at, at + 9_999)));
    source.write(DONE);
    source.close();
    return source.response();
  };
  const response = await ask({ stream: true, input: 'Write' });
  await response.text();
  const conversationId = response.headers.get('x-conversation-id') ?? '';
  const answer = await until(async () => {
    const found = await newest(conversationId);
    return found?.status === 'done' && found;
  }, 'the answer ends');
  expect(answer.content === text).toBe(true);
  expect(piecesOf(answer.id)).toBeGreaterThan(1);
  expect((await wholeText(answer.id)) === text).toBe(true);
  expect((await responseText(`resp_${answer.id}`)).text === text).toBe(true);

  // The second one that goes on from it is a fork, which has a copy, and goes with its own conversation only.
  runner.reply = () => completion('More.');
  const forks = [];
  for (const input of ['More', 'Or less']) {
    const goneOn = await ask({ previous_response_id: `resp_${answer.id}`, input });
    expect(goneOn.status).toBe(200);
    forks.push(goneOn.headers.get('x-conversation-id') ?? '');
  }
  expect(forks[0]).toBe(conversationId);
  expect(forks[1]).not.toBe(conversationId);
  await conversations.delete(conversationId);
  expect(piecesOf(answer.id)).toBe(0);
  const [, copy] = await conversations.page(forks[1] ?? '', { limit: 10 });
  expect(copy?.content === text).toBe(true);
});

test('a long answer that came in one body is stored whole', async () => {
  const text = 'b'.repeat(2_000_000);
  runner.reply = () => completion(text);
  const response = await ask({ input: 'Write' });
  const { id } = (await response.json()) as { id: string };
  const stored = await responseText(id);
  expect(stored.status).toBe('completed');
  expect(stored.text === text).toBe(true);
});

test('law 17: what is saved of a long answer is read while it grows, and stays when a crash ends it', async () => {
  const text = faces(ROW_LENGTH_MAX * 6, 1);
  const source = pipe();
  runner.reply = () => source.response();
  const asked = ask({ stream: true, input: 'Write' });
  source.write(chunk(text));
  const response = await asked;
  const conversationId = response.headers.get('x-conversation-id') ?? '';
  const growing = await until(async () => {
    const found = await newest(conversationId);
    return found && found.content.length === text.length && found;
  }, 'all of it is saved');
  expect(growing.status).toBe('streaming');
  expect(growing.content === text).toBe(true);
  expect((await wholeText(growing.id)) === text).toBe(true);
  expect(await responseText(`resp_${growing.id}`)).toMatchObject({ status: 'in_progress' });
  expect((await responseText(`resp_${growing.id}`)).text === text).toBe(true);

  await conversations.endOrphans({ code: 'shutting_down', message: 'A crash.' }, Date.now());
  const ended = await newest(conversationId);
  expect([ended?.status, ended?.content === text]).toEqual(['failed', true]);
  await response.body?.cancel();
});

test('calls that are too long to be stored are left out, and their answer says so; the client has them', async () => {
  const call = { index: 0, id: 'c', function: { name: 'write', arguments: 'a'.repeat(5_000_000) } };
  const choices = [{ index: 0, delta: { content: 'Now.', tool_calls: [call] } }];
  runner.reply = () => new Response(`data: ${JSON.stringify({ choices })}\n\n${DONE}`, EVENTS);
  const asked = await ask({ stream: true, input: 'Write' });
  expect((await asked.text()).length).toBeGreaterThan(5_000_000);
  const id = asked.headers.get('x-conversation-id') ?? '';
  const answer = await until(async () => {
    const found = await newest(id);
    return found?.status !== 'streaming' && found;
  }, 'it is saved');
  expect([answer.status, answer.content, answer.calls]).toEqual(['failed', 'Now.', null]);
  expect(answer.failure?.hint).toContain('calls of tools');
});

test('a fork has what was said last, as far as it is quick to copy, and is refused where the last answer is not', async () => {
  const say = async (length: number, body: object) => {
    runner.reply = () => completion('b'.repeat(length));
    const response = await ask(body);
    return {
      status: response.status,
      text: await response.text(),
      at: response.headers.get('x-conversation-id') ?? '',
    };
  };
  const idOf = ({ text }: { text: string }) => (JSON.parse(text) as { id: string }).id;
  const first = await say(3_000_000, { input: 'One' });
  const second = await say(3_000_000, { input: 'Two', previous_response_id: idOf(first) });
  const third = await say(5_000_000, { input: 'Three', previous_response_id: idOf(second) });
  await say(1, { input: 'Four', previous_response_id: idOf(third) });
  const fork = await say(1, { input: 'Or three', previous_response_id: idOf(second) });
  const said = await conversations.page(fork.at, { limit: 10 });
  expect(said.map(({ content }) => content.length)).toEqual([3, 3_000_000, 8, 1]);
  const refused = await say(1, { input: 'Or four', previous_response_id: idOf(third) });
  expect([refused.status, refused.text]).toEqual([413, expect.stringContaining('can only be continued once')]);
});
