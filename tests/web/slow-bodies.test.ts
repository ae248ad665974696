/** Bodies that stop coming, or come slowly, and connections on which nothing comes. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, spyOn, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { type BrokerBench, startBroker } from '../support/broker';
import { ADMIN, PEOPLE, type Person, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, type Pipe, pipe } from '../support/scripted-runner';
import { holdTime, passTime, restoreTime } from '../support/time';

const MAX_HELD = 1_200_000;
let bench: BrokerBench;
let router: TestRouter;
let key: string;

beforeAll(async () => {
  bench = await startBroker('slow-bodies', {
    env: { MAX_BODY_BYTES: String(MAX_HELD), MAX_HELD_BYTES: String(MAX_HELD) },
    // The server's own rule, by which it ends a connection in the middle of a body.
    idleSeconds: 1,
  });
  router = bench.router;
  key = await bench.alice.createKey();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.runner.reply = () => completion('Hello.');
});
afterEach(restoreTime);

interface Kind {
  /** By default POST. */
  readonly method?: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Its answer where all of it has come. */
  readonly status: string;
}

/** A connection to the router, and what has come on it. */
class Line {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  text = '';
  sent = 0;
  readonly body: string;

  /** Sends the head of a request. */
  constructor(readonly kind: Kind) {
    const { host, hostname, port, pathname, search } = new URL(kind.url);
    this.body = kind.body;
    this.socket = connect(Number(port), hostname);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket
      .on('error', () => undefined)
      .on('data', (bytes) => {
        this.text += bytes;
      });
    const headers = { host, 'content-type': 'application/json', 'content-length': this.body.length, ...kind.headers };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`${kind.method ?? 'POST'} ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`);
  }

  /** Sends more of the body, up to this byte. */
  send(upTo = this.body.length): this {
    this.socket.write(this.body.slice(this.sent, upTo));
    this.sent = upTo;
    return this;
  }

  /** Its status. */
  async answer(): Promise<string> {
    await until(() => this.text.includes('\r\n\r\n'), 'it is answered');
    return this.text.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
  }
}

const chatOf = (content: string, more: object = {}) =>
  JSON.stringify({ model: 'agent', messages: [{ role: 'user', content }], ...more });

/** A request of each kind with a body of some length: to `/v1`, to the broker, and a form. */
function kinds(length: number): readonly Kind[] {
  const body = chatOf('a'.repeat(length));
  const chat = { url: `${router.url}/v1/chat/completions`, body, status: '200' };
  const authorization = `Bearer ${key}`;
  const ofRunner = bench.runner.specs.at(-1)?.env ?? {};
  return [
    { ...chat, headers: { authorization } },
    { ...chat, headers: { authorization, 'idempotency-key': `of ${length}` } },
    {
      ...{ url: `${ofRunner.LLM_BASE_URL}/chat/completions`, body, status: '200' },
      headers: { authorization: `Bearer ${ofRunner.LLM_API_KEY}` },
    },
    {
      url: `${router.url}/auth/login`,
      headers: {},
      body: JSON.stringify({ email: 'a'.repeat(length) }),
      status: '422',
    },
  ];
}

const ask = (content: string, headers: Record<string, string> = {}) =>
  fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: chatOf(content),
  });

const isHeld = (bytes: number) => until(() => router.context.held.total > bytes, `${bytes} bytes are held`);
const nothingIsHeld = () => until(() => router.context.held.total === 0, 'the memory is given back');
/** Resolves when the server has ended a connection by its own rule, so that it would have ended earlier ones, too. */
const idleTimePassed = () => new Line({ url: `${router.url}/auth/login`, headers: {}, body: '{}', status: '' }).closed;

test('a body that stops coming is refused after 30 seconds, and gives its memory back, however fast it has come', async () => {
  holdTime();
  const lines = kinds(300_000).map((kind) => new Line(kind).send(260_000));
  await isHeld(4 * 190_000);
  expect((await ask('a'.repeat(MAX_HELD - 4 * 190_000))).status).toBe(503);
  await idleTimePassed();
  passTime(29_000);
  await idleTimePassed();
  expect(lines.map(({ text }) => text)).toEqual(['', '', '', '']);
  passTime(2_000);
  for (const line of lines) {
    expect(await line.answer()).toBe('408');
    expect(line.text).toContain('The body of the request came too slowly.');
    line.socket.destroy();
  }
  await nothingIsHeld();
  expect((await ask('a'.repeat(MAX_HELD - 4 * 190_000))).status).toBe(200);
});

test('a body that drips is refused', async () => {
  holdTime();
  const lines = kinds(300_000).map((kind) => new Line(kind).send(100_000));
  await isHeld(4 * 34_000);
  while (lines.some(({ text }) => text === '')) {
    for (const line of lines) line.send(line.sent + 1);
    passTime(1_000);
    await new Promise(setImmediate);
  }
  for (const line of lines) {
    expect(await line.answer()).toBe('408');
    line.socket.destroy();
  }
  await nothingIsHeld();
});

