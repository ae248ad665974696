/** A runner that answers a request for a stream with a whole completion, when the client has its stream already. */
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

/** The events that the client gets when the runner answers only after the client's stream has begun. */
async function streamOf(path: keyof typeof BODIES): Promise<readonly string[]> {
  for (const { agent } of router.context.runners.running()) await router.context.runners.stop(agent.id, 'test');
  const gate = Promise.withResolvers<void>();
  const remove = router.platform.intercept('start', () => gate.promise);
  const response = await fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'plain', store: false, stream: true, ...BODIES[path] }),
  });
  const received = new Reading(response);
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
    const events = await streamOf(path);
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
}, 30_000);

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
}, 30_000);
