/** What a model thinks for a response: an item of its own, streamed or not, stored, and told to the models that want it back. */
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import type { ResponseInputItem, ResponseOutputItem } from 'openai/resources/responses/responses';
import { answersSaved } from '../../support/chat';
import { memoryBackend, PEOPLE, startRouter } from '../../support/router';
import { chunk, DONE, functionCall, pipe, scriptedRunner, user } from '../../support/scripted-runner';
import { event } from '../../support/sse';
import { all } from '../../views/dom';

const runner = scriptedRunner('responses-thoughts');
const router = await startRouter({
  backends: [
    memoryBackend('deep', { history_reasoning: 'reasoning_content' }, runner.program),
    memoryBackend('open', { history_reasoning: 'reasoning' }, runner.program),
    memoryBackend('plain', {}, runner.program),
  ],
});
const alice = await router.person(PEOPLE.alice);
const client = await alice.openai();
afterAll(() => router[Symbol.asyncDispose]());

type Said = { readonly [member: string]: unknown };
const delta = (delta: Said, finish_reason: string | null = null) =>
  event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
const calls = (id: string, index = 0) => ({ tool_calls: [{ index, ...functionCall(id, 'add', '{}') }] });

/** Answers with these pieces of a stream. */
function streamed(...pieces: readonly (string | Uint8Array)[]): Response {
  const out = pipe();
  for (const piece of pieces) out.write(piece);
  out.close();
  return out.response();
}

/** Answers with one message. */
function whole(message: Said): Response {
  const finish_reason = 'tool_calls' in message ? 'tool_calls' : 'stop';
  return Response.json({ choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason }] });
}

const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '').messages as Said[];
const ASKED = { model: 'plain', input: 'Hi' } as const;
const TOOLS = [{ type: 'function' as const, name: 'add', parameters: {}, strict: false }];

async function eventsOf(body: object = {}) {
  const stream = await client.responses.create({ ...ASKED, stream: true, ...body });
  return Array.fromAsync(stream);
}

/** The answer of a request, streamed and put together by the client, or not streamed. */
async function respond(isStream: boolean, body: OpenAI.Responses.ResponseCreateParamsNonStreaming) {
  if (!isStream) return client.responses.create(body);
  const { stream: _, ...streaming } = body;
  return client.responses.stream(streaming).finalResponse();
}

const reasoning = (text: string, more: object = {}) => ({
  ...{ type: 'reasoning', summary: [], status: 'completed', content: [{ type: 'reasoning_text', text }], ...more },
});
const message = (text: string) => ({ type: 'message', status: 'completed', content: [{ type: 'output_text', text }] });
const called = (call_id: string) => ({ type: 'function_call', status: 'completed', call_id, name: 'add' });

beforeEach(() => {
  runner.reply = () => whole({ content: 'Fine.' });
});

