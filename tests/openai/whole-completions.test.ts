/** A runner that answers a request for a stream with a whole completion, before or after the client has its stream. */
import { afterAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { completion, eventsOf, Reading, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('whole-completions');
const router = await startRouter({
  backends: [memoryBackend('plain', {}, runner.program)],
  env: { MAX_HELD_BYTES_PER_USER: '200000' },
});
const alice = await router.person(PEOPLE.alice);
const key = await alice.createKey();
afterAll(() => router[Symbol.asyncDispose]());

const BODIES = { 'chat/completions': { messages: [{ role: 'user', content: 'Hi' }] }, responses: { input: 'Hi' } };
const ASKING_FOR_USAGE = { stream_options: { include_usage: true } };

function ask(path: keyof typeof BODIES, more: object): Promise<Response> {
  return fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'plain', store: false, stream: true, ...BODIES[path], ...more }),
  });
}

/** The events that the client gets when the runner answers only after the client's stream has begun. */
async function streamOf(path: keyof typeof BODIES, more: object = {}): Promise<readonly string[]> {
  for (const { agent } of router.context.runners.running()) await router.context.runners.stop(agent.id, 'test');
  const gate = Promise.withResolvers<void>();
  const remove = router.platform.intercept('start', () => gate.promise);
  const received = new Reading(await ask(path, more));
  await received.until('agent-stack:');
  remove();
  gate.resolve();
  return eventsOf((await received.end()).replaceAll(/^event: .*\n/gm, ''));
}

test('a whole completion that comes after the stream began becomes one', async () => {
  const calls = [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }];
  const message = { role: 'assistant', content: 'Wait.', tool_calls: calls };
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
  runner.reply = () =>
    Response.json({
      id: 'c',
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
      usage,
    });
  for (const path of ['chat/completions', 'responses'] as const) {
    const events = await streamOf(path, path === 'responses' ? {} : ASKING_FOR_USAGE);
    if (path === 'responses') {
      expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({
        type: 'response.completed',
        response: {
          output: [{ type: 'message' }, { type: 'function_call', call_id: 'call_1' }],
          usage: { total_tokens: 5 },
        },
      });
    } else {
      const [said, used] = events.map((one) => (one === '[DONE]' ? one : JSON.parse(one)));
      expect(said.choices).toEqual([
        { index: 0, delta: { ...message, tool_calls: [{ index: 0, ...calls[0] }] }, finish_reason: 'tool_calls' },
      ]);
      expect([used.usage, events.at(-1)]).toEqual([usage, '[DONE]']);
    }
  }
  expect(router.context.runners.running().map(({ status }) => status.leases)).toEqual([0]);
}, 60_000);

test('a whole completion becomes a stream also when it comes at once, and tells its usage only when asked to', async () => {
  runner.reply = () =>
    Response.json({
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
  const chunks = async (more: object) => {
    const response = await ask('chat/completions', more);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const events = eventsOf(await response.text());
    expect(events.at(-1)).toBe('[DONE]');
    return events.slice(0, -1).map((one) => JSON.parse(one) as { choices: object[] });
  };
  await ask('chat/completions', {});
  expect((await chunks({})).map(({ choices }) => choices.length)).toEqual([1]);
  expect((await chunks(ASKING_FOR_USAGE)).map(({ choices }) => choices.length)).toEqual([1, 0]);
  // A refusal keeps its status, and an answer without a stream is passed on as it is.
  runner.reply = () => Response.json({ error: { message: 'No.' } }, { status: 400 });
  expect((await ask('chat/completions', {})).status).toBe(400);
  runner.reply = () => completion('Hello.');
  const whole = await ask('chat/completions', { stream: false });
  expect(((await whole.json()) as { object: string }).object).toBe('chat.completion');
}, 60_000);

test('a whole completion that is longer than what may be held ends the stream with an error', async () => {
  for (const [length, isTooLong] of [
    [150_000, false],
    [300_000, true],
  ] as const) {
    runner.reply = () => completion('x'.repeat(length));
    const events = (await streamOf('chat/completions')).join('\n');
    expect([events.length > length, events.includes('too_much_at_once')]).toEqual([!isTooLong, isTooLong]);
    await until(() => router.context.held.total === 0, 'nothing is held');
  }
}, 60_000);

test('a whole completion that is nested too deeply to be read ends the stream with an error', async () => {
  const deep = `${'['.repeat(300)}${']'.repeat(300)}`;
  for (const [more, isRead] of [
    ['[]', true],
    [deep, false],
  ] as const) {
    const choices = '[{"message":{"role":"assistant","content":"Deep."},"finish_reason":"stop"}]';
    const json = `{"object":"chat.completion","choices":${choices},"more":${more}}`;
    runner.reply = () => new Response(json, { headers: { 'content-type': 'application/json' } });
    const events = (await streamOf('chat/completions')).join('\n');
    expect([events.includes('Deep.'), events.includes('runner_lost')]).toEqual([isRead, !isRead]);
  }
}, 60_000);
