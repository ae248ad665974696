/** Law 10 in its hardest cases: answers that are cut in the middle of an event, and clients that read nothing. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { createParser } from 'eventsource-parser';
import OpenAI, { APIError } from 'openai';
import { processLog } from '../../router/lib/log';
import { streamBody } from '../../router/net/body';
import { type Ending, Relay } from '../../router/relay/relay';
import { EventTail } from '../../router/relay/sse-tail';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { Source } from '../support/scripted-body';
import { chunk, DONE, pipe, scriptedRunner } from '../support/scripted-runner';

const ERROR = { error: { message: 'It is gone.', code: 'runner_lost' } };
const WHOLE = {
  'a "name"': 'back \\ slash, tab \t, é, 😀',
  numbers: [-1.5e3, 0.25, 12],
  words: [true, false, null, { empty: {}, none: [] }],
  choices: [{ index: 0, delta: { content: 'One.' }, finish_reason: null }],
};
/** JSON in the style of other encoders. */
const ESCAPED = JSON.stringify(WHOLE).replace('é', '\\u00e9').replaceAll(',', ', ');

const runner = scriptedRunner('relay-cut');
let router: TestRouter;
let client: OpenAI;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', {}, runner.program)] });
  const apiKey = await (await router.person(PEOPLE.alice)).createKey();
  client = new OpenAI({ apiKey, baseURL: `${router.url}/v1`, maxRetries: 0 });
});
afterAll(() => router[Symbol.asyncDispose]());

/** The data of the events of a stream that was cut after these chunks, as a standard parser reads them. */
function eventsAfterCut(chunks: readonly Uint8Array[], last: object | undefined): string[] {
  const tail = new EventTail();
  for (const one of chunks) tail.push(one);
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(data) });
  parser.feed(Buffer.concat(chunks).toString() + tail.ending(last) + DONE);
  return events;
}

test('law 10: wherever an event is cut, every event is JSON and the last one is the error', () => {
  for (const before of ['', chunk('Zero.'), ': comment\n\nid: 7\n', 'data: {"a":1}\r\n\r\nevent: x\r\n']) {
    const bytes = new TextEncoder().encode(`${before}data: ${ESCAPED}\n\n`);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const chunks = [bytes.subarray(0, Math.floor(cut / 2)), bytes.subarray(Math.floor(cut / 2), cut)];
      const events = eventsAfterCut(chunks, ERROR);
      expect(events.pop()).toBe('[DONE]');
      expect(events.map((data) => JSON.parse(data) as object).at(-1)).toMatchObject(ERROR);
      // Somebody stopped the answer: there is no error, and the stream is still well-formed.
      const stopped = eventsAfterCut(chunks, undefined);
      expect(stopped.pop()).toBe('[DONE]');
      for (const data of stopped) expect(() => JSON.parse(data)).not.toThrow();
    }
  }
});

test('law 10: an event that cannot be completed is ended, and the error is a separate event', () => {
  const long = `data: {"long":"${'x'.repeat(70_000)}`;
  const parts = [new TextEncoder().encode(long.slice(0, 40_000)), new TextEncoder().encode(long.slice(40_000))];
  for (const cut of [['data: [DO'], ['data: not JSON'], ['data: {"a":1}'], ['data: {"a":1}\n']]) {
    const events = eventsAfterCut([new TextEncoder().encode(cut.join(''))], ERROR);
    expect(events.slice(1)).toEqual([JSON.stringify(ERROR), '[DONE]']);
  }
  expect(eventsAfterCut(parts, ERROR).slice(1)).toEqual([JSON.stringify(ERROR), '[DONE]']);
});

test('law 10: the openai client reads our error where an event was cut in its middle', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(`${chunk('One.')}${chunk('Two, which is cut').slice(0, -30)}`);
  const stream = await client.chat.completions.create({ model: 'scripted', stream: true, messages: [] });
  const read = (async () => {
    for await (const { choices } of stream) {
      expect(choices[0]?.delta.content).toBe('One.');
      source.cut();
    }
  })();
  const error = await read.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({ code: 'runner_lost', message: expect.stringContaining('in the middle') });
});

