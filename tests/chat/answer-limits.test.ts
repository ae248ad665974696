/**
 * The maximum length of an answer that is recorded, translated or kept. A longer answer ends with a reason; an answer
 * that is only relayed goes on.
 */
import { afterAll, expect, test } from 'bun:test';
import { beginConversation } from '../support/chat';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import {
  chunk,
  completion,
  DONE,
  eventsOf,
  type Pipe,
  pipe,
  Reading,
  scriptedRunner,
} from '../support/scripted-runner';

const MAX = 40_000;
const PIECE = 'abcdefghi '.repeat(100);

const runner = scriptedRunner('answer-limits');
const router = await startRouter({
  backends: [memoryBackend('scribe', { paths: ['chat/completions'] }, runner.program)],
  env: { MAX_ANSWER_BYTES: String(MAX), MAX_REQUESTS_PER_USER: '6' },
});
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const messages = [{ role: 'user', content: 'Write' }];

/** Starts an answer in the UI; returns its conversation. */
const converse = (who: Person) => beginConversation(router, who, 'scribe', 'Write');

const answerIn = async (id: string) => (await router.context.stores.conversations.page(id, { limit: 10 })).at(-1);
const ended = (id: string) =>
  until(async () => {
    const answer = await answerIn(id);
    return answer?.status !== 'streaming' && answer;
  }, 'the answer ends');

/** Sends a chat as a program does. */
function ask(more: object = {}, headers: Record<string, string> = {}, path = 'chat/completions', signal?: AbortSignal) {
  return fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { cookie: alice.cookie, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'scribe', ...(path === 'responses' ? { input: 'Write' } : { messages }), ...more }),
    ...(signal && { signal }),
  });
}

const call = (index: number, args: string) =>
  `data: ${JSON.stringify({
    choices: [
      { index: 0, delta: { tool_calls: [{ index, id: `c${index}`, function: { name: 'f', arguments: args } }] } },
    ],
  })}\n\n`;
const whole = (content: string) => completion(content).text();

/** Endless answers, and functions that write their next piece. */
const ENDLESS: readonly (readonly [what: string, bit: (n: number) => string])[] = [
  ['deltas', () => chunk(PIECE)],
  ['arguments of a call', () => call(0, PIECE)],
  ['calls', (n) => call(n, '')],
  ['bytes of one line', () => PIECE],
  ['lines of one event', () => `data: ${PIECE}\n`],
];

test.each(ENDLESS)('an answer of endless %s ends as failed with a reason, and the runner is let go', async (_, bit) => {
  const source = pipe();
  runner.reply = () => source.response();
  const before = runner.requests.length;
  const id = await converse(alice);
  const asked = await runner.request(before + 1);
  source.write('data: ');
  let n = 0;
  await until(() => {
    for (let count = 0; count < 20 && !asked.aborted; count += 1) source.write(bit(n++));
    return asked.aborted;
  }, 'the runner is let go');
  const answer = await ended(id);
  expect(answer).toMatchObject({ status: 'failed', failure: { code: 'answer_too_large' } });
  expect(answer.failure?.hint).toContain('MAX_ANSWER_BYTES');
  expect(answer.content.length).toBeLessThanOrEqual(MAX);
  expect(JSON.stringify(answer.calls ?? []).length).toBeLessThan(MAX * 2);
  await until(() => router.context.held.total === 0, 'nothing is held');
});

test('the text so far is kept, and an answer of exactly the maximum length is complete', async () => {
  for (const [pieces, status] of [
    [39, 'done'],
    [60, 'failed'],
  ] as const) {
    runner.reply = () => {
      const source = pipe();
      for (let count = 0; count < pieces; count += 1) source.write(chunk(PIECE));
      source.write(DONE);
      source.close();
      return source.response();
    };
    const answer = await ended(await converse(alice));
    expect([pieces, answer.status, answer.content.length]).toEqual([pieces, status, Math.min(pieces, 40) * 1_000]);
  }
});

/** Writes `count` pieces and the end, as fast as the client reads. */
function write(source: Pipe, count: number): void {
  for (let n = 0; n < count; n += 1) source.write(chunk(PIECE));
  source.write(DONE);
  source.close();
}

test('an answer that is only relayed has no limit, streamed or not', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  const streamed = ask({ stream: true });
  write(source, 500);
  const text = await (await streamed).text();
  expect(text).toBe(chunk(PIECE).repeat(500) + DONE);
  const long = await whole(PIECE.repeat(500));
  runner.reply = () => new Response(long, { headers: { 'content-type': 'application/json' } });
  expect(await (await ask()).text()).toBe(long);
});

