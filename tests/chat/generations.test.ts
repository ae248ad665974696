import { afterAll, expect, test } from 'bun:test';
import { beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { scripted } from '../support/scripted';

const runner = scripted('generations');
const options = { backends: [memoryBackend('scribe', {}, runner.program)] };
const router = await startRouter(options);
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const converse = (who: Person, text: string, where: TestRouter = router) =>
  beginConversation(where, who, 'scribe', text);

const stored = (id: string, where: TestRouter = router) => where.context.stores.conversations.page(id, { limit: 100 });
const answerOf = async (id: string, where: TestRouter = router) => (await stored(id, where)).at(-1);
const ended = (id: string) =>
  until(async () => {
    const answer = await answerOf(id);
    return answer?.status !== 'streaming' && answer;
  }, 'the answer ends');

test('law 17: the user’s message and an empty answer are stored before the runner is asked', async () => {
  const id = await converse(alice, 'hello');
  const answer = await runner.next();
  expect((await stored(id)).map(({ role, content, status }) => ({ role, content, status }))).toEqual([
    { role: 'user', content: 'hello', status: 'done' },
    { role: 'assistant', content: '', status: 'streaming' },
  ]);
  answer.finish();
  await ended(id);
});

test('law 17: an answer is in the database although nobody watches it', async () => {
  const id = await converse(alice, 'write');
  const answer = await runner.next();
  answer.say('Grüße, ');
  answer.say('世界 🌍');
  answer.finish();
  expect(await ended(id)).toMatchObject({ content: 'Grüße, 世界 🌍', status: 'done', failure: null });
});

test('law 17: text is saved while the answer still grows', async () => {
  const id = await converse(alice, 'grow');
  const answer = await runner.next();
  answer.say('so far');
  await until(async () => (await answerOf(id))?.content === 'so far', 'the text so far is saved');
  expect((await answerOf(id))?.status).toBe('streaming');
  answer.finish();
  await ended(id);
});

test('law 17: a message that was split in the middle of a character is stored whole', async () => {
  const id = await converse(alice, 'split');
  const answer = await runner.next();
  answer.raw('data: {"choices":[{"delta":{"content":"caf');
  answer.raw('é"}}]}\r\n\r\n');
  answer.finish();
  expect((await ended(id)).content).toBe('café');
});

test('law 18: messages of a conversation have one order, and paging neither skips nor repeats', async () => {
  const id = await converse(alice, 'message 1');
  (await runner.next()).finish();
  await ended(id);
  for (let n = 2; n <= 8; n += 1) {
    expect((await alice.request(`/conversations/${id}/messages`, form({ text: `message ${n}` }))).status).toBe(303);
    (await runner.next()).finish();
    await ended(id);
  }
  const all = await stored(id);
  expect(all.map(({ position }) => position)).toEqual(Array.from({ length: 16 }, (_, n) => n + 1));
  const paged = [];
  for (let before: number | undefined; ; before = paged[0]?.position) {
    const page = await router.context.conversations.page(id, { limit: 3, ...(before !== undefined && { before }) });
    if (page.length === 0) break;
    paged.unshift(...page);
  }
  expect(paged.map((message) => message.id)).toEqual(all.map((message) => message.id));
});

test('law 19: a stopped answer stays stopped, whatever the runner still sends', async () => {
  const id = await converse(alice, 'stop me');
  const answer = await runner.next();
  answer.say('kept');
  await until(async () => (await answerOf(id))?.content === 'kept', 'the text arrives');
  const message = await answerOf(id);
  expect((await alice.request(`/messages/${message?.id}/stop`, { method: 'POST' })).status).toBe(303);
  await answer.closed;
  expect(await answerOf(id)).toMatchObject({ status: 'stopped', content: 'kept' });
  await alice.request(`/messages/${message?.id}/stop`, { method: 'POST' });
  expect((await answerOf(id))?.status).toBe('stopped');
});

test('law 19: an error event in a stream that closes properly is a failed answer with its text and reason', async () => {
  const id = await converse(alice, 'fail');
  const answer = await runner.next();
  answer.say('half');
  answer.raw('data: {"error":{"message":"The model is on fire","type":"server_error"}}\n\n');
  answer.finish();
  expect(await ended(id)).toMatchObject({
    status: 'failed',
    content: 'half',
    failure: { message: 'The model is on fire' },
  });
});

test('law 19: a runner that is cut off leaves a failed answer with what had arrived', async () => {
  const id = await converse(alice, 'cut');
  const answer = await runner.next();
  answer.say('before the cut');
  await until(async () => (await answerOf(id))?.content === 'before the cut', 'the text arrives');
  answer.cut();
  expect(await ended(id)).toMatchObject({
    status: 'failed',
    content: 'before the cut',
    failure: { code: 'runner_lost' },
  });
});

test('only one answer is written in a conversation at a time, and the refused text is not lost', async () => {
  const id = await converse(alice, 'first');
  const answer = await runner.next();
  const refused = await alice.request(`/conversations/${id}/messages`, form({ text: 'second & more' }));
  expect(refused.status).toBe(409);
  expect(await refused.text()).toContain('second &amp; more');
  expect((await stored(id)).length).toBe(2);
  answer.finish();
  await ended(id);
});

test('a failed answer is tried again in its place', async () => {
  const id = await converse(alice, 'again');
  const answer = await runner.next();
  answer.cut();
  const failed = await ended(id);
  expect((await alice.request(`/messages/${failed.id}/retry`, { method: 'POST' })).status).toBe(303);
  const second = await runner.next();
  expect(second.body.messages.map(({ content }) => content)).toEqual(['again']);
  second.say('better');
  second.finish();
  await ended(id);
  expect((await stored(id)).map(({ content }) => content)).toEqual(['again', 'better']);
});

test('mallory can neither read, write to, stop, rename nor delete alice’s conversation', async () => {
  const mallory = await router.person(PEOPLE.mallory);
  const id = await converse(alice, 'private');
  const answer = await runner.next();
  const message = await answerOf(id);
  const refusals = [
    mallory.request(`/conversations/${id}`),
    mallory.request(`/live?conversation=${id}`),
    mallory.request(`/conversations/${id}/messages`, form({ text: 'hi' })),
    mallory.request(`/conversations/${id}/title`, form({ title: 'mine' })),
    mallory.request(`/conversations/${id}/delete`, { method: 'POST' }),
    mallory.request(`/messages/${message?.id}/stop`, { method: 'POST' }),
    mallory.request(`/messages/${message?.id}/retry`, { method: 'POST' }),
  ];
  expect((await Promise.all(refusals)).map(({ status }) => status)).toEqual(refusals.map(() => 404));
  expect((await answerOf(id))?.status).toBe('streaming');
  answer.finish();
  await ended(id);
});

test('law 19: when the router is stopped an answer that was being written is closed as interrupted, with its text', async () => {
  const first = await startRouter(options);
  const bob = await first.person(PEOPLE.bob);
  const id = await converse(bob, 'long', first);
  const answer = await runner.next();
  answer.say('written so far');
  await until(async () => (await answerOf(id, first))?.content === 'written so far', 'the text is saved');
  await first.stop();
  await using second = await startRouter({ ...options, dataRoot: first.dataRoot });
  expect(await answerOf(id, second)).toMatchObject({
    status: 'failed',
    content: 'written so far',
    failure: { code: 'shutting_down' },
  });
});
