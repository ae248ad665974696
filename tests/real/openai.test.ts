/** The official OpenAI client against the router as a process, with the demo agent as a process of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  UnprocessableEntityError,
} from 'openai';
import { PASSAGE, UNICODE } from '../../backends/demo/texts';
import shipped from '../../backends.json';
import { type RouterProcess, startRouterProcess } from '../support/process';
import { until } from '../support/router';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

let router: RouterProcess;
let client: OpenAI;

beforeAll(async () => {
  router = await startRouterProcess();
  const admin = await router.signIn();
  client = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: await admin.createKey(), maxRetries: 0 });
});
afterAll(() => router[Symbol.asyncDispose]());

const say = (content: string, model = 'demo') => ({ model, messages: [{ role: 'user' as const, content }] });
const stream = (content: string) => client.chat.completions.create({ ...say(content), stream: true });

/** The text of a stream before it ended, and the error with which it ended. */
async function read(content: string): Promise<{ text: string; error: unknown }> {
  let text = '';
  try {
    for await (const chunk of await stream(content)) text += chunk.choices[0]?.delta.content ?? '';
    return { text, error: undefined };
  } catch (error) {
    return { text, error };
  }
}

/** The log of the living runners of the demo. */
async function runnerLog(): Promise<string> {
  const found = await router.runners();
  const path = (life: string) => join(router.dataRoot, 'drivers/process/logs', `${life}.log`);
  return (await Promise.all(found.map(({ mark }) => Bun.file(path(mark.life)).text()))).join('');
}

async function refusal(call: () => Promise<unknown>): Promise<APIError> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof APIError)) throw new Error(`Not refused as OpenAI refuses: ${String(error)}`);
  return error;
}

test('the client lists the models', async () => {
  const models = await Array.fromAsync(await client.models.list());
  const names = shipped.map(({ name }) => name);
  const own = shipped.flatMap(({ name, extra_models: more = [] }) => [name, ...more]);
  expect(models.map(({ id }) => id)).toEqual([...own, ...names.map((name) => `@${name}`)]);
  expect(models.every(({ object }) => object === 'model')).toBe(true);
  expect((await client.models.retrieve('demo')).id).toBe('demo');
});

test('a streamed answer starts the runner and arrives whole, with finish reason and usage', async () => {
  const answer = await client.chat.completions.create({
    ...say('unicode'),
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await Array.fromAsync(answer);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(UNICODE);
  expect(chunks.findLast((chunk) => chunk.choices[0]?.finish_reason)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)?.usage?.total_tokens).toBeGreaterThan(0);
});

test('an answer that is not streamed arrives as one completion', async () => {
  const answer = await client.chat.completions.create(say('echo one two'));
  expect(answer.choices[0]?.message).toMatchObject({ role: 'assistant', content: 'one two' });
  expect(answer.usage?.completion_tokens).toBeGreaterThan(0);
});

test('law 9: a client that aborts ends the answer in the runner', async () => {
  const answer = await stream('slow');
  for await (const chunk of answer) {
    if (chunk.choices[0]?.delta.content) answer.controller.abort();
  }
  await until(async () => (await runnerLog()).includes('turn.cancelled'), 'the runner cancels its turn');
});

test('a wrong key is an AuthenticationError', async () => {
  const stranger = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: 'sk-as-of-nobody', maxRetries: 0 });
  const error = await refusal(() => stranger.chat.completions.create(say('hello')));
  expect(error).toBeInstanceOf(AuthenticationError);
  expect(error.message).toContain('API key');
});

test('an unknown model is a NotFoundError that names the ones there are', async () => {
  const error = await refusal(() => client.chat.completions.create(say('hello', 'gpt-9')));
  expect(error).toBeInstanceOf(NotFoundError);
  expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
  expect(error.message).toContain('demo');
});

test('an agent without its credentials is an UnprocessableEntityError that names them, streamed or not', async () => {
  for (const streamed of [false, true]) {
    const error = await refusal(() => client.chat.completions.create({ ...say('hello', 'direct'), stream: streamed }));
    expect(error).toBeInstanceOf(UnprocessableEntityError);
    expect(error.code).toBe('credentials_missing');
    expect(error.message).toContain('LLM_API_KEY');
  }
});

test("a request that the agent cannot read is a BadRequestError in the agent's words", async () => {
  const error = await refusal(() => client.chat.completions.create({ model: 'demo', messages: [] }));
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error.message).toContain('message');
});

test('an agent that fails before it answers is an InternalServerError with its code, streamed or not', async () => {
  for (const streamed of [false, true]) {
    const error = await refusal(() => client.chat.completions.create({ ...say('fail'), stream: streamed }));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ status: 500, code: 'demo_failure' });
  }
});

test("an error event in the middle reaches the client as the agent's own APIError", async () => {
  const { text, error } = await read('error');
  expect(text).not.toBe('');
  expect(PASSAGE).toStartWith(text);
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({ code: 'demo_failure' });
});

test.each(['break', 'crash'])(
  'law 10: when the agent is lost in the middle (%s), the client reads an APIError after the text',
  async (word) => {
    const { text, error } = await read(word);
    expect(text).not.toBe('');
    expect(PASSAGE).toStartWith(text);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'runner_lost' });
  },
);

test('law 5: after a crash the next request starts a new runner by itself', async () => {
  await read('crash');
  const { text, error } = await read('echo here again');
  expect({ text, error }).toEqual({ text: 'here again', error: undefined });
  expect(await router.runners()).toHaveLength(1);
});
