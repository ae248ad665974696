/**
 * `/v1/responses` with the official client against the router as a process, with agents as processes: the demo, which
 * serves only chat, and `direct` with a scripted upstream.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import OpenAI, { APIError, UnprocessableEntityError } from 'openai';
import { PASSAGE, UNICODE } from '../../backends/demo/texts';
import { type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';
import { hang, startUpstream, UPSTREAM_USAGE, type Upstream } from '../support/upstream';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

let router: RouterProcess;
let upstream: Upstream;
let client: OpenAI;

beforeAll(async () => {
  upstream = startUpstream();
  router = await startRouterProcess();
  const alice = await router.signIn(PEOPLE.alice);
  client = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: await alice.createKey(), maxRetries: 0 });
  const error = await client.responses.create({ model: 'direct', input: 'hi' }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnprocessableEntityError);
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'model-of-alice' };
  for (const [name, value] of Object.entries(values)) {
    await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await upstream.stop();
});

test('a cold agent answers, streamed and not, with every character and its usage', async () => {
  const { output_text, status, usage } = await client.responses.create({ model: 'demo', input: 'echo one two' });
  expect([output_text, status]).toEqual(['one two', 'completed']);
  expect(usage?.total_tokens).toBeGreaterThan(0);
  const streamed = await client.responses.stream({ model: 'demo', input: 'unicode' }).finalResponse();
  expect([streamed.output_text, streamed.status]).toEqual([UNICODE, 'completed']);
  expect(streamed.usage?.total_tokens).toBeGreaterThan(0);
});

test('what an agent thinks is an item before its text, streamed and not, and is read again', async () => {
  const asked = { model: 'demo', input: 'think of one or two' };
  const whole = await client.responses.create(asked);
  const streamed = await client.responses.stream(asked).finalResponse();
  for (const { id, output, output_text } of [whole, streamed]) {
    expect(output as object[]).toMatchObject([
      {
        type: 'reasoning',
        status: 'completed',
        summary: [],
        content: [{ type: 'reasoning_text', text: 'of one or two' }],
      },
      { type: 'message', status: 'completed' },
    ]);
    expect(output_text).toStartWith('That was my *reasoning*');
    const stored = await until(async () => {
      const read = await client.responses.retrieve(id);
      return read.status === 'completed' && read;
    }, 'it is saved');
    expect(stored.output.map((item) => item.id)).toEqual(output.map((item) => item.id));
    expect(stored.output[0]).toMatchObject({ ...output[0] });
  }
});

test.each(['error', 'break'])('an agent that fails in the middle (%s) is an APIError after its text', async (word) => {
  let text = '';
  let failed = false;
  let error: unknown;
  try {
    for await (const event of await client.responses.create({ model: 'demo', input: word, stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      failed ||= event.type === 'response.failed';
    }
  } catch (thrown) {
    error = thrown;
  }
  expect(text).not.toBe('');
  expect(PASSAGE).toStartWith(text);
  expect([failed, error]).toEqual([true, expect.any(APIError)]);
});

test("an answer of direct is the upstream's, in order and with its usage", async () => {
  const gate = Promise.withResolvers<void>();
  upstream.script({ pieces: ['Hel', gate.promise, 'lo'] });
  const stream = client.responses.stream({ model: 'direct', input: 'hi', instructions: 'Be brief.' });
  stream.on('response.output_text.delta', ({ snapshot }) => {
    // The rest has not arrived yet: the first part came while the upstream was still writing.
    if (snapshot === 'Hel') gate.resolve();
  });
  const { output_text, usage } = await stream.finalResponse();
  expect([output_text, usage?.total_tokens]).toEqual(['Hello', UPSTREAM_USAGE.total_tokens]);
  const { body } = await upstream.request(upstream.requests.length);
  expect(body.model).toBe('model-of-alice');
  expect(JSON.stringify(body.messages)).toContain('Be brief.');
});

test('turns continue each other by previous_response_id, and the upstream gets each once', async () => {
  const first = await client.responses.create({ model: 'direct', input: 'My colour is teal.', store: true });
  const second = await client.responses.create({
    model: 'direct',
    input: 'What do you know?',
    previous_response_id: first.id,
  });
  const told = JSON.stringify((await upstream.request(upstream.requests.length)).body.messages);
  for (const part of ['My colour is teal.', first.output_text, 'What do you know?']) {
    expect([part, told.split(part).length - 1]).toEqual([part, 1]);
  }
  const kept = await client.responses.retrieve(second.id);
  expect([kept.output_text, kept.status]).toEqual([second.output_text, 'completed']);
});

test('law 9: a client that aborts ends the call at the upstream', async () => {
  upstream.script({ pieces: ['Once', hang()] });
  const stream = await client.responses.create({ model: 'direct', input: 'tell me', stream: true });
  for await (const event of stream) {
    if (event.type === 'response.output_text.delta') stream.controller.abort();
  }
  const call = await upstream.request(upstream.requests.length);
  expect(await call.ended).toBe('aborted');
  await until(async () => (await router.runners()).length === 2, 'both runners go on');
});
