/**
 * The formats in which servers report usage, as documented or as reported by others, each with its public source. A
 * budget would not limit a call whose usage is not recognised.
 */
import { expect, test } from 'bun:test';
import { AnswerTail, tokensOfAnswer } from '../../router/broker/answer-usage';
import { type Tokens, tokensOf } from '../../router/usage/tokens';
import { event } from '../support/sse';

const tokens = (prompt: number, completion: number, cached = 0, reasoning = 0): Tokens => ({
  ...{ prompt, completion, cached, reasoning },
});

interface Shape {
  readonly server: string;
  readonly source: string;
  readonly usage: object;
  readonly tokens: Tokens | undefined;
}

const SHAPES: readonly Shape[] = [
  {
    server: 'OpenAI chat: cached and reasoning tokens are within',
    source: 'https://github.com/64bit/async-openai/issues/272',
    usage: {
      ...{ prompt_tokens: 2006, completion_tokens: 300, total_tokens: 2306 },
      prompt_tokens_details: { cached_tokens: 1920 },
      completion_tokens_details: { reasoning_tokens: 256, accepted_prediction_tokens: 0 },
    },
    tokens: tokens(2006, 300, 1920, 256),
  },
  {
    server: 'OpenAI responses, with what was written to the cache',
    source: 'https://github.com/openai/openai-python/blob/main/src/openai/types/responses/response_usage.py',
    usage: {
      ...{ input_tokens: 36, output_tokens: 87, total_tokens: 123 },
      input_tokens_details: { cached_tokens: 30, cache_write_tokens: 6 },
      output_tokens_details: { reasoning_tokens: 60 },
    },
    tokens: tokens(36, 87, 30, 60),
  },
  {
    server: 'OpenAI embeddings',
    source: 'https://platform.openai.com/docs/api-reference/embeddings/create',
    usage: { prompt_tokens: 8, total_tokens: 8 },
    tokens: tokens(8, 0),
  },
  {
    server: 'OpenAI images of the GPT image models',
    source: 'https://www.rubydoc.info/gems/openai/OpenAI/Models/ImagesResponse/Usage',
    usage: {
      ...{ input_tokens: 50, output_tokens: 4160, total_tokens: 4210 },
      input_tokens_details: { text_tokens: 10, image_tokens: 40 },
    },
    tokens: tokens(50, 4160),
  },
  {
    server: 'OpenAI transcriptions billed by tokens',
    source: 'https://docs.rs/crate/outfox-openai/latest/source/src/spec/shared/transcription_usage.rs',
    usage: {
      ...{ type: 'tokens', input_tokens: 14, output_tokens: 45, total_tokens: 59 },
      input_token_details: { text_tokens: 0, audio_tokens: 14 },
    },
    tokens: tokens(14, 45),
  },
  {
    server: 'OpenAI transcriptions billed by duration tell no tokens',
    source: 'https://docs.rs/crate/outfox-openai/latest/source/src/spec/shared/transcription_usage.rs',
    usage: { type: 'duration', seconds: 9 },
    tokens: undefined,
  },
  {
    server: 'Azure',
    source: 'https://learn.microsoft.com/en-us/azure/ai-foundry/openai/how-to/prompt-caching',
    usage: {
      ...{ completion_tokens: 1518, prompt_tokens: 1566, total_tokens: 3084 },
      completion_tokens_details: { audio_tokens: null, reasoning_tokens: 576 },
      prompt_tokens_details: { audio_tokens: null, cached_tokens: 1408 },
    },
    tokens: tokens(1566, 1518, 1408, 576),
  },
  {
    server: 'Mistral, by its page on prompt caching',
    source: 'https://github.com/mistralai/client-ts/issues/240',
    usage: {
      ...{ prompt_tokens: 1013, total_tokens: 1043, completion_tokens: 30 },
      ...{ prompt_audio_seconds: null, prompt_tokens_details: { cached_tokens: 1008 } },
    },
    tokens: tokens(1013, 30, 1008),
  },
  {
    server: 'Mistral, by its reference',
    source: 'https://github.com/vercel/ai/issues/14382',
    usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110, num_cached_tokens: 64 },
    tokens: tokens(100, 10, 64),
  },
  {
    server: 'Mistral, in the other spelling of its reference',
    source: 'https://github.com/vercel/ai/pull/14891',
    usage: {
      ...{ prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
      prompt_token_details: { cached_tokens: 64 },
    },
    tokens: tokens(100, 10, 64),
  },
  {
    server: 'DeepSeek: hits and misses of its cache are the prompt',
    source: 'https://docs.rs/crate/ds-api/0.10.7/source/src/raw/response/non_streaming/usage.rs',
    usage: {
      ...{ prompt_tokens: 1200, completion_tokens: 90, total_tokens: 1290 },
      ...{ prompt_cache_hit_tokens: 1024, prompt_cache_miss_tokens: 176 },
      completion_tokens_details: { reasoning_tokens: 70 },
    },
    tokens: tokens(1200, 90, 1024, 70),
  },
  {
    server: 'Qwen by DashScope',
    source: 'https://help.aliyun.com/zh/model-studio/context-cache',
    usage: {
      ...{ prompt_tokens: 3019, completion_tokens: 104, total_tokens: 3123 },
      prompt_tokens_details: { cached_tokens: 2048 },
    },
    tokens: tokens(3019, 104, 2048),
  },
  {
    server: 'Kimi: cached tokens beside the others, and in the details too',
    source: 'https://github.com/Bike4Mind/bike4mind/pull/1089',
    usage: {
      ...{ prompt_tokens: 2989, completion_tokens: 12, total_tokens: 3001, cached_tokens: 2989 },
      prompt_tokens_details: { cached_tokens: 2989 },
    },
    tokens: tokens(2989, 12, 2989),
  },
  {
    server: 'Gemini’s compatible door: thoughts are in the total only',
    source: 'https://discuss.ai.google.dev/t/question-with-usage-in-openai-compatibility/98760',
    usage: { completion_tokens: 102, prompt_tokens: 758, total_tokens: 1725 },
    tokens: tokens(758, 967, 0, 865),
  },
  {
    server: 'Gemini through a gateway: nothing but thoughts',
    source: 'https://github.com/router-for-me/CLIProxyAPI/issues/5733',
    usage: {
      ...{ completion_tokens: 0, total_tokens: 81, prompt_tokens: 21 },
      completion_tokens_details: { reasoning_tokens: 60 },
    },
    tokens: tokens(21, 60, 0, 60),
  },
  {
    server: 'Gemini in its own words',
    source: 'https://github.com/mozilla-ai/any-llm/issues/1290',
    usage: { promptTokenCount: 20, candidatesTokenCount: 198, thoughtsTokenCount: 405, totalTokenCount: 623 },
    tokens: tokens(20, 603, 0, 405),
  },
  {
    server: 'OpenRouter, with what it charges',
    source: 'https://openrouter.ai/docs/use-cases/usage-accounting',
    usage: {
      ...{ completion_tokens: 2, prompt_tokens: 194, total_tokens: 196, cost: 0.95 },
      completion_tokens_details: { reasoning_tokens: 0 },
      cost_details: { upstream_inference_cost: 19 },
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 100, audio_tokens: 0 },
    },
    tokens: tokens(194, 2),
  },
  {
    server: 'Groq, with its times',
    source: 'https://github.com/vercel/ai/issues/1651',
    usage: {
      ...{ queue_time: 0.07, prompt_tokens: 23, prompt_time: 0.006 },
      ...{ completion_tokens: 19, completion_time: 0.022, total_tokens: 42, total_time: 0.028 },
    },
    tokens: tokens(23, 19),
  },
  {
    server: 'xAI: reasoning beyond the completion',
    source: 'https://github.com/Wei-Shaw/sub2api/issues/5771',
    usage: {
      ...{ prompt_tokens: 10_120, completion_tokens: 1499, total_tokens: 14_428 },
      prompt_tokens_details: { cached_tokens: 128 },
      completion_tokens_details: { reasoning_tokens: 2809 },
    },
    tokens: tokens(10_120, 4308, 128, 2809),
  },
  {
    server: 'xAI where no total is told: more thoughts than answer are beside it',
    source: 'https://github.com/vercel/ai/pull/12425',
    usage: { prompt_tokens: 12, completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 317 } },
    tokens: tokens(12, 319, 0, 317),
  },
  {
    server: 'xAI where its total says that reasoning is within',
    source: 'https://github.com/promptfoo/promptfoo/pull/9507',
    usage: {
      ...{ prompt_tokens: 500, completion_tokens: 500, total_tokens: 1000 },
      completion_tokens_details: { reasoning_tokens: 200 },
    },
    tokens: tokens(500, 500, 0, 200),
  },
  {
    server: 'Bedrock’s Converse: the cache is beside the input',
    source: 'https://github.com/anomalyco/opencode/pull/38427/files',
    usage: {
      ...{ inputTokens: 12, outputTokens: 30, totalTokens: 1342 },
      ...{ cacheReadInputTokens: 1000, cacheWriteInputTokens: 300 },
    },
    tokens: tokens(1312, 30, 1000),
  },
  {
    server: 'Bedrock’s metrics of an invocation',
    source: 'https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html',
    usage: { inputTokenCount: 21, outputTokenCount: 46, invocationLatency: 900, firstByteLatency: 300 },
    tokens: tokens(21, 46),
  },
  {
    server: 'Anthropic: the cache is beside the input',
    source: 'https://github.com/crewAIInc/crewAI/pull/6770/files',
    usage: {
      ...{ input_tokens: 21, output_tokens: 393 },
      ...{ cache_creation_input_tokens: 500, cache_read_input_tokens: 1886 },
    },
    tokens: tokens(2407, 393, 1886),
  },
  {
    server: 'LiteLLM: what was written to the cache is not in the prompt',
    source: 'https://github.com/BerriAI/litellm/issues/15056',
    usage: {
      ...{ completion_tokens: 467, prompt_tokens: 31, total_tokens: 498, prompt_tokens_details: { cached_tokens: 0 } },
      ...{ cache_creation_input_tokens: 1253, cache_read_input_tokens: 0 },
    },
    tokens: tokens(1284, 467),
  },
  {
    server: 'vLLM: details that are null',
    source: 'https://github.com/sgl-project/sglang/pull/17156',
    usage: { prompt_tokens: 29, total_tokens: 134, completion_tokens: 105, prompt_tokens_details: null },
    tokens: tokens(29, 105),
  },
  {
    server: 'SGLang: reasoning beside the others',
    source: 'https://github.com/sgl-project/sglang/pull/15562',
    usage: { prompt_tokens: 12, total_tokens: 240, completion_tokens: 228, reasoning_tokens: 180 },
    tokens: tokens(12, 228, 0, 180),
  },
  {
    server: 'llama.cpp: times in place of a usage',
    source: 'https://github.com/ggml-org/llama.cpp/pull/15827',
    usage: { cache_n: 236, prompt_n: 1, prompt_ms: 30.958, predicted_n: 35, predicted_ms: 661.064 },
    tokens: tokens(237, 35, 236),
  },
  {
    server: 'Ollama in its own words',
    source: 'https://docs.ollama.com/api/usage.md',
    usage: { done: true, prompt_eval_count: 11, prompt_eval_duration: 13_074_791, eval_count: 18 },
    tokens: tokens(11, 18),
  },
  {
    server: 'LM Studio’s embeddings: zeros are no count',
    source: 'https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1546',
    usage: { prompt_tokens: 0, total_tokens: 0 },
    tokens: undefined,
  },
  {
    server: 'LM Studio’s chat',
    source: 'https://lmstudio.ai/docs/developer/openai-compat',
    usage: {
      ...{ prompt_tokens: 24, completion_tokens: 53, total_tokens: 77 },
      completion_tokens_details: { reasoning_tokens: 40 },
    },
    tokens: tokens(24, 53, 0, 40),
  },
  {
    server: 'rerankers and others that tell a total only',
    source: 'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
    usage: { total_tokens: 56 },
    tokens: tokens(56, 0),
  },
];