test('a body that comes slower than the server itself would take it is answered', async () => {
  holdTime();
  const lines = kinds(300_000).map((kind) => new Line(kind).send(100_000));
  await isHeld(4 * 34_000);
  passTime(20_000);
  await idleTimePassed();
  for (const line of lines) line.send(280_000);
  await isHeld(4 * 200_000);
  passTime(20_000);
  await idleTimePassed();
  for (const line of lines) {
    expect([line.kind.url, await line.send().answer()]).toEqual([line.kind.url, line.kind.status]);
    line.socket.destroy();
  }
});

test('what a request only declares keeps nobody out', async () => {
  const lines = kinds(MAX_HELD - 100_000).map((kind) => new Line(kind).send(1));
  for (const { socket } of lines) await new Promise((resolve) => socket.once('connect', resolve));
  // By then the router has read what came before.
  for (let count = 0; count < 5; count += 1) await ask('Hello');
  expect((await ask('a'.repeat(MAX_HELD - 100_000))).status).toBe(200);
  for (const { socket } of lines) socket.destroy();
});

test('an answer that takes longer than a connection may be silent goes on', async () => {
  const held = Promise.withResolvers<Response>();
  let waiting = 0;
  bench.runner.reply = () => {
    waiting += 1;
    return held.promise.then((answer) => answer.clone());
  };
  const answers = [ask('Wait'), ask('Wait', { 'idempotency-key': 'patient' })];
  await until(() => waiting === 2, 'the runner was asked');
  await idleTimePassed();
  held.resolve(completion('At last.'));
  for (const answer of answers) expect(await (await answer).json()).toMatchObject({ choices: [{}] });
});

/** The time after an answer is as short as that before a request. */
function keepShortly(): Disposable {
  const { timeout } = router.listener;
  const spy = spyOn(router.listener, 'timeout');
  return spy.mockImplementation((request, seconds) => timeout.call(router.listener, request, Math.min(seconds, 1)));
}

test('a connection on which nothing comes after an answer is ended, and not while the answer comes', async () => {
  using _ = keepShortly();
  let stream: Pipe | undefined;
  bench.runner.reply = ({ text }) => {
    if (!text.includes('"stream":true')) return completion('Hello.');
    stream = pipe();
    return stream.response();
  };
  const [plain, once] = kinds(10);
  const send = (kind: Kind | undefined, body = chatOf('Hello')) => new Line({ ...(kind as Kind), body }).send();
  const lines = [send(plain), send(once), send(plain, '{}')];
  const slow = send(plain, chatOf('Hello', { stream: true }));
  for (const line of lines) await line.answer();
  lines.push(send(once));
  await until(() => stream, 'the stream is open');
  await Promise.all(lines.map(({ closed }) => closed));
  expect(lines.map(({ text }) => text.slice(9, 12))).toEqual(['200', '200', '400', '200']);
  expect(lines.at(-1)?.text).toContain('idempotent-replayed');
  await idleTimePassed();
  stream?.write(chunk('Still here') + DONE);
  stream?.close();
  await slow.closed;
  expect(slow.text).toContain('Still here');
  expect(slow.text).toEndWith('0\r\n\r\n');
});

test('nor is it kept for ever after a stream, a report or a start, and a stream goes on until it ends', async () => {
  using _ = keepShortly();
  const [alice, admin] = [await router.person(PEOPLE.alice), await router.person(ADMIN)];
  const begun = await alice.request('/api/conversations', { method: 'POST', body: { backend: 'agent' } });
  const { id } = ((await begun.json()) as { conversation: { id: string } }).conversation;
  const ask = (who: Person, path: string, method = 'GET') =>
    new Line({ method, url: `${router.url}${path}`, headers: { cookie: who.cookie }, body: '', status: '200' });
  const streams = [
    ask(alice, `/api/conversations/${id}/stream`),
    ask(alice, `/live?conversation=${id}`),
    ask(admin, '/admin/live?on=overview'),
  ];
  const answers = [
    ask(alice, '/api/runners/agent/start', 'POST'),
    ask(alice, '/api/runners/agent/progress'),
    ask(alice, '/api/me/usage'),
    ask(alice, '/api/me/usage?format=csv'),
    ask(admin, '/api/admin/usage'),
    ask(admin, '/api/admin/audit?format=csv'),
  ];
  for (const { kind, answer } of [...streams, ...answers].map((line) => ({ kind: line.kind, answer: line.answer() }))) {
    expect([kind.url, await answer]).toEqual([kind.url, kind.status]);
  }
  await Promise.all(answers.map(({ closed }) => closed));
  await idleTimePassed();
  expect(streams.map(({ text }) => text.endsWith('\r\n0\r\n\r\n'))).toEqual([false, false, false]);
  expect(streams.map(({ socket }) => socket.closed)).toEqual([false, false, false]);
  await alice.request(`/api/conversations/${id}`, { method: 'DELETE' });
  for (const who of [alice, admin]) await who.request('/auth/logout', { method: 'POST' });
  await Promise.all(streams.map(({ closed }) => closed));
  expect(streams.map(({ text }) => text.endsWith('\r\n0\r\n\r\n'))).toEqual([true, true, true]);
});