/** A relay with a source that the test writes and a client that the test controls. */
function relayed(onClientGone: 'cancel' | 'detach', events: boolean) {
  const source = pipe();
  const abort = new AbortController();
  const endings: Ending[] = [];
  const onEnd = (ending: Ending) => void endings.push(ending);
  const relay = new Relay({ events, expectDone: false, onClientGone, abort, onEnd });
  relay.attach(streamBody(source.body));
  return { source, abort, endings, relay, reader: relay.stream().getReader() };
}

const MINUTE_MS = 60_000;

test.each([true, false])('a client that takes nothing for ten minutes is ended (events: %p)', async (events) => {
  const { source, abort, endings, relay, reader } = relayed('cancel', events);
  source.write(chunk('One.'));
  await reader.read();
  const startedMs = Date.now();
  for (const minutes of [0, 5, 9]) relay.beat(startedMs + minutes * MINUTE_MS);
  expect([endings, abort.signal.aborted]).toEqual([[], false]);
  relay.beat(startedMs + 11 * MINUTE_MS);
  expect([endings, abort.signal.aborted]).toEqual([['stopped'], true]);
});

test.each([true, false])('a client that takes each chunk as it comes is not ended (events: %p)', async (events) => {
  const { source, endings, relay, reader } = relayed('cancel', events);
  const taking = (async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read());
  })().catch(() => undefined);
  const startedMs = Date.now();
  for (let minutes = 1; minutes < 30; minutes += 1) {
    source.write(chunk(`Minute ${minutes}.`));
    for (const half of [0, 0.5]) {
      await new Promise((resolve) => setImmediate(resolve));
      relay.beat(startedMs + (minutes + half) * MINUTE_MS);
    }
  }
  expect(endings).toEqual([]);
  relay.stop();
  await taking;
});

test('a client that waits for a silent agent is not ended, however long it takes', async () => {
  const { source, endings, relay, reader } = relayed('cancel', true);
  source.write(chunk('One.'));
  await reader.read();
  const startedMs = Date.now();
  for (let minutes = 1; minutes < 60; minutes += 1) {
    const reading = reader.read();
    relay.beat(startedMs + minutes * MINUTE_MS);
    expect(new TextDecoder().decode((await reading).value)).toBe(': keep-alive\n');
  }
  expect(endings).toEqual([]);
  relay.stop();
});

test('an answer that goes on without its client goes on without a stalled one too', async () => {
  const { source, endings, relay, reader } = relayed('detach', true);
  source.write(chunk('One.'));
  await reader.read();
  const startedMs = Date.now();
  relay.beat(startedMs);
  relay.beat(startedMs + 11 * MINUTE_MS);
  expect(endings).toEqual([]);
  source.write(DONE);
  source.close();
  await until(() => endings.length > 0, 'the answer has ended');
  expect(endings).toEqual(['done']);
});

test('a client that leaves while its whole answer is being stored is no fault', async () => {
  using logged = spyOn(processLog, 'error');
  const { promise: stored, resolve: store } = Promise.withResolvers<void>();
  const recorder = { chunk: () => undefined, end: () => stored };
  const options = { events: true, expectDone: true, onClientGone: 'cancel', onEnd: () => undefined } as const;
  const relay = new Relay({ ...options, recorder, abort: new AbortController() });
  const reader = relay.stream().getReader();
  const source = new Source();
  relay.attach(source);
  const first = reader.read();
  await until(() => source.asked.includes('read'), 'the client is waited for');
  source.say(DONE);
  expect(new TextDecoder().decode((await first).value)).toBe(DONE);
  source.end();
  await reader.cancel();
  store();
  await stored;
  await new Promise((resolve) => setImmediate(resolve));
  expect(logged).not.toHaveBeenCalled();
});
