/** The message of a refusal, in all shapes in which servers send it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('refusal-words');
let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

/** The stored reason of a refused answer. */
async function stored(body: string, type = 'application/json'): Promise<string | undefined> {
  runner.reply = () => new Response(body, { status: 400, headers: { 'content-type': type } });
  const messages = [{ role: 'user', content: 'Hi' }];
  const request = { model: 'scripted', store: true, messages };
  const response = await alice.request('/v1/chat/completions', { method: 'POST', body: request });
  const id = response.headers.get('x-conversation-id') ?? '';
  return (await router.context.stores.conversations.page(id, { limit: 1 })).at(-1)?.failure?.message;
}

test('the reason of a refusal is its words, in every shape in which servers write them', async () => {
  const bodies = [
    '{"error":{"message":"Too hot."}}',
    '{"error":"Too hot."}',
    '{"detail":"Too hot."}',
    '{"detail":[{"msg":"Too hot."}]}',
    '[{"error":{"message":"Too hot."}}]',
    '{"object":"error","message":"Too hot."}',
    '{"error_code":"X","message":"Too hot."}',
  ];
  for (const body of bodies) expect([body, await stored(body)]).toEqual([body, 'Too hot.']);
  expect(await stored('Too hot.\n', 'text/plain')).toBe('Too hot.');
  expect(await stored('<html><title>Bad</title></html>', 'text/html')).toBe('The agent answered 400.');
});
