/**
 * Tokens: the usage that an upstream reports, under the member names of OpenAI's and related APIs, or an estimate when
 * it reports nothing. In case of doubt the larger number counts, because a budget must hold.
 */

/** `cached` is part of `prompt`, and `reasoning` part of `completion`, as OpenAI counts them. */
export interface Tokens {
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
  readonly reasoning: number;
}

export const NO_TOKENS: Tokens = { prompt: 0, completion: 0, cached: 0, reasoning: 0 };

/** OpenAI's rule of thumb for English text: https://help.openai.com/en/articles/4936856 */
const BYTES_PER_TOKEN = 4;

/**
 * The member names that servers use for the same number; the first that is present counts. A dot leads into a member.
 */
const NAMES = {
  // OpenAI's chat, its responses, Bedrock's Converse, Gemini, Ollama, Bedrock's metrics.
  prompt: [
    ...['prompt_tokens', 'input_tokens', 'inputTokens', 'promptTokenCount'],
    ...['prompt_eval_count', 'inputTokenCount'],
  ],
  completion: [
    ...['completion_tokens', 'output_tokens', 'outputTokens', 'candidatesTokenCount'],
    ...['eval_count', 'outputTokenCount', 'predicted_n'],
  ],
  total: ['total_tokens', 'totalTokens', 'totalTokenCount'],
  cached: [
    ...[
      'prompt_tokens_details.cached_tokens',
      'input_tokens_details.cached_tokens',
      'prompt_token_details.cached_tokens',
    ],
    // DeepSeek, Kimi, Mistral, Gemini, llama.cpp.
    ...['prompt_cache_hit_tokens', 'cached_tokens', 'num_cached_tokens', 'cachedContentTokenCount', 'cache_n'],
  ],
  reasoning: [
    ...['completion_tokens_details.reasoning_tokens', 'output_tokens_details.reasoning_tokens'],
    // SGLang, Gemini.
    ...['reasoning_tokens', 'thoughtsTokenCount'],
  ],
  /** Tokens read from and written to a cache: names of Anthropic and Bedrock, which gateways pass on. */
  cacheRead: ['cache_read_input_tokens', 'cacheReadInputTokens'],
  cacheWritten: ['cache_creation_input_tokens', 'cacheWriteInputTokens'],
  /** llama.cpp: tokens of the prompt that were read, not counting those from its cache. */
  promptRead: ['prompt_n'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** An estimate from the size of a text in bytes. */
export function estimatedTokens(textBytes: number): number {
  return Math.ceil(textBytes / BYTES_PER_TOKEN);
}

/**
 * The usage that an answer reports. `undefined` when there is none or when all numbers are zero: some servers that do
 * not count send zeros.
 */
export function tokensOf(usage: unknown): Tokens | undefined {
  if (!isObject(usage)) return undefined;
  const told = (name: keyof typeof NAMES) => first(usage, NAMES[name]);
  const total = told('total') ?? 0;
  const inCache = (told('cacheRead') ?? 0) + (told('cacheWritten') ?? 0);
  const prompt = wholePrompt(told('prompt') ?? promptOfParts(told('promptRead'), told('cached')), inCache, usage);
  const written = told('completion');
  if (prompt === undefined && written === undefined && total === 0) return undefined;
  const reasoning = told('reasoning') ?? 0;
  // When only a total is reported, as for embeddings, it is the prompt.
  const read = prompt ?? (written === undefined ? total : 0);
  const completion = wholeCompletion(written ?? 0, reasoning, total - read);
  if (read === 0 && completion === 0) return undefined;
  return {
    prompt: read,
    completion,
    cached: Math.min(read, told('cached') ?? told('cacheRead') ?? 0),
    reasoning: Math.min(completion, Math.max(reasoning, completion - (written ?? 0))),
  };
}

function promptOfParts(promptRead: number | undefined, cached: number | undefined): number | undefined {
  return promptRead === undefined ? undefined : promptRead + (cached ?? 0);
}

/**
 * The whole prompt. Anthropic and Bedrock count cached tokens beside the input; OpenAI counts them within it, in the
 * details. A gateway may have done either; the cached tokens are part of the prompt in both cases.
 */
function wholePrompt(
  prompt: number | undefined,
  inCache: number,
  usage: Readonly<Record<string, unknown>>,
): number | undefined {
  if (inCache === 0 || prompt === undefined) return prompt ?? (inCache > 0 ? inCache : undefined);
  const isBeside = !('prompt_tokens' in usage) && !('input_tokens_details' in usage);
  return isBeside || inCache > prompt ? prompt + inCache : prompt;
}

/**
 * The whole completion. Reasoning is paid for like other output. Some servers count it beside the answer and include it
 * only in the total, and some report it only in the details.
 * @param rest the total minus the prompt; below zero when no total is reported.
 */
function wholeCompletion(written: number, reasoning: number, rest: number): number {
  const least = reasoning > written ? written + reasoning : written;
  // A reported total decides, unless it is less than its parts.
  return Math.max(rest > 0 ? Math.max(written, reasoning, rest) : least, written);
}

function first(usage: Readonly<Record<string, unknown>>, names: readonly string[]): number | undefined {
  for (const name of names) {
    const [outer = '', inner] = name.split('.');
    const member = usage[outer];
    const value = count(inner === undefined ? member : isObject(member) ? member[inner] : undefined);
    if (value !== undefined) return value;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? Math.ceil(value) : undefined;
}
