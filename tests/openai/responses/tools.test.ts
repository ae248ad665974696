/** Tools that chat does not have: what the agent gets, and what the client gets back. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../../support/router';
import { callingCompletion, completion, DONE, pipe, scriptedRunner } from '../../support/scripted-runner';

const runner = scriptedRunner('responses-tools');
let router: TestRouter;
let client: OpenAI;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('plain', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  client = await alice.openai();
});
afterAll(() => router[Symbol.asyncDispose]());

const respond = (body: object) =>
  client.responses.create({
    model: 'plain',
    store: false,
    ...body,
  } as OpenAI.Responses.ResponseCreateParamsNonStreaming);
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '') as Record<string, unknown>;
const parameters = { type: 'object', properties: {} };
const fn = (name: string) => ({ type: 'function', name, description: `to ${name}`, parameters });
const chatFn = (name: string, is = name) => ({
  ...{ type: 'function', function: { name, description: `to ${is}`, parameters } },
});
const namespace = (name: string, ...names: string[]) => ({ type: 'namespace', name, tools: names.map(fn) });
const call = (id: string, name: string) => ({ id, type: 'function', function: { name, arguments: '{}' } });

/** Tools as Codex sends them without configuration, and OpenAI's other kinds. */
const OTHERS = [
  { type: 'web_search', external_web_access: false },
  { type: 'web_search_preview' },
  { type: 'custom', name: 'apply_patch', format: { type: 'grammar', syntax: 'lark', definition: 'x' } },
  ...[{ type: 'local_shell' }, { type: 'shell' }, { type: 'apply_patch' }, { type: 'tool_search' }],
  { type: 'mcp', server_label: 'x', server_url: 'https://example.org' },
  { type: 'file_search', vector_store_ids: ['vs_1'] },
  { type: 'code_interpreter', container: { type: 'auto' } },
  ...[{ type: 'image_generation' }, { type: 'computer_use_preview' }, { type: 'of_tomorrow' }],
];

test('tools that an agent lacks are left out, and the rest of the request is kept', async () => {
  runner.reply = () => completion('Fine.');
  const response = await respond({ input: 'Hi', tools: [fn('look'), ...OTHERS, namespace('mcp__a', 'x'), fn('go')] });
  expect(response.output_text).toBe('Fine.');
  expect(told().tools).toEqual([chatFn('look'), chatFn('mcp__a__x', 'x'), chatFn('go')]);
  for (const tool of OTHERS) {
    for (const choice of [undefined, 'auto', 'none']) {
      await respond({ input: 'Hi', tools: [tool], tool_choice: choice, parallel_tool_calls: true });
      // Upstreams refuse members about tools if there are no tools.
      expect(Object.keys(told()).filter((name) => name.includes('tool'))).toEqual([]);
    }
  }
});

test('a tool that the client insists on and no agent has is refused by its name', async () => {
  const count = runner.requests.length;
  for (const [choice, param] of [
    ...OTHERS.map(({ type }) => [{ type }, 'tool_choice.type'] as const),
    ['required', 'tool_choice'],
    [{ type: 'allowed_tools', mode: 'required', tools: [{ type: 'web_search' }] }, 'tool_choice'],
    [{ type: 'function', name: 'look' }, 'tool_choice'],
  ] as const) {
    const error = await respond({ input: 'Hi', tools: OTHERS, tool_choice: choice }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 400, param, code: 'invalid_request' });
  }
  expect(runner.requests).toHaveLength(count);
});

test('members of a namespace become functions, and their calls come back with it', async () => {
  const tools = [namespace('mcp__files__', 'read', 'write'), namespace('mcp__mail', 'read'), fn('read')];
  const names = ['mcp__files__read', 'mcp__mail__read', 'read'];
  runner.reply = () => callingCompletion(null, ...names.map((name, index) => call(`call_${index}`, name)));
  const { output } = await respond({ input: 'Hi', tools });
  const items = [
    { call_id: 'call_0', namespace: 'mcp__files__', name: 'read' },
    { call_id: 'call_1', namespace: 'mcp__mail', name: 'read' },
    { call_id: 'call_2', name: 'read' },
  ];
  expect(output as object[]).toMatchObject(items);
  expect(output[2]).not.toHaveProperty('namespace');
  // The calls have the same names in the next request.
  const outputs = items.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: 'done' }));
  runner.reply = () => completion('Fine.');
  await respond({ input: [{ role: 'user', content: 'Hi' }, ...output, ...outputs], tools });
  const [, said] = told().messages as { tool_calls?: { function: { name: string } }[] }[];
  expect(said?.tool_calls?.map((one) => one.function.name)).toEqual(names);
  // So has a tool choice.
  await respond({ input: 'Hi', tools, tool_choice: { type: 'function', name: 'read', namespace: 'mcp__mail' } });
  expect(told().tool_choice).toEqual({ type: 'function', function: { name: 'mcp__mail__read' } });
  await respond({
    ...{ input: 'Hi', tools },
    tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'namespace', name: 'mcp__files__' }] },
  });
  expect(told()).toMatchObject({
    tool_choice: 'required',
    tools: [{ function: { name: 'mcp__files__read' } }, { function: { name: 'mcp__files__write' } }],
  });
});

