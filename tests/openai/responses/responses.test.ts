/** `/v1/responses` of a backend that serves only chat, through the official client: requests and answers. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import OpenAI, { BadRequestError, InternalServerError } from 'openai';
import type { ResponseInputItem } from 'openai/resources/responses/responses';
import { type ResponseBody, responder } from '../../support/responses';
import { memoryBackend, PEOPLE, startRouter, type TestRouter } from '../../support/router';
import { completion, scriptedRunner } from '../../support/scripted-runner';

const runner = scriptedRunner('responses');
let router: TestRouter;
let client: OpenAI;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('chatty', {}, runner.program),
      memoryBackend('native', { paths: ['chat/completions', 'responses'] }, runner.program),
      memoryBackend('neither', { paths: ['embeddings'] }, runner.program),
    ],
  });
  const alice = await router.person(PEOPLE.alice);
  client = await alice.openai();
});
afterAll(() => router[Symbol.asyncDispose]());

const respond = responder(() => client, 'chatty');
/** The last request that arrived at the runner. */
const told = () => JSON.parse(runner.requests.at(-1)?.text ?? '') as Record<string, unknown>;
const answered = (message: object, finish_reason = 'stop', more: object = {}) =>
  Response.json({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason }], ...more });

async function refusal(body: object): Promise<InstanceType<typeof BadRequestError>> {
  const count = runner.requests.length;
  const error = await respond(body as ResponseBody).catch((thrown: unknown) => thrown);
  expect(runner.requests).toHaveLength(count);
  if (error instanceof BadRequestError) return error;
  throw new Error(`Not refused: ${JSON.stringify(error)}`);
}

test('an answer is a response: its text, its usage, its options, and ids of the documented kinds', async () => {
  const usage = {
    prompt_tokens: 5,
    completion_tokens: 3,
    total_tokens: 8,
    prompt_tokens_details: { cached_tokens: 2 },
    completion_tokens_details: { reasoning_tokens: 1 },
  };
  runner.reply = () => answered({ role: 'assistant', content: 'Hello.' }, 'stop', { usage });
  const response = await respond({ input: 'Hi', instructions: 'Be brief.', metadata: { a: 'b' }, temperature: 0.5 });
  expect(response).toMatchObject({
    object: 'response',
    status: 'completed',
    error: null,
    incomplete_details: null,
    model: 'chatty',
    instructions: 'Be brief.',
    metadata: { a: 'b' },
    temperature: 0.5,
    output_text: 'Hello.',
    output: [
      { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Hello.' }] },
    ],
  } as object);
  expect(response.usage as object).toEqual({
    input_tokens: 5,
    input_tokens_details: { cached_tokens: 2 },
    output_tokens: 3,
    output_tokens_details: { reasoning_tokens: 1 },
    total_tokens: 8,
  });
  expect([response.id, response.output[0]?.id]).toEqual([
    expect.stringMatching(/^resp_[0-9a-f]{24}$/),
    expect.stringMatching(/^msg_[0-9a-f]{24}$/),
  ]);
  expect(runner.requests.at(-1)?.path).toBe('/v1/chat/completions');
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
  ];
  expect(told()).toEqual({ model: 'chatty', temperature: 0.5, messages });
});

test('a request is translated to the same request in chat', async () => {
  runner.reply = () => completion('Hello.');
  const parameters = { type: 'object', properties: {} };
  const schema = { name: 'colour', strict: true, schema: parameters };
  await respond({
    input: [
      { role: 'developer', content: 'Be kind.' },
      { role: 'user', content: [{ type: 'input_text', text: 'Look.' }] },
      { role: 'assistant', content: 'I look.' },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'And?' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'low' },
        ],
      },
    ],
    tools: [{ type: 'function', name: 'look', description: 'Looks.', parameters, strict: true }],
    tool_choice: { type: 'function', name: 'look' },
    max_output_tokens: 50,
    top_p: 0.1,
    user: 'somebody',
    reasoning: { effort: 'low' },
    text: { format: { type: 'json_schema', ...schema }, verbosity: 'low' },
    include: ['reasoning.encrypted_content'],
    store: false,
    background: false,
  });
  expect(told()).toEqual({
    model: 'chatty',
    messages: [
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Look.' },
      { role: 'assistant', content: 'I look.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'And?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail: 'low' } },
        ],
      },
    ],
    tools: [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters, strict: true } }],
    tool_choice: { type: 'function', function: { name: 'look' } },
    max_completion_tokens: 50,
    top_p: 0.1,
    user: 'somebody',
    reasoning_effort: 'low',
    response_format: { type: 'json_schema', json_schema: schema },
    verbosity: 'low',
  });
});

