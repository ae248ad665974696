/** Law 10, and the endings of a relayed answer that the client does not cause. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { type AddressInfo, createServer } from 'node:net';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { leasesOf } from '../support/runners';
import { chunk, completion, DONE, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('relay-endings');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  runner.reply = () => completion('Hello.');
  await (await ask({ stream: false })).text();
});

function ask(more: object, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'Hi' }], stream: true, ...more }),
    ...(signal && { signal }),
  });
}

const released = () => until(() => leasesOf(router) === 0, 'the lease is released');
const runnerId = () => [...router.platform.runners.keys()][0] ?? '';
const errorOf = (event: string | undefined) => (JSON.parse(event ?? '{}') as { error: Record<string, unknown> }).error;

test('an answer that is whole ends as it came, and the lease is released', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const received = new Reading(await ask({}));
  await received.until('One.');
  expect(leasesOf(router)).toBe(1);
  source.write(DONE);
  source.close();
  expect(await received.end()).toBe(chunk('One.') + DONE);
  await released();
});

test('law 10: a runner that dies in the middle leaves an error event and [DONE], and no lease', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const received = new Reading(await ask({}));
  await received.until('One.');
  router.platform.say(runnerId(), 'what it said last');
  router.platform.crash(runnerId(), { exitCode: 3 });
  const [first, error, done, ...more] = eventsOf(await received.end());
  expect(`data: ${first}\n\n`).toBe(chunk('One.'));
  expect(errorOf(error)).toEqual({
    message: expect.stringMatching(/^The agent stopped: it ended with exit code 3\. Send .*\nwhat it said last$/s),
    type: 'server_error',
    param: null,
    code: 'runner_lost',
  });
  expect([done, more]).toEqual(['[DONE]', []]);
  expect(received.error).toBeUndefined();
  await released();
});

test('law 10: a stream that closes without [DONE] was cut off, whatever its text contains', async () => {
  for (const text of ['One.', 'data: [DONE]']) {
    runner.reply = () => new Response(chunk(text), { headers: { 'content-type': 'text/event-stream' } });
    const events = eventsOf(await (await ask({})).text());
    expect(events).toHaveLength(3);
    expect(errorOf(events[1]).code).toBe('runner_lost');
    expect(events[2]).toBe('[DONE]');
  }
  await released();
});

test('a comment after [DONE] does not make a whole stream a cut one', async () => {
  const text = `${chunk('One.')}${DONE}: bye\n\n`;
  runner.reply = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  expect(await (await ask({})).text()).toBe(text);
});

test('an error event by the runner goes through as it is', async () => {
  const text = `${chunk('One.')}data: {"error":{"message":"Out of tokens.","type":"x","param":null,"code":"y"}}\n\n${DONE}`;
  runner.reply = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  expect(await (await ask({})).text()).toBe(text);
  await released();
});

test('an error before the stream goes through with its status, body and retry-after', async () => {
  const body = '{"error":{"message":"Slow down.","type":"rate_limit","param":null,"code":"rate"}}';
  const headers = { 'content-type': 'application/json', 'retry-after': '7' };
  runner.reply = () => new Response(body, { status: 429, headers });
  for (const stream of [true, false]) {
    const response = await ask({ stream });
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([429, '7', body]);
  }
  await released();
});

test('law 10: a body that is not events breaks, so that nobody takes it for whole', async () => {
  const source = pipe();
  runner.reply = () => source.response({ headers: { 'content-type': 'application/json' } });
  source.write('{"choices":');
  const received = new Reading(await ask({ stream: false }));
  await received.until('{"choices":');
  source.cut();
  await received.end();
  expect(received.error).toBeDefined();
  await released();
});

test('a runner that is gone without a word is replaced, and the request is served', async () => {
  const before = runner.specs.length;
  const requests = runner.requests.length;
  // The platform knows of the end, and the router does not yet.
  const [entry] = router.platform.runners.values();
  await entry?.close();
  if (entry) entry.health = { state: 'exited', exitCode: 9 };
  const response = await ask({ stream: false });
  expect(response.status).toBe(200);
  expect(runner.specs).toHaveLength(before + 1);
  expect(runner.requests).toHaveLength(requests + 1);
});

test('a runner that runs and does not listen is ended, and the message goes to a new one', async () => {
  const before = runnerId();
  await router.platform.runners.get(before)?.close();
  expect((await ask({ stream: false })).status).toBe(200);
  await released();
  expect(runnerId()).not.toBe(before);
  expect(router.platform.runners.size).toBe(1);
});

test('law 10: a request that a runner may have acted upon is not sent to a second one', async () => {
  const starts = runner.specs.length;
  const requests = runner.requests.length;
  runner.reply = () => {
    router.platform.crash(runnerId());
    return new Promise(() => {});
  };
  const response = await ask({ stream: false });
  expect(response.status).toBe(502);
  expect(errorOf(await response.text())).toMatchObject({ code: 'runner_lost', type: 'server_error' });
  expect(response.headers.get('x-request-id')).toMatch(/^req-/);
  expect(runner.requests).toHaveLength(requests + 1);
  expect(runner.specs).toHaveLength(starts);
  await released();
});

test('a runner that cannot be started is an error with its status, and the lease is released', async () => {
  await router.context.runners.stop(router.context.runners.running()[0]?.agent.id ?? '', 'test');
  const restore = router.platform.fail('start', 'no_capacity', 'no room');
  const response = await ask({});
  expect(response.status).toBe(502);
  expect(errorOf(await response.text())).toMatchObject({ code: 'runner_failed' });
  const again = await ask({ stream: false });
  expect([again.status, Number(again.headers.get('retry-after'))]).toEqual([502, 1]);
  restore();
  const agent = router.context.runners.status((await router.context.stores.agents.list(alice.id))[0]?.id ?? '');
  expect([agent.state, agent.leases]).toEqual(['failed', 0]);
  await until(async () => (await ask({ stream: false })).ok, 'the back-off is over');
});

/** A server in place of the runner that sends these bytes, and closes the connection unless told otherwise. */
async function inPlaceOfRunner(bytes: string, stays = false) {
  const [running] = router.context.runners.running();
  if (!running) throw new Error('premise: there is a runner');
  const hungUp = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('close', () => hungUp.resolve());
    // The other side may close in the middle of a write. `close` follows and is handled.
    socket.on('error', () => undefined);
    socket.once('data', () => (stays ? socket.write(bytes) : socket.end(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { url } = running.runner;
  Object.assign(running.runner, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  return {
    hungUp: hungUp.promise,
    [Symbol.dispose]() {
      Object.assign(running.runner, { url });
      server.close();
    },
  };
}

test('a status that HTTP does not know is a broken runner, and no lease is left', async () => {
  using _odd = await inPlaceOfRunner('HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok');
  const response = await ask({ stream: false });
  expect([response.status, errorOf(await response.text()).code]).toEqual([502, 'runner_lost']);
  await released();
});

const PART = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"choices":';

test('law 10: a short answer of known length that is cut is an error with a status', async () => {
  using _cut = await inPlaceOfRunner(PART);
  const response = await ask({ stream: false });
  expect([response.status, errorOf(await response.text()).code]).toEqual([502, 'runner_lost']);
  await released();
});

test('law 9: the client of a short answer that hangs leaves, and the runner’s request is closed', async () => {
  using silent = await inPlaceOfRunner(PART, true);
  const client = new AbortController();
  const response = ask({ stream: false }, {}, client.signal);
  await until(() => leasesOf(router) === 1, 'the request has begun');
  client.abort();
  await response.catch(() => undefined);
  await silent.hungUp;
  await released();
});

test('a refusal in a conversation is recorded as the reason why there is no answer', async () => {
  const refusal = { error: { message: 'The context is too long.', type: 'x', param: null, code: null } };
  runner.reply = () => Response.json(refusal, { status: 400 });
  const response = await ask({}, { 'x-agent-stack-detach': 'true' });
  expect([response.status, await response.json()]).toEqual([400, refusal]);
  const id = response.headers.get('x-conversation-id') ?? '';
  const saved = async () => (await router.context.conversations.page(id, { limit: 9 })).at(-1);
  await until(async () => (await saved())?.status !== 'streaming', 'the answer has ended');
  expect(await saved()).toMatchObject({
    status: 'failed',
    content: '',
    failure: { message: 'The context is too long.' },
  });
});