test('a call of a namespace is streamed with it from its first event on', async () => {
  const out = pipe();
  const delta = (tool_calls: object[]) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { tool_calls } }] })}\n\n`;
  out.write(delta([{ index: 0, ...call('call_1', 'mcp__a__x'), function: { name: 'mcp__a__x', arguments: '' } }]));
  out.write(delta([{ index: 0, function: { arguments: '{}' } }]) + DONE);
  out.close();
  runner.reply = () => out.response();
  const stream = await client.responses.create({
    ...{ model: 'plain', input: 'Hi', store: false, stream: true },
    tools: [namespace('mcp__a', 'x')] as never,
  });
  const items: object[] = [];
  for await (const event of stream) {
    if (event.type === 'response.output_item.added' || event.type === 'response.output_item.done')
      items.push(event.item);
  }
  const item = { type: 'function_call', call_id: 'call_1', namespace: 'mcp__a', name: 'x' };
  expect(items).toMatchObject([item, { ...item, arguments: '{}' }]);
});

test('a stored call of a namespace is read with it, and gone on from with the name that the model knows', async () => {
  runner.reply = () => callingCompletion(null, call('call_1', 'mcp__mail__read'), call('call_2', 'go'));
  const tools = [namespace('mcp__mail', 'read'), fn('go')];
  const first = await respond({ input: 'Hi', tools, store: true });
  const items = [
    { type: 'function_call', call_id: 'call_1', namespace: 'mcp__mail', name: 'read' },
    { type: 'function_call', call_id: 'call_2', name: 'go' },
  ];
  const read = async () => (await client.responses.retrieve(first.id)).output as object[];
  await until(async () => (await read()).length === 2, 'it is saved');
  expect(await read()).toMatchObject(items);
  expect((await read())[1]).not.toHaveProperty('namespace');
  runner.reply = () => completion('Read.');
  const outputs = ['call_1', 'call_2'].map((call_id) => ({ type: 'function_call_output', call_id, output: 'x' }));
  await respond({ input: outputs, previous_response_id: first.id, tools });
  const [, { tool_calls }] = told().messages as [object, { tool_calls: object[] }];
  expect(tool_calls).toMatchObject([{ function: { name: 'mcp__mail__read' } }, { function: { name: 'go' } }]);
});

test('a name that is too long for a function is cut, and stays unique', async () => {
  const long = 'x'.repeat(60);
  const tools = [namespace('mcp__one', `${long}1`, `${long}2`), namespace('mcp.two', 'a b')];
  runner.reply = () => completion('Fine.');
  await respond({ input: 'Hi', tools });
  const names = (told().tools as { function: { name: string } }[]).map((one) => one.function.name);
  expect(new Set(names).size).toBe(3);
  for (const name of names) expect(name).toMatch(/^[\w-]{1,64}$/);
  runner.reply = () => callingCompletion(null, call('call_1', names[1] ?? ''), call('call_2', names[2] ?? ''));
  expect((await respond({ input: 'Hi', tools })).output as object[]).toMatchObject([
    { namespace: 'mcp__one', name: `${long}2` },
    { namespace: 'mcp.two', name: 'a b' },
  ]);
});

test('items of tools that are no functions travel as text, each where it was said', async () => {
  runner.reply = () => completion('Fine.');
  const call_id = 'call_1';
  await respond({
    input: [
      { role: 'user', content: 'Hi' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' },
      { type: 'function_call', call_id: 'f', name: 'look', arguments: '{}' },
      { type: 'custom_tool_call', call_id, name: 'apply_patch', input: '*** Begin' },
      { type: 'custom_tool_call_output', call_id, output: 'Success.' },
      { type: 'function_call_output', call_id: 'f', output: 'a bird' },
      { type: 'local_shell_call', call_id: 'l', status: 'completed', action: { type: 'exec', command: ['ls'] } },
      { type: 'local_shell_call_output', call_id: 'l', output: '{"stdout":"a.txt"}' },
      { type: 'shell_call_output', call_id: 's', output: [{ stdout: 'b.txt', stderr: '' }] },
      { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'birds' } },
      { type: 'image_generation_call', id: 'ig_1', result: 'iVBORw0KGgo=' },
      { type: 'mcp_approval_request', id: 'a', name: 'send', arguments: '{}' },
      { type: 'mcp_approval_response', approval_request_id: 'a', approve: true },
      { type: 'computer_call_output', call_id: 'c', output: { type: 'computer_screenshot', image_url: 'data:x' } },
      { type: 'compaction', encrypted_content: 'x' },
    ],
    tools: [fn('look')],
  });
  const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });
  const user = (content: unknown) => ({ role: 'user', content });
  expect(told().messages).toEqual([
    user('Hi'),
    assistant('[custom_tool_call] name: apply_patch\ninput: *** Begin', { tool_calls: [call('f', 'look')] }),
    { role: 'tool', tool_call_id: 'f', content: 'a bird' },
    user('[custom_tool_call_output] output: Success.'),
    assistant('[local_shell_call] action: {"type":"exec","command":["ls"]}'),
    user('[local_shell_call_output] output: {"stdout":"a.txt"}'),
    user('[shell_call_output] output: [{"stdout":"b.txt","stderr":""}]'),
    assistant(
      '[web_search_call] action: {"type":"search","query":"birds"}\n[image_generation_call]\n[mcp_approval_request] name: send\narguments: {}',
    ),
    user('[mcp_approval_response] approval_request_id: a\napprove: true'),
    user([
      { type: 'text', text: '[computer_call_output]' },
      { type: 'image_url', image_url: { url: 'data:x' } },
    ]),
  ]);
});

test('a picture among the outputs of a tool comes in a message of the user behind all outputs', async () => {
  runner.reply = () => completion('Fine.');
  const image = { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'low' };
  const told_image = { type: 'image_url', image_url: { url: image.image_url, detail: 'low' } };
  const ids = ['call_1', 'call_2', 'call_3'];
  await respond({
    input: [
      { role: 'user', content: 'Look' },
      ...ids.map((call_id) => ({ type: 'function_call', call_id, name: 'look', arguments: '{}' })),
      { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: 'Seen.' }, image] },
      { type: 'function_call_output', call_id: 'call_2', output: [image] },
      { type: 'function_call_output', call_id: 'call_3', output: [{ type: 'input_text', text: 'Nothing.' }] },
    ],
    tools: [fn('look')],
  });
  const picture = (id: string) => ({
    ...{ role: 'user', content: [{ type: 'text', text: `Of the output of the call ${id}:` }, told_image] },
  });
  expect((told().messages as object[]).slice(2)).toEqual([
    { role: 'tool', tool_call_id: 'call_1', content: 'Seen.' },
    { role: 'tool', tool_call_id: 'call_2', content: 'The output is in the next message of the user.' },
    { role: 'tool', tool_call_id: 'call_3', content: 'Nothing.' },
    picture('call_1'),
    picture('call_2'),
  ]);
});

test('a picture that a tool gave is no new message of the user, in a conversation that is kept', async () => {
  runner.reply = () => callingCompletion(null, call('call_1', 'look'));
  const tools = [fn('look')];
  const first = await respond({ input: 'Look', tools, store: true });
  runner.reply = () => completion('A bird.');
  const output = [{ type: 'input_image', image_url: 'data:x' }];
  const input = [{ type: 'function_call_output', call_id: 'call_1', output }];
  const second = await respond({ input, tools, previous_response_id: first.id, store: true });
  expect((told().messages as { role: string }[]).map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'tool',
    'user',
  ]);
  const page = await router.context.conversations.page(second.conversation?.id ?? '', { limit: 9 });
  expect(page.map(({ role, content }) => [role, content])).toEqual([
    ['user', 'Look'],
    ['assistant', ''],
    ['assistant', 'A bird.'],
  ]);
});
