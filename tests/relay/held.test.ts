/** What an open stream holds in memory. */

import { heapStats } from 'bun:jsc';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { chunk, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const STREAMS = 16;
const BODY_BYTES = 2_000_000;

const runner = scriptedRunner('relay-held');
let router: TestRouter;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', {}, runner.program)] });
  key = await (await router.person(PEOPLE.alice)).createKey();
});
afterAll(() => router[Symbol.asyncDispose]());

/** Asks with a long history, and leaves the answer open after its first event. */
async function begun(): Promise<ReturnType<typeof pipe>> {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const response = await fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: 'scripted', stream: true },
      messages: [{ role: 'user', content: 'x'.repeat(BODY_BYTES) }],
    }),
  });
  await new Reading(response).until('One.');
  // The scripted runner keeps what it was asked.
  (runner.requests as unknown[]).length = 0;
  return source;
}

function heldBytes(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

test('an open stream does not hold the body of its request', async () => {
  (await begun()).close();
  await until(() => router.context.streams.size === 0, 'the first one has ended');
  const before = heldBytes();
  const open = [];
  for (let count = 0; count < STREAMS; count += 1) open.push(await begun());
  expect(router.context.streams.size).toBe(STREAMS);
  expect(heldBytes() - before).toBeLessThan((STREAMS * BODY_BYTES) / 2);
  for (const source of open) source.close();
});
