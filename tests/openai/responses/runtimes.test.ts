/** `/v1/responses` of the three runtimes, each with its twin: the same API, whatever the runtime serves itself. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Runtime, type Somebody, shippedEntries, startRuntime, times, toldTo } from '../../support/runtimes';

describe.each(shippedEntries.map(({ name }) => String(name)))('%s', (name) => {
  let runtime: Runtime;
  let alice: Somebody;
  beforeAll(async () => {
    runtime = await startRuntime(name);
    ({ alice } = runtime);
  });
  afterAll(() => runtime[Symbol.asyncDispose]());

  const lastTold = () => toldTo(runtime.upstream, runtime.upstream.requests.length);
  const respond = (input: string, more: object = {}) =>
    alice.openai.responses.create({ model: name, input, stream: false, ...more });

  test('a cold runner answers, whole and as events', async () => {
    expect((await respond('Good morning.')).output_text).toBe('Hello from upstream.');
    const stream = alice.openai.responses.stream({ model: name, input: 'And now?' });
    const { output_text, status } = await stream.finalResponse();
    expect([output_text, status]).toEqual(['Hello from upstream.', 'completed']);
  });

  test('turns that continue each other are sent once, each with its own instructions', async () => {
    runtime.upstream.script({ pieces: ['It is ', 'noted.'] });
    const first = await respond('My colour is teal.', { store: true });
    const previous_response_id = first.id;
    await respond('What do you know?', { previous_response_id, instructions: 'Be brief.' });
    for (const part of ['My colour is teal.', 'It is noted.', 'What do you know?', 'Be brief.']) {
      expect([part, times(lastTold(), part)]).toEqual([part, 1]);
    }
    // A second continuation of the first answer: the messages after the first continuation do not belong to it.
    await respond('What else?', { previous_response_id });
    for (const [part, count] of [
      ['My colour is teal.', 1],
      ['It is noted.', 1],
      ['What do you know?', 0],
      ['What else?', 1],
    ] as const) {
      expect([part, times(lastTold(), part)]).toEqual([part, count]);
    }
  });

  test('an answer that breaks off is a failed response, unless the runtime takes it for whole', async () => {
    runtime.upstream.script({ pieces: ['Half'], end: 'error' });
    const events: string[] = [];
    let error: unknown;
    try {
      for await (const { type } of await alice.openai.responses.create({ model: name, input: 'Go.', stream: true }))
        events.push(type);
    } catch (thrown) {
      error = thrown;
    }
    const isTold = events.at(-1) === 'response.failed' && error !== undefined;
    expect(isTold || (events.at(-1) === 'response.completed' && error === undefined)).toBe(true);
  });
});