describe('a stream', () => {
  test('has the documented events of a thought before those of the text and of the call, numbered', async () => {
    runner.reply = () =>
      streamed(
        delta({ role: 'assistant', content: '' }) + delta({ reasoning_content: 'Is it' }),
        delta({ content: '', reasoning_content: ' two?' }) + chunk('Let me see.') + delta(calls('call_1')),
        delta({}, 'tool_calls') + DONE,
      );
    const events = await eventsOf();
    const begun = ['output_item.added', 'content_part.added'];
    const ended = ['content_part.done', 'output_item.done'];
    expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
      ...['created', 'in_progress'],
      ...[...begun, 'reasoning_text.delta', 'reasoning_text.delta', 'reasoning_text.done', ...ended],
      ...[...begun, 'output_text.delta', 'output_text.done', ...ended],
      ...['output_item.added', 'function_call_arguments.delta', 'function_call_arguments.done', 'output_item.done'],
      'completed',
    ]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    const last = events.at(-1);
    if (last?.type !== 'response.completed') throw new Error('premise');
    const [thought] = last.response.output;
    const place = { item_id: thought?.id, output_index: 0, content_index: 0 };
    const part = { type: 'reasoning_text', text: 'Is it two?' };
    expect(events.slice(2, 9) as object[]).toMatchObject([
      { output_index: 0, item: { ...reasoning('', { status: 'in_progress' }), id: thought?.id, content: [] } },
      { ...place, part: { type: 'reasoning_text', text: '' } },
      { ...place, delta: 'Is it' },
      { ...place, delta: ' two?' },
      { ...place, text: 'Is it two?' },
      { ...place, part },
      { output_index: 0, item: reasoning('Is it two?') },
    ]);
    // Those of texts and calls do not depend on what is thought.
    const ids = ['rs_', 'msg_', 'fc_'].map((prefix) => last.response.id.replace('resp_', prefix));
    expect(last.response.output.map(({ id }) => id)).toEqual([ids[0], ids[1], `${ids[2]}_1`]);
    expect(last.response.output as object[]).toMatchObject([
      reasoning('Is it two?'),
      message('Let me see.'),
      called('call_1'),
    ]);
  });

  test('that breaks in a thought ends it as incomplete', async () => {
    runner.reply = () => streamed(delta({ reasoning: 'Is it' }) + event({ error: { message: 'Out of ink.' } }) + DONE);
    const events: { readonly type: string; readonly response?: unknown }[] = [];
    const stream = await client.responses.create({ ...ASKED, stream: true });
    const read = async () => {
      for await (const one of stream) events.push(one);
    };
    expect(await read().catch((thrown: unknown) => thrown)).toMatchObject({ message: 'Out of ink.' });
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', output: [reasoning('Is it', { status: 'incomplete' })] },
    });
  });

  test('has no thought where only white space is thought', async () => {
    runner.reply = () =>
      streamed(delta({ reasoning_content: '\n' }) + chunk('<think>\n\n</think>\n\nTwo.') + delta({}, 'stop') + DONE);
    const response = await client.responses.stream(ASKED).finalResponse();
    expect(response.output as object[]).toMatchObject([message('Two.')]);
    // Nor has a chat that is stored, and read as a response.
    const chat = { model: 'plain', messages: [user('Hi')], store: true, stream: true as const };
    const { data, response: head } = await client.chat.completions.create(chat).withResponse();
    await Array.fromAsync(data);
    for (const id of [response.conversation?.id, head.headers.get('x-conversation-id')]) {
      await answersSaved(router, id ?? '');
      const [, answer] = await router.context.conversations.page(id ?? '', { limit: 2 });
      const stored = await client.responses.retrieve(`resp_${answer?.id}`);
      expect(stored.output as object[]).toMatchObject([message('Two.')]);
    }
  });
});

test.each([1, 5, 100])('a thought in tags is no text, in pieces of %d characters', async (size) => {
  const sent = '\n<think>A <b> thought</think>\n\nThe answer has a <think> tag.';
  const pieces = sent.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
  runner.reply = () => streamed(...pieces.map(chunk), delta({}, 'stop') + DONE);
  const response = await client.responses.stream(ASKED).finalResponse();
  expect(response.output_text).toBe('The answer has a <think> tag.');
  expect(response.output as object[]).toMatchObject([reasoning('A <b> thought'), message(response.output_text)]);
  await answersSaved(router, response.conversation?.id ?? '');
  const { output } = await client.responses.retrieve(response.id);
  expect(output as object[]).toMatchObject([reasoning('A <b> thought'), message(response.output_text)]);
});

test('a text that only begins like a tag is said before a call, and at the end', async () => {
  runner.reply = () => streamed(chunk('<thi') + delta(calls('call_1')) + delta({}, 'tool_calls') + DONE);
  const called = await client.responses.stream(ASKED).finalResponse();
  expect(called.output as object[]).toMatchObject([message('<thi'), { type: 'function_call' }]);
  runner.reply = () => streamed(chunk('<thi') + DONE);
  expect((await client.responses.stream(ASKED).finalResponse()).output_text).toBe('<thi');
  runner.reply = () => whole({ content: '<thi' });
  expect((await client.responses.create(ASKED)).output_text).toBe('<thi');
});

