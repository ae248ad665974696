/** Deeply nested JSON from a client, an upstream or a runner is refused or ignored, and makes no other answer fail. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type BrokerBench, startBroker } from '../support/broker';
import { DONE } from '../support/scripted-runner';

let bench: BrokerBench;
let key: string;
beforeAll(async () => {
  bench = await startBroker('nested');
  key = await bench.alice.createKey();
});
afterAll(() => bench[Symbol.asyncDispose]());

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const post = (body: string) =>
  fetch(`${bench.router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  });
const asking = (more: string) => `{"model":"agent","messages":[{"role":"user","content":"Hi"}]${more}}`;
const conversations = () => bench.router.context.conversations.list(bench.alice.id);

test('a body nested deeper than the limit is refused in words, one at the limit is not', async () => {
  const refused = await post(asking(`,"x":${nested(200)}`));
  const { error } = (await refused.json()) as { error: { code: string; message: string } };
  expect([refused.status, error.code, error.message]).toEqual([
    400,
    'invalid_request',
    'The body is nested deeper than 200 levels.',
  ]);
  expect((await post(asking(`,"x":${nested(199)}`))).status).toBe(200);
  // Brackets inside a string are no nesting.
  expect((await post(asking(`,"x":${JSON.stringify(`"\\${nested(5_000)}`)}`))).status).toBe(200);
});

test('a request that is refused leaves no conversation, and one that is answered leaves one', async () => {
  const before = (await conversations()).length;
  for (const more of [`,"store":true,"x":${nested(40_000)}`, `,"store":true,"x":"`, ',"store":true,"model":"nope"']) {
    expect((await post(asking(more))).status).toBeGreaterThanOrEqual(400);
  }
  const empty = await bench.alice.request('/agents/nope/conversations', { method: 'POST', body: { text: 'Hi' } });
  expect(empty.status).toBe(404);
  const [{ id = '' } = {}] = await bench.router.context.agents.list(bench.alice.id);
  const body = new URLSearchParams({ text: 'x'.repeat(200_001) });
  expect((await bench.alice.request(`/agents/${id}/conversations`, { method: 'POST', body })).status).toBe(422);
  expect((await conversations()).length).toBe(before);
  expect((await post(asking(',"store":true'))).status).toBe(200);
  expect((await conversations()).length).toBe(before + 1);
});

test('an upstream’s deeply nested answer without usage reaches the runner, and has a row', async () => {
  const before = (await bench.rows()).length;
  const whole = `{"choices":[{"message":{"role":"assistant","content":${nested(60_000)}}}]}`;
  const stream = `data: {"choices":[{"delta":{"content":${nested(60_000)}}}]}\n\n${DONE}`;
  for (const [body, type] of [
    [whole, 'application/json'],
    [stream, 'text/event-stream'],
  ] as const) {
    bench.upstream.script({ status: 200, body, headers: { 'content-type': type } });
    const answer = await bench.complete({ stream: type !== 'application/json' });
    expect([answer.status, await answer.text()]).toEqual([200, body]);
  }
  const rows = (await bench.rows()).slice(0, 2);
  expect((await bench.rows()).length).toBe(before + 2);
  expect(rows.map(({ status, ending, estimated }) => [status, ending, estimated])).toEqual([
    [200, 'done', true],
    [200, 'done', true],
  ]);
});

test('events of a runner that cannot be read are skipped, and the rest of the answer is kept', async () => {
  const odd = ['null', '7', '"text"', nested(100), nested(100_000), '{"a":[]}'];
  const events = odd.flatMap((value) => [
    `{"type":"response.output_item.done","output_index":${value},"item":${value}}`,
    `{"choices":${value}}`,
    `{"choices":[${value}]}`,
    `{"choices":[{"delta":${value},"finish_reason":${value}}]}`,
    `{"choices":[{"delta":{"content":${value},"tool_calls":${value}}}],"usage":${value}}`,
    `{"choices":[{"delta":{"tool_calls":[${value},{"index":${value},"id":${value},"function":{"name":${value}}}]}}]}`,
  ]);
  const text = (part: string) => `data: {"choices":[{"index":0,"delta":{"content":"${part}"}}]}\n\n`;
  const body = `${text('a')}${events.map((event) => `data: ${event}\n\n`).join('')}${text('b')}${DONE}`;
  bench.runner.reply = () => new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  const answer = await post(asking(',"stream":true,"store":true'));
  const conversation = answer.headers.get('x-conversation-id') ?? '';
  expect(await answer.text()).toBe(body);
  const [, kept] = await bench.router.context.conversations.page(conversation, { limit: 9 });
  // Content that is text is kept, whatever members are beside it.
  expect([kept?.content.startsWith('a'), kept?.content.endsWith('b')]).toEqual([true, true]);
});
