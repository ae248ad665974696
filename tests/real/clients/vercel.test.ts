/** The client matrix, with Vercel's `ai` and its provider for OpenAI-compatible APIs. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AISDKError, APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { ADD, type Call, matrix, SUM } from './matrix';

/** Options of both kinds of requests. `onError` keeps `ai` from printing the errors that the test reads. */
function asked({ url, key, model, text, signal, once }: Call) {
  const provider = createOpenAICompatible({ name: 'agent-stack', baseURL: url, apiKey: key });
  return {
    model: provider(model),
    prompt: text,
    ...(signal && { abortSignal: signal }),
    ...(once && { maxRetries: 0 }),
  };
}
const onError = () => undefined;

matrix({
  chat: async (call) => (await generateText(asked(call))).text,

  async *stream(call) {
    for await (const part of streamText({ ...asked(call), onError }).fullStream) {
      if (part.type === 'text-delta') yield part.text;
      if (part.type === 'error') throw part.error;
    }
  },

  async add(call, isStream) {
    let calledWith: unknown;
    const add = tool({
      description: ADD.description,
      inputSchema: jsonSchema<{ a: number; b: number }>(ADD.parameters),
      execute(input) {
        calledWith = input;
        return SUM;
      },
    });
    const options = { ...asked(call), tools: { add }, stopWhen: stepCountIs(3) };
    const text = isStream ? await streamText({ ...options, onError }).text : (await generateText(options)).text;
    return { text, calledWith };
  },

  explain(error) {
    if (!AISDKError.isInstance(error)) throw error;
    const { name, message } = error;
    if (!APICallError.isInstance(error)) return { kind: name, status: undefined, message };
    return { kind: error.isRetryable ? `${name}, to be retried` : name, status: error.statusCode, message };
  },

  kinds: {
    'a wrong key': 'AI_APICallError',
    'an unknown model': 'AI_APICallError',
    'credentials that are not set': 'AI_APICallError',
    'a key that is for something else': 'AI_APICallError',
    'a key at its limit': 'AI_APICallError, to be retried',
    'a budget that is used up': 'AI_APICallError, to be retried',
    'an agent that does not start': 'AI_APICallError, to be retried',
    'an upstream that refuses the key': 'AI_APICallError',
    'an upstream that is busy': 'AI_APICallError, to be retried',
    'an upstream that refuses the request': 'AI_APICallError',
    'an agent that is lost in the middle': 'AI_StreamProviderError',
  },
});