test('function calls go to the client, and their outputs come back', async () => {
  const call = (id: string, name: string) => ({ id, type: 'function', function: { name, arguments: '{"x":1}' } });
  const calls = [call('call_1', 'look'), call('call_2', 'listen')];
  runner.reply = () => answered({ role: 'assistant', content: 'One moment.', tool_calls: calls }, 'tool_calls');
  const input: ResponseInputItem[] = [{ role: 'user', content: 'What is there?' }];
  const response = await respond({ input });
  const item = { type: 'function_call', status: 'completed', arguments: '{"x":1}' };
  expect(response.output as object[]).toMatchObject([
    { type: 'message' },
    { ...item, call_id: 'call_1', name: 'look' },
    { ...item, call_id: 'call_2', name: 'listen' },
  ]);
  expect(new Set(response.output.map(({ id }) => id)).size).toBe(3);
  runner.reply = () => completion('A bird.');
  const outputs: ResponseInputItem[] = ['call_1', 'call_2'].map((call_id) => ({
    type: 'function_call_output',
    call_id,
    output: `of ${call_id}`,
  }));
  expect(
    (await respond({ input: [...input, ...(response.output as ResponseInputItem[]), ...outputs] })).output_text,
  ).toBe('A bird.');
  expect(told().messages).toEqual([
    { role: 'user', content: 'What is there?' },
    { role: 'assistant', content: 'One moment.', tool_calls: calls },
    { role: 'tool', tool_call_id: 'call_1', content: 'of call_1' },
    { role: 'tool', tool_call_id: 'call_2', content: 'of call_2' },
  ]);
});

test('an answer that was cut short is incomplete and says why, and one that failed says that', async () => {
  for (const [finish, reason] of [
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ]) {
    runner.reply = () => answered({ role: 'assistant', content: 'Hel' }, finish);
    const response = await respond({ input: 'Hi' });
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason }, usage: null } as object);
    expect(response.output[0]).toMatchObject({ status: 'incomplete' });
  }
  runner.reply = () => answered({ role: 'assistant', content: 'Hel' }, 'error');
  const failed = await respond({ input: 'Hi' });
  expect(failed).toMatchObject({ status: 'failed', output_text: 'Hel', error: { code: 'server_error' } } as object);
});

test('a member that chat does not have is refused by its name, before any request to the runner', async () => {
  const user = { role: 'user', content: 'Hi' };
  const cases: [object, string][] = [
    [{ input: 'Hi', background: true }, 'background'],
    [{ input: 'Hi', prompt: { id: 'pmpt_1' } }, 'prompt'],
    [{ input: 'Hi', tools: [{ name: 'a' }] }, 'tools[0]'],
    [{ input: 'Hi', tools: [{ type: 'web_search' }], tool_choice: 'required' }, 'tool_choice'],
    [{ input: 'Hi', tools: [{ type: 'web_search' }], tool_choice: { type: 'function', name: 'a' } }, 'tool_choice'],
    [{ input: 'Hi', tools: 'all' }, 'tools'],
    [{ input: 'Hi', tool_choice: { type: 'web_search_preview' } }, 'tool_choice.type'],
    [{ input: 'Hi', text: { format: { type: 'grammar' } } }, 'text.format.type'],
    [{ input: 'Hi', instructions: 7 }, 'instructions'],
    [{}, 'input'],
    [{ input: [user, 7] }, 'input[1]'],
    [{ input: [{ role: 'critic', content: 'Hi' }] }, 'input[0].role'],
    [{ input: [{ role: 'user' }] }, 'input[0].content'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] }, 'input[0].content[0].file_id'],
    [{ input: [{ role: 'user', content: [{ type: 'input_file', file_url: 'f' }] }] }, 'input[0].content[0].file_url'],
    // What is missing, or has another form, is named, and not what could stand in its place.
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0].image_url'],
    [
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: { url: 'x' } }] }] },
      'input[0].content[0].image_url',
    ],
    [{ input: [{ role: 'user', content: [{ type: 'input_file' }] }] }, 'input[0].content[0].file_data'],
    [{ input: [{ role: 'user', content: [{ type: 'input_text' }] }] }, 'input[0].content[0].text'],
    [{ input: [{ role: 'user', content: [{ type: 'hologram' }] }] }, 'input[0].content[0].type'],
    [{ input: [user, { type: 'function_call_output', call_id: 'c', output: '' }] }, 'input[1].call_id'],
    [{ input: 'Hi', previous_response_id: 'resp_x', conversation: 'y' }, 'previous_response_id'],
  ];
  for (const [body, param] of cases) {
    const error = await refusal(body);
    expect([param, error.param, error.code]).toEqual([param, param, 'invalid_request']);
    expect(error.message).toContain(param);
  }
});

