/**
 * A client's tools: the direct agent has none of its own, so its model may call the client's, and the client answers.
 */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startUpstream, type Upstream } from '../support/upstream';
import { type AgentProcess, allChunks, answerText, startAgent } from './agent-process';

setDefaultTimeout(120_000);

const TOOLS = [{ type: 'function', function: { name: 'add', parameters: { type: 'object' } } }];
const CALL = { id: 'call_1', type: 'function', function: { name: 'add', arguments: '{"a":2,"b":3}' } };
const QUESTION = { role: 'user', content: 'What is 2 + 3?' };
const CALLED = { role: 'assistant', content: null, tool_calls: [CALL] };
const RESULT = { role: 'tool', tool_call_id: 'call_1', content: '5' };

let upstream: Upstream;
let direct: AgentProcess;
beforeEach(async () => {
  upstream = startUpstream();
  direct = await startAgent('direct', { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'the-llm' });
});
afterEach(async () => {
  await direct[Symbol.asyncDispose]();
  await upstream.stop();
});

/** The model calls the tool, in parts as models do. */
function scriptCall(): void {
  const parts = [
    { index: 0, id: CALL.id, type: 'function', function: { name: 'add', arguments: '' } },
    { index: 0, function: { arguments: '{"a":2,' } },
    { index: 0, function: { arguments: '"b":3}' } },
  ];
  const chunk = (delta: object, finish: string | null) => ({ choices: [{ index: 0, delta, finish_reason: finish }] });
  const chunks = [...parts.map((part) => chunk({ tool_calls: [part] }, null)), chunk({}, 'tool_calls')];
  const body = [...chunks.map((one) => JSON.stringify(one)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
  upstream.script({ status: 200, body, headers: { 'content-type': 'text/event-stream' } });
}

const toldTo = async (count: number) => (await upstream.request(count)).body;

test('a call of a tool reaches the client whole, and the model is offered what the client offers', async () => {
  scriptCall();
  const answer = await direct.ask([QUESTION], { body: { tools: TOOLS, tool_choice: 'auto' } });
  expect(await answer.json()).toMatchObject({
    choices: [{ finish_reason: 'tool_calls', message: { content: null, tool_calls: [CALL] } }],
  });
  expect(await toldTo(1)).toMatchObject({ tools: TOOLS, tool_choice: 'auto' });
});

test('a streamed call of a tool reaches the client in the parts in which it came', async () => {
  scriptCall();
  const chunks = await allChunks(await direct.ask([QUESTION], { stream: true, body: { tools: TOOLS } }));
  const said = JSON.stringify(chunks);
  for (const part of ['"id":"call_1"', '{\\"a\\":2,', '\\"b\\":3}', '"finish_reason":"tool_calls"']) {
    expect(said).toContain(part);
  }
});

test('the output of a call is sent to the model with the call, and an output without its call is refused', async () => {
  expect(await answerText(await direct.ask([QUESTION, CALLED, RESULT], { body: { tools: TOOLS } }))).toBe(
    'Hello from upstream.',
  );
  expect((await toldTo(1)).messages).toEqual([QUESTION, CALLED, RESULT]);
  const refused = await direct.ask([QUESTION, { role: 'tool', content: '5' }]);
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: { param: 'messages[1]' } }]);
});

test('of a turn with tools, a session stores the question and the final answer', async () => {
  const session = 'tools';
  scriptCall();
  await direct.ask([QUESTION], { session, body: { tools: TOOLS } });
  expect(existsSync(join(direct.home, 'sessions/tools.jsonl'))).toBe(false);
  await direct.ask([QUESTION, CALLED, RESULT], { session, body: { tools: TOOLS } });
  await direct.ask(
    [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'And now?' },
    ],
    { session },
  );
  expect((await toldTo(3)).messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    QUESTION,
    { role: 'assistant', content: 'Hello from upstream.' },
    { role: 'user', content: 'And now?' },
  ]);
});
