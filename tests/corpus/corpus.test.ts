/**
 * Sends every exchange of the corpus through `direct` as a process behind a router: chat and responses, streamed and
 * not, as OpenAI's own client reads them and as they are stored. Also as the answers of a runner that passes them on
 * unchanged.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { APIError, type OpenAI } from 'openai';
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import { setValues } from '../support/broker';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';
import { bodyOf, type CorpusExchange, type Expected, readCorpus, responseOf } from './exchanges';

setDefaultTimeout(120_000);

const ROOT = join(import.meta.dir, '../..');
const corpus = await readCorpus();
const answers = corpus.filter(({ expect: { error } }) => !error);
const failures = corpus.filter(({ expect: { error } }) => error);
/** Streams that a runner may send, by its contract. */
const streams = answers.filter(({ reply }) => reply.json === undefined && /data: ?\[DONE\]/.test(bodyOf(reply)));

const runner = scriptedRunner('corpus');
let router: TestRouter;
let upstream: Bun.Server<undefined>;
let client: OpenAI;
beforeAll(async () => {
  upstream = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer });
  const entries: Record<string, unknown>[] = JSON.parse(
    (await readFile(join(ROOT, 'backends.json'), 'utf8')).replace(/\$\{BACKENDS_DIR\}/g, ROOT),
  );
  const direct = entries.filter(({ name }) => name === 'direct');
  router = await startRouter({ backends: [...direct, memoryBackend('verbatim', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  await setValues(alice, { LLM_BASE_URL: `${upstream.url.href}v1`, LLM_API_KEY: 'sk-of-the-corpus', LLM_MODEL: 'm' });
  client = await alice.openai();
  runner.reply = ({ text }) => responseOf(asked(JSON.parse(text).messages).reply, false);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await upstream.stop(true);
});

/** The exchange whose number is in the newest message. */
function asked(messages: readonly { readonly content?: unknown }[]): CorpusExchange {
  const found = corpus[Number(messages.at(-1)?.content)];
  if (!found) throw new Error('The last message names no exchange');
  return found;
}

async function answer(request: Request): Promise<Response> {
  const body = (await request.json()) as { messages: { content?: unknown }[]; stream_options?: object };
  return responseOf(asked(body.messages).reply, body.stream_options !== undefined);
}

const question = (exchange: CorpusExchange) => String(corpus.indexOf(exchange));
const TOOLS = ['get_weather', 'get_date', 'get_time', 'random_number'];
const chat = (exchange: CorpusExchange, model: string) => ({
  ...{ model, store: true, ...exchange.ask },
  messages: [{ role: 'user' as const, content: question(exchange) }],
  ...(exchange.expect.calls && { tools: TOOLS.map((name) => ({ type: 'function' as const, function: { name } })) }),
});
const response = (exchange: CorpusExchange, model: string) => ({ model, store: true, input: question(exchange) });

/** The stored answer, after it has ended. */
async function storedIn(head: Response) {
  const id = head.headers.get('x-conversation-id') ?? '';
  const message = await until(async () => {
    const last = (await router.context.stores.conversations.page(id, { limit: 1 })).at(-1);
    return last?.role === 'assistant' && last.status !== 'streaming' && last;
  }, 'the answer is stored');
  const calls = (message.calls ?? []).map(({ name, arguments: args }) => [name, args]);
  return { text: message.content, calls, status: message.status, failure: message.failure };
}

const said = ({ text = '', calls = [] }: Expected) => ({ text, calls });
/** Stored is what was said, also where it is a refusal. */
const done = ({ text = '', message, ...expected }: Expected) => ({
  ...said({ ...expected, text: `${text}${message?.refusal ?? ''}` }),
  ...{ status: 'done', failure: null },
});

async function whole(exchange: CorpusExchange, model: string) {
  const { data, response: head } = await client.chat.completions.create(chat(exchange, model)).withResponse();
  return { completion: data, stored: await storedIn(head) };
}

async function streamed(exchange: CorpusExchange, model: string) {
  const options = { ...chat(exchange, model), stream: true as const, stream_options: { include_usage: true } };
  const { data, response: head } = await client.chat.completions.create(options).withResponse();
  const completion = await ChatCompletionStream.fromReadableStream(data.toReadableStream()).finalChatCompletion();
  return { completion, stored: await storedIn(head) };
}

async function respond(exchange: CorpusExchange, model: string) {
  const { data, response: head } = await client.responses.create(response(exchange, model)).withResponse();
  return { answer: data, stored: await storedIn(head) };
}

async function respondInStream(exchange: CorpusExchange, model: string) {
  const options = { ...response(exchange, model), stream: true as const };
  const { data, response: head } = await client.responses.create(options).withResponse();
  const events = await Array.fromAsync(data);
  const last = events.findLast(({ type }) => /^response\.(completed|incomplete|failed)$/.test(type));
  return { answer: (last as { response: OpenAI.Responses.Response }).response, stored: await storedIn(head) };
}

function readChat(completion: OpenAI.ChatCompletion) {
  const choice = completion.choices[0];
  const calls = (choice?.message.tool_calls ?? []).flatMap((call) => {
    return call.type === 'function' ? [[call.function.name, call.function.arguments]] : [];
  });
  const ids = (choice?.message.tool_calls ?? []).map(({ id }) => id);
  expect([ids.every((id) => id !== ''), new Set(ids).size]).toEqual([true, ids.length]);
  return { text: choice?.message.content ?? '', calls, finish: choice?.finish_reason };
}

function readResponse({ output }: OpenAI.Responses.Response) {
  const text = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const calls = output.flatMap((item) => (item.type === 'function_call' ? [[item.name, item.arguments]] : []));
  return { text: text.map((part) => (part.type === 'output_text' ? part.text : '')).join(''), calls };
}

const errorOf = (run: Promise<unknown>) =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

test('the corpus is large enough, and every exchange has its source', () => {
  expect(corpus.length).toBeGreaterThanOrEqual(60);
  expect(new Set(corpus.map(({ server }) => server)).size).toBeGreaterThanOrEqual(18);
  for (const { server, name, source } of corpus)
    expect([server, name, URL.canParse(source)]).toEqual([server, name, true]);
});

describe('through direct, what a server sends is what OpenAI’s client expects:', () => {
  for (const exchange of answers) {
    const { expect: expected } = exchange;
    test(`${exchange.server}: ${exchange.name}`, async () => {
      const { completion, stored } = await whole(exchange, 'direct');
      expect(readChat(completion)).toEqual({ ...said(expected), finish: expected.finish } as never);
      expect(stored).toEqual(done(expected) as never);
      const message = { ...completion.choices[0]?.message } as Record<string, unknown>;
      if (expected.reasoning) expect(message.reasoning_content ?? message.reasoning).toBe(expected.reasoning);
      if (expected.message) expect(message).toMatchObject(expected.message);
      if (expected.choice) expect(completion.choices[0]).toMatchObject(expected.choice);
      if (expected.usage) {
        const [prompt_tokens, completion_tokens] = expected.usage;
        expect(completion.usage).toMatchObject({ prompt_tokens, completion_tokens });
      }
      const stream = await streamed(exchange, 'direct');
      expect(readChat(stream.completion)).toEqual({ ...said(expected), finish: expected.finish } as never);
      expect(stream.stored).toEqual(done(expected) as never);
      for (const { answer, stored } of [await respond(exchange, 'direct'), await respondInStream(exchange, 'direct')]) {
        expect(readResponse(answer)).toEqual(said(expected) as never);
        expect(stored).toEqual(done(expected) as never);
        expect(answer.status).toBe(/length|filter/.test(expected.finish ?? '') ? 'incomplete' : 'completed');
        if (expected.usage) expect(answer.usage?.input_tokens).toBe(expected.usage[0]);
      }
    });
  }
});

describe('through direct, what a server fails with is an error of OpenAI’s client with its words:', () => {
  for (const exchange of failures) {
    const { status, message } = exchange.expect.error ?? { status: 0, message: '' };
    test(`${exchange.server}: ${exchange.name}`, async () => {
      const words = { message: expect.stringContaining(message) };
      for (const run of [whole, respond]) {
        const error = await errorOf(run(exchange, 'direct'));
        expect(error).toBeInstanceOf(APIError);
        expect(error).toMatchObject({ status, ...words });
      }
      for (const open of [
        () => client.chat.completions.create({ ...chat(exchange, 'direct'), stream: true }).withResponse(),
        () => client.responses.create({ ...response(exchange, 'direct'), stream: true }).withResponse(),
      ]) {
        const opened = await open().catch((error: unknown) => error);
        if (opened instanceof APIError) {
          // Before the first byte it is a status.
          expect(opened).toMatchObject({ status, ...words });
          continue;
        }
        const { data, response: head } = opened as Awaited<ReturnType<typeof open>>;
        expect(await errorOf(Array.fromAsync<unknown>(data))).toMatchObject(words);
        expect(await storedIn(head)).toMatchObject({ status: 'failed', failure: words });
      }
    });
  }
});

describe('from a runner that passes it on as it is, what a server sends is stored and translated:', () => {
  for (const exchange of streams) {
    test(`${exchange.server}: ${exchange.name}`, async () => {
      const { stored, answer } = await respondInStream(exchange, 'verbatim');
      expect(readResponse(answer)).toEqual(said(exchange.expect) as never);
      expect(stored).toEqual(done(exchange.expect) as never);
      const options = { ...chat(exchange, 'verbatim'), stream: true as const };
      const sent = await client.chat.completions.create(options).asResponse();
      // Byte for byte, for every content.
      expect((await sent.text()).replace(/^(: .*\n)+/, '')).toBe(bodyOf(exchange.reply).replace(/^(: .*\n)+/, ''));
      expect(await storedIn(sent)).toEqual(done(exchange.expect) as never);
    });
  }
});
