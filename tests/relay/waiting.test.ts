/** Law 11: a client that waits for a runner sees progress, and no event is ever broken for it. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { StartContext } from '../../drivers/driver';
import { streamBody } from '../../router/net/body';
import { QUIET_MS, Relay } from '../../router/relay/relay';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';
import { passTime, restoreTime } from '../support/time';

const LAW_MS = 5_000;
const TICK_MS = 1_000;

const runner = scriptedRunner('relay-waiting');
let router: TestRouter;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', { image: 'a/b' }, runner.program)] });
  key = await (await router.person(PEOPLE.alice)).createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const { agent } of router.context.runners.running()) await router.context.runners.stop(agent.id, 'test');
});

function ask(more: object = {}): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'scripted', stream: true, messages: [], ...more }),
  });
}

/** Starts wait until `go` is called; `context` is the driver's context of the waiting start. */
function heldStart() {
  const gate = Promise.withResolvers<void>();
  const context = Promise.withResolvers<StartContext>();
  const remove = router.platform.intercept('start', (call) => {
    if (call.context) context.resolve(call.context);
    return gate.promise;
  });
  const go = () => {
    remove();
    gate.resolve();
  };
  return { context: context.promise, go };
}

test('law 11: a stream that waits for a start gets its progress as comments, and then the answer as it is', async () => {
  const text = chunk('Hello.') + DONE;
  runner.reply = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  const start = heldStart();
  const response = await ask();
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  const received = new Reading(response);
  await received.until(': agent-stack: Starting (50%)\n');
  // Progress of the driver is sent at once, as one line.
  (await start.context).progress({ stage: 'start', message: 'Unpacking\ndata: [DONE]' });
  await received.until(': agent-stack: Unpacking data: [DONE] (50%)\n');
  start.go();
  const all = await received.end();
  expect(all).toEndWith(`\n${text}`);
  expect(eventsOf(all)).toEqual(eventsOf(text));
});

test('law 11: a start without progress is reported again and again, within five seconds', async () => {
  expect(QUIET_MS + TICK_MS).toBeLessThanOrEqual(LAW_MS);
  const start = heldStart();
  const received = new Reading(await ask());
  const line = ': agent-stack: Starting (50%)\n';
  await received.until(line);
  passTime(LAW_MS);
  await until(() => received.text.split(line).length > 2, 'the progress is repeated');
  restoreTime();
  start.go();
  await received.end();
});

test('law 11: a start that fails while a stream waits is an error event and [DONE]', async () => {
  const start = heldStart();
  const received = new Reading(await ask());
  await received.until(': agent-stack: Starting');
  const restore = router.platform.fail('start', 'no_capacity', 'no room');
  start.go();
  // The held call continues and fails.
  const events = eventsOf(await received.end());
  restore();
  expect(events).toHaveLength(2);
  expect((JSON.parse(events[0] ?? '') as { error: object }).error).toMatchObject({ code: 'runner_failed' });
  expect(events[1]).toBe('[DONE]');
  const [agent] = await router.context.stores.agents.list((await router.person(PEOPLE.alice)).id);
  expect(router.context.runners.status(agent?.id ?? '').leases).toBe(0);
  await until(async () => (await ask({ stream: false })).ok, 'the back-off is over');
});

test('law 11: a refusal that comes after the comments is an error event with the runner’s own words', async () => {
  const start = heldStart();
  runner.reply = () => Response.json({ error: { message: 'No such tool.' } }, { status: 400 });
  const received = new Reading(await ask());
  await received.until(': agent-stack: Starting');
  start.go();
  const [error, done] = eventsOf(await received.end());
  expect((JSON.parse(error ?? '') as { error: object }).error).toMatchObject({ message: 'No such tool.' });
  expect(done).toBe('[DONE]');
  await until(() => router.context.runners.running().every(({ status }) => status.leases === 0), 'the lease is free');
});

test('a request that is not streamed waits for the start without a byte', async () => {
  runner.reply = () => completion('Hello.');
  const start = heldStart();
  const response = ask({ stream: false });
  await start.context;
  start.go();
  expect(await (await response).json()).toMatchObject({ choices: [{ message: { content: 'Hello.' } }] });
});

/** A relay whose source the test writes, and the text that its client has read. */
function open(events = true) {
  const source = pipe();
  const relay = new Relay({
    events,
    expectDone: true,
    onClientGone: 'cancel',
    abort: new AbortController(),
    onEnd() {},
  });
  relay.attach(streamBody(source.body));
  return { source, relay, received: new Reading(new Response(relay.stream())), late: () => Date.now() + LAW_MS };
}

test('law 11: a quiet stream gets a heartbeat, between events only', async () => {
  const { source, relay, received, late } = open();
  for (const end of ['\n\n', '\r\n\r\n', '\r\r']) {
    source.write('data: 1');
    await until(() => received.text.endsWith('data: 1'), 'the event has begun');
    relay.beat(late());
    source.write(end);
    await until(() => received.text.endsWith(`data: 1${end}`), 'the event is whole');
    relay.beat(late());
    await until(() => received.text.endsWith(`data: 1${end}: keep-alive\n`), 'the heartbeat came');
  }
  source.write('data: 2\n');
  await until(() => received.text.endsWith('data: 2\n'), 'a line has ended, and not the event');
  relay.beat(late());
  source.write(`\n${DONE}`);
  source.close();
  expect(await received.end()).toEndWith(`data: 2\n\n${DONE}`);
});

test('a stream that is not quiet gets no heartbeat, and neither does a body that is not events', async () => {
  const busy = open();
  busy.relay.beat(Date.now());
  busy.source.write(DONE);
  busy.source.close();
  expect(await busy.received.end()).toBe(DONE);
  const plain = open(false);
  plain.relay.beat(plain.late());
  plain.source.write('{}');
  plain.source.close();
  expect(await plain.received.end()).toBe('{}');
});

test('a client that does not read is not sent heartbeats that would pile up', async () => {
  const abort = new AbortController();
  const relay = new Relay({ events: true, expectDone: true, onClientGone: 'cancel', abort, onEnd() {} });
  const body = relay.stream();
  for (let beats = 0; beats < 100; beats += 1) relay.beat(Date.now() + LAW_MS);
  relay.stop();
  expect(await new Response(body).text()).toBe(`: keep-alive\n${DONE}`);
});