test('sources and probabilities of a text are asked for and told as in a response', async () => {
  const citation = { url: 'https://example.org/', title: 'Example', start_index: 0, end_index: 5 };
  const token = { token: 'Hello', logprob: -0.1, bytes: [72], top_logprobs: [] };
  const message = {
    role: 'assistant',
    content: 'Hello',
    annotations: [{ type: 'url_citation', url_citation: citation }],
  };
  const choices = [{ index: 0, message, logprobs: { content: [token], refusal: null }, finish_reason: 'stop' }];
  runner.reply = () => Response.json({ object: 'chat.completion', choices });
  const { output } = await respond({ input: 'Hi', top_logprobs: 2 });
  const annotations = [{ type: 'url_citation', ...citation }];
  const content = [{ type: 'output_text', text: 'Hello', annotations, logprobs: [token] }];
  expect(output).toMatchObject([{ type: 'message', content }] as object[]);
  expect(told()).toMatchObject({ logprobs: true, top_logprobs: 2 });
  await respond({ input: 'Hi', include: ['message.output_text.logprobs'] });
  expect(told()).toMatchObject({ logprobs: true });
  await respond({ input: 'Hi' });
  expect(Object.keys(told())).toEqual(['model', 'messages']);
});

test('an answer with the probabilities of too many tokens is not asked for again, and is a failed one where it is recorded', async () => {
  const one = { token: 'abc', logprob: -0.123456, bytes: [97, 98, 99] };
  const content = new Array(1_500).fill({ ...one, top_logprobs: new Array(20).fill(one) });
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, logprobs: { content } }];
  runner.reply = () => Response.json({ object: 'chat.completion', choices });
  const count = runner.requests.length;
  const refused = await client.responses
    .create({ model: 'chatty', input: 'Hi', top_logprobs: 20 }, { maxRetries: 2 })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(refused).toBeInstanceOf(InternalServerError);
  expect([refused, runner.requests.length]).toMatchObject([{ code: 'answer_too_large' }, count + 1]);
  const asked: OpenAI.ChatCompletionCreateParamsNonStreaming = {
    ...{ model: 'chatty', messages: [{ role: 'user', content: 'Hi' }], store: true, logprobs: true },
  };
  const { data, response } = await client.chat.completions.create(asked).withResponse();
  expect(data.choices[0]?.logprobs?.content).toHaveLength(content.length);
  const id = response.headers.get('x-conversation-id') ?? '';
  const stored = (await router.context.stores.conversations.page(id, { limit: 1 })).at(-1);
  expect(stored).toMatchObject({ status: 'failed', failure: { code: 'answer_too_large' } });
});

test('a refusal of the runner is passed on, and an answer that is no completion is an error', async () => {
  runner.reply = () => Response.json({ error: { message: 'No such tool.', code: 'nope' } }, { status: 400 });
  const refused = await respond({ input: 'Hi' }).catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(BadRequestError);
  expect(refused).toMatchObject({ code: 'nope' });
  for (const body of ['Hello', '', '[', 'null']) {
    runner.reply = () => new Response(body, { headers: { 'content-type': 'application/json' } });
    const broken = await respond({ input: 'Hi' }).catch((thrown: unknown) => thrown);
    expect([body, broken]).toEqual([body, expect.any(InternalServerError)]);
  }
  expect(router.context.runners.running().map(({ status }) => status.leases)).toEqual([0]);
});

test('a backend that serves responses itself gets the request as it is, and one without either says so', async () => {
  runner.reply = () => Response.json({ id: 'its-own', object: 'response', output: [] });
  const text = '{"model": "native",  "input":"Hi", "background": true, "previous_response_id": "its-own-id"}';
  const headers = { authorization: `Bearer ${client.apiKey}`, 'content-type': 'application/json' };
  const response = await fetch(`${router.url}/v1/responses`, { method: 'POST', body: text, headers });
  expect([response.status, await response.json()]).toMatchObject([200, { id: 'its-own' }]);
  expect(runner.requests.at(-1)).toMatchObject({ path: '/v1/responses', text });
  const none = await client.responses.create({ model: 'neither', input: 'Hi' }).catch((thrown: unknown) => thrown);
  expect(none).toBeInstanceOf(OpenAI.NotFoundError);
  expect(String(none)).toMatch(/does not serve \/v1\/responses\. Agents serve chat\/completions and responses/);
  const put = await fetch(`${router.url}/v1/responses`, { method: 'PUT', body: '{"model":"chatty"}', headers });
  expect(put.status).toBe(405);
});