for (const { server, source, usage, tokens } of SHAPES) {
  test(`${server} (${source})`, () => {
    expect(tokensOf(usage)).toEqual(tokens);
  });
}

const said = event({ choices: [{ index: 0, delta: { content: 'Hello there.' }, finish_reason: null }] });
const usage = { prompt_tokens: 23, completion_tokens: 19, total_tokens: 42 };

const PLACES: readonly { readonly server: string; readonly source: string; readonly answer: string }[] = [
  {
    server: 'Groq: in a member of its own',
    source: 'https://github.com/vercel/ai/issues/1651',
    answer: said + event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], x_groq: { id: 'req_1', usage } }),
  },
  {
    server: 'Kimi: in the choice',
    source: 'https://github.com/earendil-works/pi/issues/2017',
    answer: said + event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage }] }),
  },
  {
    server: 'xAI: before the last chunk, which has none',
    source: 'https://github.com/BerriAI/litellm/issues/17136',
    answer: said + event({ choices: [], usage }) + event({ choices: [], usage: null }),
  },
  {
    server: 'Mimo: null with the finish, and then the real one',
    source: 'https://github.com/jeremychone/rust-genai/pull/242',
    answer:
      said + event({ choices: [{ delta: {}, finish_reason: 'stop' }], usage: null }) + event({ choices: [], usage }),
  },
  {
    server: 'llama.cpp: its times behind the usage',
    source: 'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
    answer: said + event({ choices: [], usage, timings: { prompt_n: 2, cache_n: 21, predicted_n: 19 } }),
  },
  {
    server: 'llama.cpp: its times alone',
    source: 'https://github.com/ggml-org/llama.cpp/pull/15827',
    answer: said + event({ choices: [], timings: { prompt_n: 2, cache_n: 21, predicted_n: 19 } }),
  },
  {
    server: 'Gemini: its own member',
    source: 'https://ai.google.dev/api/generate-content#UsageMetadata',
    answer: JSON.stringify({ candidates: [], usageMetadata: { promptTokenCount: 23, candidatesTokenCount: 19 } }),
  },
  {
    server: 'Ollama: lines of JSON, in the last one',
    source: 'https://docs.ollama.com/api/usage.md',
    answer: `${JSON.stringify({ response: 'Hi' })}\n${JSON.stringify({ done: true, prompt_eval_count: 23, eval_count: 19 })}\n`,
  },
  {
    server: 'vLLM: in every chunk, more each time',
    source: 'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
    answer:
      event({ choices: [{ delta: { content: 'a' } }], usage: { prompt_tokens: 23, completion_tokens: 1 } }) +
      event({ choices: [{ delta: { content: 'b' } }], usage }),
  },
];

for (const { server, source, answer } of PLACES) {
  test(`the usage is found where it is: ${server} (${source})`, () => {
    const tail = new AnswerTail();
    tail.push(new TextEncoder().encode(`${answer}data: [DONE]\n\n`));
    const found = tokensOfAnswer(tail, { prompt: () => 1, isText: true });
    expect(found).toMatchObject({ tokens: { prompt: 23, completion: 19 }, isEstimated: false });
  });
}

test('usage of the answer alone gets an estimate of its prompt, marked as such (https://github.com/sgl-project/sglang/issues/10012)', () => {
  const tail = new AnswerTail();
  tail.push(new TextEncoder().encode(JSON.stringify({ output: [], usage: { output_tokens: 57, total_tokens: 57 } })));
  expect(tokensOfAnswer(tail, { prompt: () => 30, isText: true })).toEqual({
    tokens: tokens(30, 57),
    isEstimated: true,
  });
});
