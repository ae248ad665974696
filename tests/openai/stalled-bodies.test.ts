/** Bodies that stop coming, or come slowly: the memory that is held for one is given back, and what takes long behind one goes on. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';
import { passTime, restoreTime } from '../support/time';

const MAX_HELD = 1_000_000;
const runner = scriptedRunner('stalled-bodies');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('slow', {}, runner.program)],
    env: { MAX_BODY_BYTES: String(MAX_HELD), MAX_HELD_BYTES: String(MAX_HELD) },
    idleSeconds: 1,
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(restoreTime);

/** Sends the head of a request that declares a body, and how it begins. */
function stall(headers: string, path = '/v1/chat/completions'): Socket {
  const socket = connect(Number(new URL(router.url).port), '127.0.0.1');
  socket.on('error', () => undefined).resume();
  const lines = [`POST ${path} HTTP/1.1`, 'Host: 127.0.0.1', `Authorization: Bearer ${key}`, headers];
  socket.write(`${lines.join('\r\n')}\r\nContent-Length: ${MAX_HELD - 1}\r\n\r\n{`);
  return socket;
}

const ask = (content: string, headers: Record<string, string> = {}) =>
  fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'slow', messages: [{ role: 'user', content }] }),
  });

test.each([
  ['a request', 'X-Plain: true'],
  ['a request with an Idempotency-Key', 'Idempotency-Key: stalled'],
])(
  'the body of %s that stops coming gives its memory back, and an answer that takes longer goes on',
  async (_, header) => {
    const held = Promise.withResolvers<Response>();
    let waiting = 0;
    runner.reply = ({ text }) => {
      if (!text.includes('Wait')) return completion('Hello.');
      waiting += 1;
      return held.promise.then((answer) => answer.clone());
    };
    // Longer without a sign of life than the other.
    const patient = ask('Wait', { 'idempotency-key': `patient ${header}` });
    const plain = ask('Wait');
    await until(() => waiting === 2, 'the runner was asked');
    const socket = stall(header);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const long = 'a'.repeat(100_000);
    await until(() => router.context.held.total > 0, 'its memory is held');
    expect((await ask(long)).status).toBe(503);
    await closed;
    await until(() => router.context.held.total === 0, 'the memory is given back');
    expect((await ask(long)).status).toBe(200);
    held.resolve(completion('At last.'));
    for (const answer of [patient, plain]) expect(await (await answer).json()).toMatchObject({ choices: [{}] });
  },
);

test.each([
  ['one that drips is refused, and gives its memory back', { seconds: 60, more: 1, status: 408 }],
  ['one that comes fast enough is answered', { seconds: 31, more: 900_000, status: 422 }],
])('of forms that take longer than 30 seconds, %s', async (_, { seconds, more, status }) => {
  const socket = connect(Number(new URL(router.url).port), '127.0.0.1');
  let answer = '';
  socket
    .on('error', () => undefined)
    .on('data', (bytes) => {
      answer += bytes;
    });
  const form = JSON.stringify({ email: 'alice@example.org', password: 'a'.repeat(900_000) });
  const head = ['POST /auth/login HTTP/1.1', 'Host: 127.0.0.1', 'Content-Type: application/json'];
  socket.write(`${[...head, `Content-Length: ${form.length}`].join('\r\n')}\r\n\r\n${form.slice(0, 200_000)}`);
  await until(() => router.context.held.total > 100_000, 'its memory is held');
  passTime(seconds * 1000);
  socket.write(form.slice(200_000, 200_000 + more));
  await until(() => answer !== '', 'it is answered');
  expect(answer).toStartWith(`HTTP/1.1 ${status} `);
  await until(() => router.context.held.total === 0, 'the memory is given back');
  socket.destroy();
});

test('what a form of an unknown sender only declares keeps nobody out', async () => {
  const socket = stall('Content-Type: application/json', '/auth/login');
  await new Promise((resolve) => socket.once('connect', resolve));
  // By then the router has read what came before.
  for (let count = 0; count < 5; count += 1) await ask('Hello');
  expect((await ask('a'.repeat(900_000))).status).toBe(200);
  socket.destroy();
});
