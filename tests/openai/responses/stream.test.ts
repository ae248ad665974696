/** The stream of `/v1/responses` that is translated from a chat: the order of its events, and all its endings. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { APIError, type OpenAI } from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../../support/router';
import { chunk, DONE, eventsOf, type Pipe, pipe, Reading, scriptedRunner } from '../../support/scripted-runner';
import { event } from '../../support/sse';

const runner = scriptedRunner('responses-stream');
let router: TestRouter;
let client: OpenAI;
let out: Pipe;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('chatty', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  client = await alice.openai();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  out = pipe();
  runner.reply = () => out.response();
});

const ASKED = { model: 'chatty', input: 'Hi', stream: true } as const;
const ask = () =>
  fetch(`${router.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${client.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(ASKED),
  });
const delta = (delta: object, finish_reason: string | null = null) =>
  event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
const leases = () => router.context.runners.running().map(({ status }) => status.leases);
const freed = () => until(() => leases().every((count) => count === 0), 'the lease is free');

/** All events until the stream ends, and the error it ends with. */
async function read(stream: AsyncIterable<ResponseStreamEvent>) {
  const events: ResponseStreamEvent[] = [];
  try {
    for await (const one of stream) events.push(one);
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}

const types = (events: readonly ResponseStreamEvent[]) => events.map(({ type }) => type.replace('response.', ''));
const BEGIN = ['created', 'in_progress'];
const TEXT_BEGIN = ['output_item.added', 'content_part.added'];
const TEXT_END = ['output_text.done', 'content_part.done', 'output_item.done'];

test('a text comes as the documented events, numbered, piece by piece', async () => {
  out.write(delta({ role: 'assistant', content: '' }) + chunk('Grü'));
  const stream = await client.responses.create(ASKED);
  const events: ResponseStreamEvent[] = [];
  const piece = () => events.filter(({ type }) => type === 'response.output_text.delta').length;
  const done = (async () => {
    for await (const one of stream) events.push(one);
  })();
  // The client has the first piece before the second one is written.
  await until(() => piece() === 1, 'the first piece arrives');
  out.write(chunk('ße.') + delta({}, 'stop'));
  out.write(event({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 } }) + DONE);
  out.close();
  await done;
  expect(types(events)).toEqual([
    ...[...BEGIN, ...TEXT_BEGIN, 'output_text.delta', 'output_text.delta', ...TEXT_END, 'completed'],
  ]);
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
  const [created] = events;
  const last = events.at(-1);
  if (created?.type !== 'response.created' || last?.type !== 'response.completed') throw new Error('premise');
  expect(created.response).toMatchObject({ status: 'in_progress', output: [] });
  expect(last.response).toMatchObject({ id: created.response.id, status: 'completed' });
  expect(last.response.output as object[]).toMatchObject([{ status: 'completed', content: [{ text: 'Grüße.' }] }]);
  expect(last.response.usage).toMatchObject({ input_tokens: 4, output_tokens: 2, total_tokens: 6 });
});

test('sources and probabilities come with their text, and again whole at its end', async () => {
  const token = (text: string) => ({ token: text, logprob: -0.5, top_logprobs: [] });
  const said = (content: string, more: object, tokens: readonly string[]) =>
    event({ choices: [{ index: 0, delta: { content, ...more }, logprobs: { content: tokens.map(token) } }] });
  const source = (title: string) => ({ title, url: 'https://example.org/', start_index: 0, end_index: 2 });
  const cited = (title: string) => ({ annotations: [{ type: 'url_citation', url_citation: source(title) }] });
  // The first token is half a character.
  out.write(said('', {}, ['half']) + said('Hi', cited('a'), ['Hi']) + delta(cited('b')) + delta({}, 'stop') + DONE);
  out.close();
  const { events } = await read(await client.responses.create(ASKED));
  expect(types(events)).toEqual([
    ...[...BEGIN, ...TEXT_BEGIN, 'output_text.delta', 'output_text.delta'],
    ...['output_text.annotation.added', 'output_text.annotation.added', ...TEXT_END, 'completed'],
  ]);
  const [half, hi, a, b] = events.slice(4);
  expect([half, hi]).toMatchObject([
    { delta: '', logprobs: [token('half')] },
    { delta: 'Hi', logprobs: [token('Hi')] },
  ]);
  const annotations = ['a', 'b'].map((title) => ({ type: 'url_citation', ...source(title) }));
  expect([a, b]).toMatchObject(annotations.map((annotation, annotation_index) => ({ annotation_index, annotation })));
  const last = events.at(-1);
  if (last?.type !== 'response.completed') throw new Error('premise');
  const content = [{ text: 'Hi', annotations, logprobs: ['half', 'Hi'].map(token) }];
  expect(last.response.output as object[]).toMatchObject([{ content }]);
});

