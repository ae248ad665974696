/** The client matrix, with LangChain's chat model for OpenAI. */
import { ChatOpenAI } from '@langchain/openai';
import { APIError } from 'openai';
import { ADD, type Call, matrix, SUM } from './matrix';

const connect = ({ url, key, model, once }: Call) =>
  new ChatOpenAI({ model, apiKey: key, configuration: { baseURL: url }, ...(once && { maxRetries: 0 }) });
const options = ({ signal }: Call) => (signal ? { signal } : {});

matrix({
  chat: async (call) => (await connect(call).invoke(call.text, options(call))).text,

  async *stream(call) {
    for await (const { text } of await connect(call).stream(call.text, options(call))) if (text) yield text;
  },

  async add(call, isStream) {
    const model = connect(call).bindTools([{ type: 'function', function: ADD }]);
    type Messages = Exclude<Parameters<typeof model.invoke>[0], string>;
    const ask = async (messages: Messages) => {
      if (!isStream) return model.invoke(messages);
      const [first, ...others] = await Array.fromAsync(await model.stream(messages));
      if (!first) throw new Error('There is no chunk');
      return others.reduce((whole, chunk) => whole.concat(chunk), first);
    };
    const question = { role: 'user', content: call.text };
    const first = await ask([question]);
    const [called] = first.tool_calls ?? [];
    if (!called?.id) return { text: first.text, calledWith: undefined };
    const last = await ask([question, first, { role: 'tool', tool_call_id: called.id, content: SUM }]);
    return { text: last.text, calledWith: called.args };
  },

  explain(error) {
    if (!(error instanceof APIError)) throw error;
    const code = 'lc_error_code' in error ? `, ${String(error.lc_error_code)}` : '';
    return { kind: `${error.constructor.name}${code}`, status: error.status, message: error.message };
  },

  kinds: {
    'a wrong key': 'AuthenticationError, MODEL_AUTHENTICATION',
    'an unknown model': 'NotFoundError, MODEL_NOT_FOUND',
    'credentials that are not set': 'UnprocessableEntityError',
    'a key that is for something else': 'PermissionDeniedError',
    'a key at its limit': 'RateLimitError, MODEL_RATE_LIMIT',
    'a budget that is used up': 'RateLimitError, MODEL_RATE_LIMIT',
    'an agent that does not start': 'InternalServerError',
    'an upstream that refuses the key': 'BadRequestError',
    'an upstream that is busy': 'RateLimitError, MODEL_RATE_LIMIT',
    'an upstream that refuses the request': 'BadRequestError',
    'an agent that is lost in the middle': 'APIError',
  },
});
