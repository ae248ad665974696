/** Tokens: what an upstream says it has used, in any of the shapes of OpenAI's APIs, or a guess where it says nothing. */

/** `cached` are among the prompt's, `reasoning` among the completion's, as OpenAI counts them. */
export interface Tokens {
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
  readonly reasoning: number;
}

export const NO_TOKENS: Tokens = { prompt: 0, completion: 0, cached: 0, reasoning: 0 };

/** OpenAI's rule of thumb for English text: https://help.openai.com/en/articles/4936856 */
const BYTES_PER_TOKEN = 4;

/** A guess from the size of a text in bytes. */
export function estimatedTokens(textBytes: number): number {
  return Math.ceil(textBytes / BYTES_PER_TOKEN);
}

/** The `usage` member of an answer: of chat and completions, of responses (`input_tokens`), of embeddings. */
export function tokensOf(usage: unknown): Tokens | undefined {
  if (!isObject(usage)) return undefined;
  const prompt = count(usage.prompt_tokens) ?? count(usage.input_tokens);
  const completion = count(usage.completion_tokens) ?? count(usage.output_tokens);
  if (prompt === undefined && completion === undefined) return undefined;
  const prompts = usage.prompt_tokens_details ?? usage.input_tokens_details;
  const completions = usage.completion_tokens_details ?? usage.output_tokens_details;
  return {
    prompt: prompt ?? 0,
    completion: completion ?? 0,
    cached: (isObject(prompts) && count(prompts.cached_tokens)) || 0,
    reasoning: (isObject(completions) && count(completions.reasoning_tokens)) || 0,
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