test('the probabilities of a call and of a thought are no text', async () => {
  const logprobs = { content: [{ token: 'x', logprob: -0.5, top_logprobs: [] }] };
  const other = (delta: object) => event({ choices: [{ index: 0, delta, logprobs }] });
  const call = { tool_calls: [{ index: 0, id: 'call_a', function: { name: 'f', arguments: '{}' } }] };
  out.write(other({ content: '', reasoning_content: 'Hm.' }) + other({ content: '', reasoning: 'Hm.' }));
  out.write(other({ content: '', ...call }) + delta({}, 'tool_calls') + DONE);
  out.close();
  const { events } = await read(await client.responses.create(ASKED));
  const last = events.at(-1);
  if (last?.type !== 'response.completed') throw new Error('premise: it completed');
  const thought = { type: 'reasoning', content: [{ text: 'Hm.Hm.' }] };
  expect(last.response.output as object[]).toMatchObject([thought, { type: 'function_call', call_id: 'call_a' }]);
});

test('an event that is split anywhere gives the same result', async () => {
  const text = new TextEncoder().encode(chunk('Grüße ') + chunk('🌍') + delta({}, 'stop') + DONE);
  for (const byte of text) out.write(Uint8Array.of(byte));
  out.close();
  const response = await client.responses.stream({ model: 'chatty', input: 'Hi' }).finalResponse();
  expect([response.output_text, response.status]).toEqual(['Grüße 🌍', 'completed']);
});

test('function calls come with their arguments as they are written, after the text before them', async () => {
  const call = (index: number, more: object, args: string) => ({
    tool_calls: [{ index, ...more, function: { ...('id' in more && { name: `f${index}` }), arguments: args } }],
  });
  out.write(chunk('Wait.') + delta(call(0, { id: 'call_a' }, '')) + delta(call(0, {}, '{"a"')));
  out.write(delta(call(0, {}, ':1}')) + delta(call(1, { id: 'call_b' }, '{}')) + delta({}, 'tool_calls') + DONE);
  out.close();
  const { events } = await read(await client.responses.create(ASKED));
  const call_ = ['output_item.added', 'function_call_arguments.delta'];
  const callEnd = ['function_call_arguments.done', 'output_item.done'];
  expect(types(events)).toEqual([
    ...[...BEGIN, ...TEXT_BEGIN, 'output_text.delta', ...TEXT_END],
    ...[...call_, 'function_call_arguments.delta', ...call_, ...callEnd, ...callEnd, 'completed'],
  ]);
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
  const last = events.at(-1);
  if (last?.type !== 'response.completed') throw new Error('premise: it completed');
  expect(last.response.output as object[]).toMatchObject([
    { type: 'message' },
    { type: 'function_call', call_id: 'call_a', name: 'f0', arguments: '{"a":1}', status: 'completed' },
    { type: 'function_call', call_id: 'call_b', name: 'f1', arguments: '{}', status: 'completed' },
  ]);
});

test('a refusal comes as its own events, after the text before it', async () => {
  out.write(chunk('Well. ') + delta({ refusal: 'I cannot ' }) + delta({ content: null, refusal: 'do that.' }));
  out.write(delta({}, 'stop') + DONE);
  out.close();
  const { events } = await read(await client.responses.create(ASKED));
  expect(types(events)).toEqual([
    ...[...BEGIN, ...TEXT_BEGIN, 'output_text.delta', ...TEXT_END],
    ...[...TEXT_BEGIN, 'refusal.delta', 'refusal.delta', 'refusal.done', 'content_part.done', 'output_item.done'],
    'completed',
  ]);
  const last = events.at(-1);
  if (last?.type !== 'response.completed') throw new Error('premise');
  const content = (part: object) => ({ type: 'message', status: 'completed', content: [part] });
  const refusal = { type: 'refusal', refusal: 'I cannot do that.' };
  expect(last.response.output as object[]).toMatchObject([content({ text: 'Well. ' }), content(refusal)]);
  expect(events.find(({ type }) => type === 'response.refusal.done')).toMatchObject({
    ...{ refusal: 'I cannot do that.', output_index: 1, content_index: 0, item_id: last.response.output[1]?.id },
  });
});

