/**
 * Members that the direct agent passes on without knowing them, members that it refuses by name, and how it reports an
 * upstream's failure.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { startUpstream, type Upstream } from '../support/upstream';
import { type AgentProcess, allChunks, answerText, startAgent } from './agent-process';

setDefaultTimeout(120_000);

let upstream: Upstream;
let direct: AgentProcess;
beforeAll(async () => {
  upstream = startUpstream();
  direct = await startAgent('direct', { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'the-llm' });
});
afterAll(async () => {
  await direct[Symbol.asyncDispose]();
  await upstream.stop();
});

const newest = () => upstream.requests.at(-1)?.body;
const CALL = {
  id: 'c1',
  type: 'function',
  function: { name: 'f', arguments: '{}' },
  extra_content: { google: { s: 'x' } },
};

test('members of messages that the agent does not know reach the model as they came', async () => {
  const messages = [
    { role: 'user', content: 'Hi', name: 'ada' },
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'Hm.',
      tool_calls: [CALL],
      reasoning_details: [{ type: 'x' }],
    },
    { role: 'tool', tool_call_id: 'c1', content: '5', cache: { ttl: 1 } },
  ];
  await direct.ask(messages);
  expect(newest()?.messages).toEqual(messages as never);
});

test('all parameters of a client reach the model, also unknown ones', async () => {
  const body = {
    ...{ n: 1, logprobs: true, top_logprobs: 2, logit_bias: { 5: 1 }, top_k: 3, min_p: 0.1, user: 'u' },
    ...{ chat_template_kwargs: { enable_thinking: false }, thinking: { type: 'enabled' }, service_tier: 'flex' },
    ...{ functions: [{ name: 'f' }], function_call: 'auto', stream_options: { include_obfuscation: false } },
  };
  await direct.ask('Hi', { body });
  const { stream_options: options, ...rest } = body;
  expect(newest()).toMatchObject({ ...rest, model: 'the-llm', stream: true });
  expect(newest()?.stream_options).toEqual({ ...options, include_usage: true } as never);
});

test('a parameter that asks for more than one text answer is refused by its name', async () => {
  const before = upstream.requests.length;
  for (const [param, value] of [
    ['n', 2],
    ['n', '3'],
    ['modalities', ['text', 'audio']],
  ] as const) {
    const response = await direct.ask('Hi', { body: { [param]: value }, stream: true });
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param } }]);
  }
  expect(upstream.requests).toHaveLength(before);
});

test('the model gets one system message, and the text about missing tools only if it has none', async () => {
  await Bun.write(join(direct.home, 'AGENTS.md'), 'Be brief.\n');
  await Bun.write(join(direct.home, 'NO-TOOLS.md'), 'You have no tools.\n');
  const asked = [
    { role: 'system', content: 'Be odd.' },
    { role: 'user', content: 'Hi' },
    { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
    { role: 'user', content: 'And?' },
  ];
  const others = [
    { role: 'user', content: 'Hi' },
    { role: 'user', content: 'And?' },
  ];
  await direct.ask(asked);
  const content = 'Be brief.\n\nYou have no tools.\n\nBe odd.\n\nBe kind.';
  expect(newest()?.messages).toEqual([{ role: 'system', content }, ...others]);
  await direct.ask(asked, { body: { tools: [{ type: 'function', function: { name: 'f' } }] } });
  expect(newest()?.messages?.[0]?.content).toBe('Be brief.\n\nBe odd.\n\nBe kind.');
  const cached = { type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } };
  await direct.ask([{ role: 'system', content: [cached] }, ...others]);
  expect(newest()?.messages?.[0]?.content).toEqual([{ type: 'text', text: 'Be brief.\n\nYou have no tools.' }, cached]);
});

test('an answer that is nested without end is an error, and the next one is answered', async () => {
  for (const deep of ['['.repeat(100_000), `{"a":${'{"a":'.repeat(50_000)}`]) {
    for (const stream of [true, false]) {
      upstream.script({
        status: 200,
        body: `data: ${deep}\n\ndata: [DONE]\n\n`,
        headers: { 'content-type': 'text/event-stream' },
      });
      const answer = await direct.ask('Hi', { stream });
      if (stream) expect((await allChunks(answer)).at(-2)).toHaveProperty('error.message');
      else expect(answer.status).toBe(502);
    }
  }
  expect(await answerText(await direct.ask('Hi'))).toBe('Hello from upstream.');
});