test('the probabilities of a text have none of the thought in tags before it', async () => {
  const token = (text: string) => ({ token: text, logprob: -0.5, bytes: [], top_logprobs: [] });
  const said = (content: string, ...tokens: readonly string[]) =>
    event({ choices: [{ index: 0, delta: { content }, logprobs: { content: tokens.map(token) } }] });
  const pieces = ['<thi', 'nk>', 'Hm'].map((text) => said(text, text));
  const logprobs = async () => {
    const last = (await eventsOf()).at(-1);
    const item = last?.type === 'response.completed' ? last.response.output.at(-1) : undefined;
    const [part] = item?.type === 'message' ? item.content : [];
    return part?.type === 'output_text' ? part.logprobs?.map((one) => one.token) : undefined;
  };
  for (const behind of [
    [said('.</think>\n', '.</think>', '\n'), said('\n', '\n'), said('\nTwo', '\n', 'Two')],
    [said('.</think>\nTwo', '.</think>', '\n', 'Two')],
  ]) {
    runner.reply = () => streamed(...pieces, ...behind, said('.', '.'), delta({}, 'stop') + DONE);
    expect(await logprobs()).toEqual(['Two', '.']);
  }
  // What is held because it may be a tag keeps them.
  runner.reply = () => streamed(said(' ', ' '), said('<', '<'), said('b>', 'b', '>'), delta({}, 'stop') + DONE);
  expect(await logprobs()).toEqual([' ', '<', 'b', '>']);
});

test.each(['reasoning_content', 'reasoning'])(
  'an answer that is not streamed has its %s as an item',
  async (member) => {
    runner.reply = () =>
      whole({ content: 'Let me see.', [member]: 'Is it two?', tool_calls: [functionCall('call_1')] });
    const response = await client.responses.create(ASKED);
    expect(response.output as object[]).toMatchObject([
      reasoning('Is it two?', { id: response.id.replace('resp_', 'rs_') }),
      message('Let me see.'),
      called('call_1'),
    ]);
    expect(response.output_text).toBe('Let me see.');
    await answersSaved(router, response.conversation?.id ?? '');
    const stored = await client.responses.retrieve(response.id);
    expect(stored.output.map(({ id }) => id)).toEqual(response.output.map(({ id }) => id));
    expect(stored.output as object[]).toMatchObject(response.output as object[]);
  },
);

test('thoughts between texts and calls keep their places, and are read again item by item', async () => {
  const thought = (text: string) => delta({ reasoning_content: text });
  runner.reply = () =>
    streamed(
      ...[thought('One?'), chunk('One.'), thought('Two?'), chunk('Two.'), thought('Add?'), delta(calls('call_1'))],
      ...[thought('Again?'), delta(calls('call_2', 1)), thought('Enough.'), delta({}, 'tool_calls') + DONE],
    );
  const response = await client.responses.stream({ ...ASKED, store: true }).finalResponse();
  const output = [
    ...[reasoning('One?'), message('One.'), reasoning('Two?'), message('Two.'), reasoning('Add?'), called('call_1')],
    ...[reasoning('Again?'), called('call_2'), reasoning('Enough.')],
  ];
  expect(response.output as object[]).toMatchObject(output);
  const id = response.conversation?.id ?? '';
  await answersSaved(router, id);
  const stored = await client.responses.retrieve(response.id);
  expect(stored.output as object[]).toMatchObject(output);
  expect(stored.output.map((item) => item.id)).toEqual(response.output.map((item) => item.id));
  // The page and the files of the conversation have them as those of a chat.
  const page = await (await alice.request(`/conversations/${id}`)).text();
  const texts = ['One?', 'Two?', 'Add?', 'Again?', 'Enough.'];
  expect((await all(page, '.step .prose')).map(({ text }) => text)).toEqual(texts);
  const fileOf = async (of: string) => (await alice.request(`/api/conversations/${of}/export?format=json`)).json();
  const file = (await fileOf(id)) as { messages: { steps?: { text?: string }[] }[] };
  expect(file.messages.at(-1)?.steps?.map(({ text }) => text)).toEqual(texts);
  const send = { method: 'POST', body: file };
  const imported = await (await alice.request('/api/conversations/import?backend=plain', send)).json();
  const { conversation } = imported as { conversation: { id: string } };
  expect(await fileOf(conversation.id)).toMatchObject({ messages: file.messages });
});

test.each([
  ['blank text before a call', [chunk('\n\n'), delta(calls('call_1')), delta({}, 'tool_calls')]],
  [
    'a tool of the agent between two thoughts',
    [
      `event: hermes.tool.progress\n${event({ tool: 'ls', toolCallId: 't1', status: 'running' })}`,
      ...[delta({ reasoning_content: ' Yes.' }), delta(calls('call_1')), delta({}, 'tool_calls')],
    ],
  ],
])('an answer has the same items when it is read again: %s', async (_, pieces) => {
  runner.reply = () => streamed(delta({ reasoning_content: 'Hm?' }), ...pieces, DONE);
  const response = await client.responses.stream(ASKED).finalResponse();
  await answersSaved(router, response.conversation?.id ?? '');
  const stored = await client.responses.retrieve(response.id);
  const items = (of: typeof response) => of.output.map((item) => [item.id, item.type === 'reasoning' && item.content]);
  expect(items(stored as typeof response)).toEqual(items(response));
});