test('the client of an answer that is recorded reads all of it, and its message says why it has less', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  const asked = ask({ stream: true, store: true });
  write(source, 500);
  const response = await asked;
  expect(await response.text()).toBe(chunk(PIECE).repeat(500) + DONE);
  const answer = await ended(response.headers.get('x-conversation-id') ?? '');
  expect(answer).toMatchObject({ status: 'failed', failure: { code: 'answer_too_large' } });
  const long = await whole(PIECE.repeat(500));
  runner.reply = () => new Response(long, { headers: { 'content-type': 'application/json' } });
  const unstreamed = await ask({ store: true });
  expect(await unstreamed.text()).toBe(long);
  expect(await ended(unstreamed.headers.get('x-conversation-id') ?? '')).toMatchObject({
    status: 'failed',
    failure: { code: 'answer_too_large' },
  });
});

test.each(['before', 'after'])('a detached answer whose client left %s the limit ends there', async (when) => {
  const source = pipe();
  runner.reply = () => source.response();
  const client = new AbortController();
  const before = runner.requests.length;
  const response = await Promise.all([
    ask({ stream: true }, { 'x-agent-stack-detach': 'true' }, 'chat/completions', client.signal),
    (async () => {
      await runner.request(before + 1);
      source.write(chunk(PIECE));
    })(),
  ]).then(([one]) => one);
  const reading = new Reading(response);
  await reading.until('abc');
  const id = response.headers.get('x-conversation-id') ?? '';
  if (when === 'after') {
    for (let count = 0; count < 60; count += 1) source.write(chunk(PIECE));
    await ended(id);
    expect(runner.requests.at(-1)?.aborted).toBe(false);
  }
  client.abort();
  await until(() => {
    if (runner.requests.at(-1)?.aborted) return true;
    source.write(chunk(PIECE));
    return false;
  }, 'the runner is let go');
  expect(await ended(id)).toMatchObject({ status: 'failed', failure: { code: 'answer_too_large' } });
});

test('an answer that is translated fails as one of its API does, streamed or not', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  const asked = ask({ stream: true }, {}, 'responses');
  write(source, 500);
  const events = eventsOf(await (await asked).text()).map((data) => JSON.parse(data));
  expect(events.find(({ type }) => type === 'response.failed')?.response.status).toBe('failed');
  expect(events.at(-1)).toMatchObject({ type: 'error', code: 'answer_too_large' });
  const long = await whole(PIECE.repeat(500));
  runner.reply = () => new Response(long, { headers: { 'content-type': 'application/json' } });
  const response = await ask({}, {}, 'responses');
  expect([response.status, response.headers.get('x-should-retry'), await response.json()]).toMatchObject([
    ...[502, 'false', { error: { code: 'answer_too_large' } }],
  ]);
  runner.reply = () => completion('Short.');
  expect((await ask({}, {}, 'responses')).status).toBe(200);
});

test('an answer that is too long for its Idempotency-Key is passed on, and made again for the next request', async () => {
  const long = await whole(PIECE.repeat(500));
  runner.reply = () => new Response(long, { headers: { 'content-type': 'application/json' } });
  const before = runner.requests.length;
  for (const count of [1, 2]) {
    const response = await ask({}, { 'idempotency-key': 'long' });
    expect([response.headers.get('idempotent-replayed'), await response.text()]).toEqual([null, long]);
    expect(runner.requests.length - before).toBe(count);
  }
});

test('a user has so many requests, pages and answers under way and no more, and others have theirs', async () => {
  const bob = await router.person(PEOPLE.bob);
  runner.reply = () => {
    const source = pipe();
    source.write(chunk('x'));
    return source.response();
  };
  const streams = () => ask({ stream: true });
  const live = () => fetch(`${router.url}/live`, { headers: { cookie: alice.cookie } });
  const open = [await streams(), await streams(), await streams(), await streams(), await live()];
  const id = await converse(alice);
  open.push(await streams());
  const refusedStream = await streams();
  expect(refusedStream.status).toBe(429);
  expect(refusedStream.headers.get('retry-after')).toBe('1');
  const message = await alice.request(`/conversations/${id}/messages`, {
    method: 'POST',
    body: new URLSearchParams({ text: 'More' }),
  });
  expect(message.status).toBe(429);
  const others = await ask({ stream: true }, { cookie: bob.cookie });
  expect(others.status).toBe(200);
  await Promise.all([...open, others].map((response) => response.body?.cancel()));
  await alice.request(`/messages/${(await answerIn(id))?.id}/stop`, { method: 'POST' });
  await ended(id);
  await until(() => router.context.streams.size === 0, 'all have ended');
  const again = await streams();
  expect(again.status).toBe(200);
  await again.body?.cancel();
});
