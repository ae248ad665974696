/** Law 20 on `/v1`: revoking a credential ends the requests that it opened, in every phase. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { leasesOf } from '../support/runners';
import { chunk, completion, DONE, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const LIMIT_MS = 2_000;

const runner = scriptedRunner('openai-revoked');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  key = await alice.createKey();
  runner.reply = () => completion('Hello.');
  expect((await ask({ stream: false })).status).toBe(200);
});

function ask(
  more: object,
  headers: Record<string, string> = { authorization: `Bearer ${key}` },
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'scripted', stream: true, messages: [{ role: 'user', content: 'Hi' }], ...more }),
    ...(signal && { signal }),
  });
}

async function revoke() {
  const { keys } = router.context;
  const [newest] = await keys.list(alice.id);
  const response = await alice.request(`/settings/keys/${newest?.id}/revoke`, { method: 'POST' });
  expect(response.ok || response.status === 303).toBe(true);
}

async function expectSignedOut(text: string) {
  const events = eventsOf(text);
  expect((JSON.parse(events.at(-2) ?? '') as { error: object }).error).toMatchObject({ code: 'invalid_api_key' });
  expect(events.at(-1)).toBe('[DONE]');
}

const released = () =>
  until(() => leasesOf(router) === 0 && router.context.streams.size === 0, 'nothing is held', LIMIT_MS);

test('law 20: a revoked key opens nothing any more', async () => {
  await revoke();
  const response = await ask({ stream: false });
  expect([response.status, await response.json()]).toMatchObject([401, { error: { code: 'invalid_api_key' } }]);
  expect((await router.request('/v1/models', { headers: { authorization: `Bearer ${key}` } })).status).toBe(401);
});

test('law 20: a revoked key ends its open streams, and those of no other credential', async () => {
  const [one, two] = [pipe(), pipe()];
  runner.reply = () => one.response();
  one.write(chunk('One.'));
  const ending = new Reading(await ask({}));
  await ending.until('One.');
  runner.reply = () => two.response();
  two.write(chunk('Two.'));
  const staying = new Reading(await ask({}, { cookie: alice.cookie }));
  await staying.until('Two.');
  const [asked, other] = runner.requests.slice(-2);
  await revoke();
  await expectSignedOut(await ending.end());
  await until(() => asked?.aborted, 'the runner’s request is aborted', LIMIT_MS);
  two.write(DONE);
  two.close();
  expect(await staying.end()).toBe(chunk('Two.') + DONE);
  expect(other?.aborted).toBe(false);
  await released();
});

test('law 20: a revoked key ends a stream that has not begun, and a request that is not streamed', async () => {
  runner.reply = () => new Promise(() => {});
  for (const stream of [true, false]) {
    const count = runner.requests.length + 1;
    const response = ask({ stream });
    const asked = await runner.request(count);
    await revoke();
    expect([(await response).status, await (await response).json()]).toMatchObject([
      401,
      { error: { code: 'invalid_api_key' } },
    ]);
    await until(() => asked.aborted, 'the runner’s request is aborted', LIMIT_MS);
    await released();
    key = await alice.createKey();
  }
});

test('law 20: a revoked key ends a stream that waits with comments', async () => {
  runner.reply = () => new Promise(() => {});
  const received = new Reading(await ask({}));
  await received.until(': agent-stack');
  await revoke();
  await expectSignedOut(await received.end());
  await released();
});

test('law 20: a key that is revoked while the body arrives serves nothing', async () => {
  const count = runner.requests.length;
  let more: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      more = controller;
      controller.enqueue(new TextEncoder().encode('{"model":"scripted",'));
    },
  });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = router.request('/v1/chat/completions', { method: 'POST', headers, body });
  await until(() => router.context.streams.size === 1, 'the request has begun');
  await revoke();
  more?.enqueue(new TextEncoder().encode('"messages":[]}'));
  more?.close();
  expect((await response).status).toBe(401);
  expect(runner.requests).toHaveLength(count);
  await released();
});

test('law 20: signing out ends the streams that the session opened', async () => {
  const bob = await router.person(PEOPLE.bob);
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const received = new Reading(await ask({}, { cookie: bob.cookie }));
  await received.until('One.');
  await bob.request('/auth/logout', { method: 'POST' });
  await expectSignedOut(await received.end());
  await released();
});

test('law 20: an answer that goes on without its client is not its key’s any more', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One. '));
  const client = new AbortController();
  const headers = { authorization: `Bearer ${key}`, 'x-agent-stack-detach': 'true' };
  const response = await ask({}, headers, client.signal);
  const id = response.headers.get('x-conversation-id') ?? '';
  await new Reading(response).until('One.');
  client.abort();
  await until(() => router.context.streams.size === 0, 'the router notices');
  const next = pipe();
  runner.reply = () => next.response();
  next.write(chunk('Three.'));
  const other = new Reading(await ask({}));
  await other.until('Three.');
  source.write(chunk('Two.'));
  await revoke();
  await expectSignedOut(await other.end());
  source.write(DONE);
  source.close();
  const last = async () => (await router.context.conversations.page(id, { limit: 9 })).at(-1);
  await until(async () => (await last())?.status !== 'streaming', 'the answer is saved');
  expect(await last()).toMatchObject({ status: 'done', content: 'One. Two.' });
});

test('law 20: the end of an answer without a client leaves the watch over other streams as it is', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const client = new AbortController();
  const headers = { authorization: `Bearer ${key}`, 'x-agent-stack-detach': 'true' };
  const detached = await ask({}, headers, client.signal);
  await new Reading(detached).until('One.');
  client.abort();
  await until(() => router.context.streams.size === 0, 'the router notices');
  const next = pipe();
  runner.reply = () => next.response();
  next.write(chunk('Two.'));
  const other = new Reading(await ask({}));
  await other.until('Two.');
  source.write(DONE);
  source.close();
  await until(() => leasesOf(router) === 1, 'the answer without a client has ended');
  await revoke();
  await expectSignedOut(await other.end());
  await released();
});

test('the end of the router ends open streams with an error that says so', async () => {
  const backends = [memoryBackend('scripted', {}, runner.program)];
  const own = await startRouter({ backends });
  const secret = await (await own.person(PEOPLE.alice)).createKey();
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const response = await fetch(`${own.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'scripted', stream: true, messages: [] }),
  });
  const received = new Reading(response);
  await received.until('One.');
  await own.stop();
  const events = eventsOf(await received.end());
  expect((JSON.parse(events[1] ?? '') as { error: object }).error).toMatchObject({ code: 'shutting_down' });
  expect([events[2], received.error]).toEqual(['[DONE]', undefined]);
  // Adopts the runner, and stops it.
  await using _next = await startRouter({ backends, dataRoot: own.dataRoot });
});