test.each(['', 'a'])('a long text of characters of two halves comes whole, behind "%s"', async (before) => {
  const text = before + '😀'.repeat(100_000);
  runner.reply = () => streamed(delta({ reasoning_content: text }), chunk(text), delta({}, 'stop') + DONE);
  const response = await client.responses.stream(ASKED).finalResponse();
  expect(response.output_text === text).toBe(true);
  expect(response.output as object[]).toMatchObject([reasoning(text), message(text)]);
});

test('a token that adds nothing yet to a thought makes no text', async () => {
  const token = { token: 'a', logprob: -0.5, bytes: [0xe4], top_logprobs: [] };
  const thought = (reasoning_content: string) =>
    event({ choices: [{ index: 0, delta: { reasoning_content }, logprobs: { content: [token] } }] });
  runner.reply = () => streamed(thought('H'), thought(''), thought('m'), chunk('Two.'), delta({}, 'stop') + DONE);
  const response = await client.responses.stream(ASKED).finalResponse();
  expect(response.output as object[]).toMatchObject([reasoning('Hm'), message('Two.')]);
});

describe.each([
  ['deep', { reasoning_content: 'Is it two?' }],
  ['open', { reasoning: 'Is it two?' }],
  ['plain', {}],
])('"%s" is told what it wants of the thought for its call, with the call', (model, thought) => {
  const tool_calls = [functionCall('call_1', 'add', '{}')];
  const MESSAGES = [
    user('How many?'),
    { role: 'assistant', content: 'Let me see.', ...thought, tool_calls },
    { role: 'tool', tool_call_id: 'call_1', content: '2' },
  ];
  const CALLING = {
    whole: () => whole({ content: 'Let me see.', reasoning_content: 'Is it two?', tool_calls }),
    stream: () =>
      streamed(
        delta({ reasoning_content: 'Is it' }) + delta({ reasoning_content: ' two?' }) + chunk('Let me see.'),
        delta(calls('call_1')) + delta({}, 'tool_calls') + DONE,
      ),
  };
  const SAID = user('How many?');
  const RESULT = { type: 'function_call_output' as const, call_id: 'call_1', output: '2' };
  /** The second request of the round trip, by the ways in which it continues the first. */
  const WAYS: Record<string, (first: OpenAI.Responses.Response) => object> = {
    'by the id of the response': ({ id }) => ({ previous_response_id: id, input: [RESULT] }),
    'in the conversation': ({ conversation }) => ({ conversation: conversation?.id, input: [RESULT] }),
    'with its items': ({ output }) => ({ input: [SAID, ...output, RESULT], store: false }),
    'with references to its items': ({ output }) => ({
      input: [SAID, ...output.map(({ id }) => ({ type: 'item_reference', id })), RESULT],
    }),
    'by the id, with its items as well': ({ id, output }) => ({
      previous_response_id: id,
      input: [...output.filter(({ type }) => type !== 'message'), RESULT],
    }),
  };

  for (const how of ['whole', 'stream'] as const) {
    test.each(Object.keys(WAYS))(`%s: ${how}`, async (way) => {
      const isStream = how === 'stream';
      runner.reply = CALLING[how];
      const first = await respond(isStream, { model, input: [SAID], tools: TOOLS, store: true });
      const end = chunk('Two.') + delta({}, 'stop') + DONE;
      runner.reply = () => (isStream ? streamed(end) : whole({ content: 'Two.' }));
      const second = await respond(isStream, { model, input: [], tools: TOOLS, ...WAYS[way]?.(first) });
      expect(second.output_text).toBe('Two.');
      expect(told()).toEqual(MESSAGES);
    });
  }
});