test('the client’s own helper puts the events together', async () => {
  out.write(chunk('Hello.') + delta({}, 'length') + DONE);
  out.close();
  const response = await client.responses.stream({ model: 'chatty', input: 'Hi' }).finalResponse();
  expect(response).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
  } as object);
});

test('an error of the agent in the middle ends the response as failed, in its own words', async () => {
  out.write(chunk('Hel') + event({ error: { message: 'Out of ink.', type: 'agent_error', code: 'ink' } }) + DONE);
  out.close();
  const { events, error } = await read(await client.responses.create(ASKED));
  const last = events.at(-1);
  if (last?.type !== 'response.failed') throw new Error('premise: it failed');
  expect(last.response).toMatchObject({ status: 'failed', error: { code: 'server_error', message: 'Out of ink.' } });
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({ code: 'ink', message: 'Out of ink.' });
});

test.each(['cut', 'close'] as const)(
  'law 10: a runner that is lost (%s) is a failed response and an error',
  async (how) => {
    const stream = await client.responses.create(ASKED);
    out.write(chunk('Hel'));
    const events: ResponseStreamEvent[] = [];
    let error: unknown;
    try {
      for await (const one of stream) {
        events.push(one);
        if (one.type === 'response.output_text.delta') out[how]();
      }
    } catch (thrown) {
      error = thrown;
    }
    expect(types(events)).toEqual([...BEGIN, ...TEXT_BEGIN, 'output_text.delta', ...TEXT_END, 'failed']);
    expect(error).toMatchObject({ code: 'runner_lost' });
    await freed();
  },
);

test('law 9: a client that leaves ends the runner’s request and gives the lease back', async () => {
  out.write(chunk('Hel'));
  const stream = await client.responses.create(ASKED);
  const count = runner.requests.length;
  for await (const one of stream) if (one.type === 'response.output_text.delta') break;
  await until(() => runner.requests[count - 1]?.aborted, 'the runner notices');
  await freed();
});

test('an error in a report of an agent’s own tool is not one of the answer', async () => {
  const report = { tool: 'read_file', status: 'failed', error: 'There is no such file.' };
  out.write(`event: hermes.tool.progress\n${event(report)}${chunk('I go on.')}${delta({}, 'stop')}${DONE}`);
  out.close();
  const { events, error } = await read(await client.responses.create(ASKED));
  expect([events.at(-1)?.type, error]).toEqual(['response.completed', undefined]);
});

/** Stops the runner; the next start waits until `go` is called. */
async function heldStart() {
  for (const { agent } of router.context.runners.running()) await router.context.runners.stop(agent.id, 'test');
  const gate = Promise.withResolvers<void>();
  const remove = router.platform.intercept('start', () => gate.promise);
  return () => {
    remove();
    gate.resolve();
  };
}

test('law 11: a stream that waits for a start gets comments, and then its events', async () => {
  const go = await heldStart();
  const received = new Reading(await ask());
  await received.until(': agent-stack: ');
  go();
  out.write(chunk('Hello.') + delta({}, 'stop') + DONE);
  out.close();
  const data = eventsOf(await received.end());
  expect(data.map((one) => JSON.parse(one).sequence_number)).toEqual(data.map((_, index) => index));
  expect(received.text).toStartWith(': ');
});

test('law 11: a start that fails while a stream waits is a failed response and an error', async () => {
  const go = await heldStart();
  const received = new Reading(await ask());
  await received.until(': agent-stack: ');
  const restore = router.platform.fail('start', 'no_capacity', 'no room');
  go();
  const events = eventsOf(await received.end()).map((one) => JSON.parse(one) as ResponseStreamEvent);
  restore();
  expect(types(events)).toEqual([...BEGIN, 'failed', 'error']);
  expect(events.at(-1)).toMatchObject({ code: 'runner_failed', sequence_number: 3 });
});
