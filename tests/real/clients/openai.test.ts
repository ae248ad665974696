/** The client matrix, with the official OpenAI client. */
import { describe, expect, test } from 'bun:test';
import OpenAI, { APIError } from 'openai';
import { AGENTS, ANSWER, SAY_IT } from './fleet';
import { ADD, type Call, matrix, SUM } from './matrix';

type Message = OpenAI.ChatCompletionMessageParam;

const TOOLS = [{ type: 'function' as const, function: ADD }];

const connect = ({ url, key, once }: Call) =>
  new OpenAI({ baseURL: url, apiKey: key, ...(once && { maxRetries: 0 }) }).chat.completions;
const options = ({ signal }: Call) => (signal ? { signal } : {});
const asking = ({ text }: Call): Message[] => [{ role: 'user', content: text }];

/** The message that streamed chunks make, when at most one tool is called. */
async function assembled(chunks: AsyncIterable<OpenAI.ChatCompletionChunk>) {
  const deltas = (await Array.fromAsync(chunks)).flatMap(({ choices }) => choices.map(({ delta }) => delta));
  const parts = deltas.flatMap((delta) => delta.tool_calls ?? []);
  const joined = (member: 'name' | 'arguments') => parts.map((part) => part.function?.[member] ?? '').join('');
  const called = { name: joined('name'), arguments: joined('arguments') };
  const id = parts.find((part) => part.id)?.id;
  return {
    role: 'assistant' as const,
    content: deltas.map(({ content }) => content ?? '').join(''),
    ...(id !== undefined && { tool_calls: [{ id, type: 'function' as const, function: called }] }),
  };
}

const fleet = matrix({
  async chat(call) {
    const answer = await connect(call).create({ model: call.model, messages: asking(call) }, options(call));
    return answer.choices[0]?.message.content ?? '';
  },

  async *stream(call) {
    const body = { model: call.model, messages: asking(call), stream: true as const };
    for await (const { choices } of await connect(call).create(body, options(call))) {
      const piece = choices[0]?.delta.content;
      if (piece) yield piece;
    }
  },

  async add(call, isStream) {
    const ask = async (messages: Message[]) => {
      const body = { model: call.model, messages, tools: TOOLS };
      if (isStream) return assembled(await connect(call).create({ ...body, stream: true }));
      const answer = await connect(call).create(body);
      const message = answer.choices[0]?.message;
      if (!message) throw new Error('There is no choice');
      return message;
    };
    const first = await ask(asking(call));
    const [called] = first.tool_calls ?? [];
    if (called?.type !== 'function') return { text: first.content ?? '', calledWith: undefined };
    const result = { role: 'tool' as const, tool_call_id: called.id, content: SUM };
    const last = await ask([...asking(call), first, result]);
    return { text: last.content ?? '', calledWith: JSON.parse(called.function.arguments) };
  },

  explain(error) {
    if (!(error instanceof APIError)) throw error;
    return { kind: error.constructor.name, status: error.status, message: error.message };
  },

  kinds: {
    'a wrong key': 'AuthenticationError',
    'an unknown model': 'NotFoundError',
    'credentials that are not set': 'UnprocessableEntityError',
    'a key that is for something else': 'PermissionDeniedError',
    'a key at its limit': 'RateLimitError',
    'a budget that is used up': 'RateLimitError',
    'an agent that does not start': 'InternalServerError',
    'an upstream that refuses the key': 'BadRequestError',
    'an upstream that is busy': 'RateLimitError',
    'an upstream that refuses the request': 'BadRequestError',
    'an agent that is lost in the middle': 'APIError',
  },
});

describe('the helper that puts a stream together', () => {
  test.each(AGENTS)('reads the answer of %s', async (agent) => {
    const { url, key, willAnswer } = fleet();
    willAnswer(agent);
    const call = { url, key, model: agent, text: SAY_IT };
    const stream = connect(call).stream({ model: agent, messages: asking(call) });
    expect(await stream.finalContent()).toBe(ANSWER);
  });
});