describe('of what a client sends back', () => {
  const own = (text: string): ResponseInputItem => ({ id: 'rs_1', ...reasoning(text) }) as ResponseInputItem;
  const call = (call_id: string) => ({ type: 'function_call' as const, call_id, name: 'add', arguments: '{}' });
  const result = (call_id: string) => ({ type: 'function_call_output' as const, call_id, output: 'x' });
  const sent = async (input: ResponseInputItem[], model = 'deep') => {
    await client.responses.create({ model, input, tools: TOOLS, store: false });
    return told();
  };
  const calling = (id: string, more: object = {}) => ({
    ...{ role: 'assistant', content: null, ...more, tool_calls: [functionCall(id, 'add', '{}')] },
  });
  const found = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'x' });

  test('each step has its own thought, and an answer without calls has one too', async () => {
    const answer = { role: 'assistant' as const, content: 'Two.' };
    expect(
      await sent([
        ...[user('How many?'), own('First.'), call('a'), result('a'), own('Second.'), call('b'), result('b')],
        ...[own('Said.'), answer, user('Sure?')],
      ]),
    ).toEqual([
      ...[user('How many?'), calling('a', { reasoning_content: 'First.' }), found('a')],
      ...[calling('b', { reasoning_content: 'Second.' }), found('b')],
      ...[{ ...answer, reasoning_content: 'Said.' }, user('Sure?')],
    ]);
  });

  test('thoughts of one step are one text, and one without a step is left out', async () => {
    expect(
      await sent([
        own('Lost.'),
        user('How many?'),
        own('One?'),
        call('a'),
        own('Two?'),
        call('b'),
        result('a'),
        result('b'),
      ]),
    ).toEqual([
      user('How many?'),
      {
        ...{ role: 'assistant', content: null, reasoning_content: 'One?\n\nTwo?' },
        tool_calls: [functionCall('a', 'add', '{}'), functionCall('b', 'add', '{}')],
      },
      ...[found('a'), found('b')],
    ]);
    expect(await sent([user('Hi'), own('Nothing.')])).toEqual([user('Hi')]);
  });

  test('the thought of a call that is stored is not told a second time, with another call', async () => {
    runner.reply = () => whole({ content: null, reasoning_content: 'First.', ...calls('a') });
    const first = await client.responses.create({ model: 'deep', input: 'Hi', tools: TOOLS });
    runner.reply = () => whole({ content: 'Fine.' });
    const input = [...first.output, result('a'), call('b'), result('b')] as ResponseInputItem[];
    await client.responses.create({ model: 'deep', input, tools: TOOLS, previous_response_id: first.id });
    const thought = { reasoning_content: 'First.' };
    expect(told()).toEqual([user('Hi'), calling('a', thought), found('a'), calling('b'), found('b')]);
  });

  test('a summary of another API stands for its thought, and what only that API can read is left out', async () => {
    const summary = [{ type: 'summary_text' as const, text: 'In short.' }];
    const foreign = { type: 'reasoning' as const, id: 'rs_2', encrypted_content: 'gAAAAAB' };
    const rest = [call('a'), result('a')];
    expect((await sent([user('Hi'), { ...foreign, summary }, ...rest]))[1]).toEqual(
      calling('a', { reasoning_content: 'In short.' }),
    );
    expect((await sent([user('Hi'), { ...foreign, summary: [] }, ...rest]))[1]).toEqual(calling('a'));
    const reference = { type: 'item_reference' as const, id: `rs_${'0'.repeat(24)}` };
    expect((await sent([user('Hi'), reference, ...rest]))[1]).toEqual(calling('a'));
  });

  test('encrypted_content is the thought, for a client that asks for it and sends nothing else back', async () => {
    const include = ['reasoning.encrypted_content' as const];
    const answers = [
      () => whole({ content: null, reasoning_content: 'Is it two?', ...calls('a') }),
      () => streamed(delta({ reasoning_content: 'Is it two?' }) + delta(calls('a')) + delta({}, 'tool_calls') + DONE),
    ];
    for (const [isStream, reply] of answers.entries()) {
      runner.reply = reply;
      const body = { model: 'deep', input: [user('Hi')], tools: TOOLS, store: false };
      const { output } = await respond(isStream === 1, { ...body, include });
      const [thought] = output;
      if (thought?.type !== 'reasoning') throw new Error('premise');
      runner.reply = () => whole({ content: 'Two.' });
      const { content: _, id: __, ...kept } = thought;
      const back = [kept, call('a'), result('a')] as ResponseInputItem[];
      expect((await sent([user('Hi'), ...back]))[1]).toEqual(calling('a', { reasoning_content: 'Is it two?' }));
      runner.reply = reply;
      const unasked: ResponseOutputItem[] = (await respond(isStream === 1, body)).output;
      expect(unasked[0]).not.toHaveProperty('encrypted_content');
    }
  });
});
