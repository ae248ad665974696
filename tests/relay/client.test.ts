/** Law 9: what happens to the runner's request when the client disconnects, in every phase of a request. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const DETACH = { 'x-agent-stack-detach': 'true' };
/** Law 9 allows a second. */
const LIMIT_MS = 1_000;

const runner = scriptedRunner('relay-client');
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
  await (await ask(false).response).text();
});

function ask(stream: boolean, headers: Record<string, string> = {}) {
  const client = new AbortController();
  const response = fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'scripted', stream, messages: [{ role: 'user', content: 'Hi' }] }),
    signal: client.signal,
  });
  response.catch(() => undefined);
  return { response, leave: () => client.abort() };
}

const leases = async () => router.context.runners.status(await agentId()).leases;
const agentId = async () => (await router.context.stores.agents.list(alice.id))[0]?.id ?? '';
const released = () => until(async () => (await leases()) === 0, 'the lease is released', LIMIT_MS);
/** Resolves when the router has noticed that the client of the only open request has disconnected. */
const noticed = () => until(() => router.context.streams.size === 0, 'the router notices', LIMIT_MS);
const conversations = () => router.context.conversations.list(alice.id);

async function savedIn(conversationId: string) {
  const last = async () => (await router.context.conversations.page(conversationId, { limit: 9 })).at(-1);
  return until(async () => {
    await router.context.generations.settled(conversationId);
    const message = await last();
    return message?.status === 'streaming' ? undefined : message;
  }, 'the answer is saved');
}

async function arrived() {
  const count = runner.requests.length;
  return until(() => runner.requests[count], 'the runner was asked');
}

test('law 9: the runner’s request is aborted when the client leaves in the middle of a stream', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const asked = arrived();
  const { response, leave } = ask(true);
  await new Reading(await response).until('One.');
  leave();
  await until(async () => (await asked).aborted, 'the runner’s request is aborted', LIMIT_MS);
  await released();
});

test('law 9: also when the stream is silent', async () => {
  runner.reply = () => new Promise(() => {});
  const asked = arrived();
  const { leave } = ask(true);
  expect((await asked).aborted).toBe(false);
  leave();
  await until(async () => (await asked).aborted, 'the runner’s request is aborted', LIMIT_MS);
  await released();
});

test('law 9: also when the silent stream has its headers and comments already', async () => {
  runner.reply = () => new Promise(() => {});
  const asked = arrived();
  const { response, leave } = ask(true);
  await new Reading(await response).until(': agent-stack: waiting for the agent\n');
  leave();
  await until(async () => (await asked).aborted, 'the runner’s request is aborted', LIMIT_MS);
  await released();
});

test('law 9: also when nothing is streamed', async () => {
  runner.reply = () => new Promise(() => {});
  const asked = arrived();
  const { leave } = ask(false);
  await asked;
  expect(await leases()).toBe(1);
  leave();
  await until(async () => (await asked).aborted, 'the runner’s request is aborted', LIMIT_MS);
  await released();
});

test('law 9: a client that leaves while the runner starts is not asked for later, and the start goes on', async () => {
  for (const stream of [true, false]) {
    await router.context.runners.stop(await agentId(), 'test');
    const requests = runner.requests.length;
    const letStart = router.platform.hold('start');
    const { leave } = ask(stream);
    await until(async () => (await leases()) === 1, 'the request waits for the runner');
    leave();
    await released();
    letStart();
    const isWarm = async () => router.context.runners.isWarm(await agentId());
    await until(isWarm, 'the runner has started');
    expect(runner.requests).toHaveLength(requests);
  }
});

test('law 9: with the detach header a stream goes on without its client and is saved', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One. '));
  const asked = arrived();
  const { response, leave } = ask(true, DETACH);
  const id = (await response).headers.get('x-conversation-id') ?? '';
  await new Reading(await response).until('One.');
  leave();
  await noticed();
  source.write(chunk('Two.'));
  source.write(DONE);
  source.close();
  expect(await savedIn(id)).toMatchObject({ status: 'done', content: 'One. Two.', role: 'assistant' });
  expect((await asked).aborted).toBe(false);
  expect((await alice.request(`/conversations/${id}`)).status).toBe(200);
  await released();
});

test('law 9: with the detach header an answer goes on whose client left before it began', async () => {
  for (const stream of [true, false]) {
    const before = (await conversations()).length;
    const answer = Promise.withResolvers<Response>();
    runner.reply = () => answer.promise;
    const asked = arrived();
    const { leave } = ask(stream, DETACH);
    await asked;
    leave();
    await noticed();
    answer.resolve(
      stream
        ? new Response(chunk('Later.') + DONE, { headers: { 'content-type': 'text/event-stream' } })
        : completion('Later.'),
    );
    await until(async () => (await conversations()).length === before + 1, 'the turn is stored');
    const all = await conversations();
    expect(await savedIn(all[0]?.id ?? '')).toMatchObject({ status: 'done', content: 'Later.' });
    await released();
  }
});

test('law 9: with the detach header an answer goes on whose client left while the runner started', async () => {
  await router.context.runners.stop(await agentId(), 'test');
  const before = (await conversations()).length;
  const letStart = router.platform.hold('start');
  const { leave } = ask(false, DETACH);
  await until(async () => (await leases()) === 1, 'the request waits for the runner');
  leave();
  await noticed();
  letStart();
  await until(async () => (await conversations()).length === before + 1, 'the turn is stored');
  expect(await savedIn((await conversations())[0]?.id ?? '')).toMatchObject({ status: 'done', content: 'Hello.' });
  await released();
});

test('a client that leaves a conversation without the header stops the answer, and what came is saved', async () => {
  const { response } = ask(false, DETACH);
  const id = (await response).headers.get('x-conversation-id') ?? '';
  await savedIn(id);
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('Half'));
  const second = ask(true, { 'x-conversation-id': id });
  await new Reading(await second.response).until('Half');
  second.leave();
  expect(await savedIn(id)).toMatchObject({ status: 'stopped', content: 'Half' });
  await released();
});

test('an answer that is stopped in the UI ends properly for the client of /v1', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('Half'));
  const { response } = ask(true, DETACH);
  const id = (await response).headers.get('x-conversation-id') ?? '';
  const received = new Reading(await response);
  await received.until('Half');
  await router.context.generations.stopIn(id);
  expect(await received.end()).toBe(chunk('Half') + DONE);
  expect(await savedIn(id)).toMatchObject({ status: 'stopped', content: 'Half' });
  await released();
});

test('ended is ended: an answer is done whose client left, or whose runner broke off, behind the last event', async () => {
  for (const leave of ['client', 'runner', 'stop'] as const) {
    const source = pipe();
    runner.reply = () => source.response();
    const { id } = await router.context.conversations.create(
      await router.context.agents.get(alice.id, await agentId()),
    );
    source.write(chunk('All of it.') + DONE);
    const asked = ask(true, { 'x-conversation-id': id });
    const reading = new Reading(await asked.response);
    await reading.until('[DONE]');
    if (leave === 'client') asked.leave();
    else if (leave === 'runner') source.cut();
    else await router.context.generations.stopIn(id);
    expect([leave, await savedIn(id)]).toMatchObject([leave, { status: 'done', content: 'All of it.' }]);
    expect(reading.text.split('[DONE]')).toHaveLength(2);
    await released();
  }
});
