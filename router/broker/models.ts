/** Lists the models of an upstream, for the person who sets it. */
import type { Upstream } from '../credentials/credentials';
import { AppError } from '../lib/errors';
import { isJsonObject, jsonObject } from '../lib/json';
import { readText } from '../net/body';
import { completeness, refusalOf, unreachable } from './refusals';
import { isOk, type Send } from './send';

/** The longest known list, from a reseller of all models, is about 1 MB. */
const MODELS_BYTES_MAX = 8_388_608;
const MODELS_MS = 15_000;

/**
 * Returns the ids of the models, in the order of the upstream. Throws an `AppError` with a sentence for the person who has
 * set the upstream: the address is not allowed, nobody answers, the key is refused, there is no such API.
 */
export async function listModels(
  send: Send,
  upstream: Pick<Upstream, 'baseUrl' | 'apiKey'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const late = AbortSignal.timeout(MODELS_MS);
  const headers = { accept: 'application/json' };
  try {
    const either = AbortSignal.any([signal, late]);
    const response = await send(upstream, 'models', { method: 'GET', headers, signal: either });
    if (!isOk(response)) throw await refusalOf(response, upstream);
    return modelsOf(await readText(response.body, MODELS_BYTES_MAX), upstream.baseUrl);
  } catch (error) {
    if (error instanceof AppError || signal.aborted) throw error;
    if (!late.aborted) throw unreachable(error);
    const message = `LLM_BASE_URL did not answer within ${MODELS_MS / 1000} seconds.`;
    throw new AppError('upstream_unreachable', { message, cause: error });
  }
}

function modelsOf(text: string, baseUrl: string): readonly string[] {
  const { data } = jsonObject(text) ?? {};
  if (Array.isArray(data)) return data.map((one: unknown) => isJsonObject(one) && one.id).filter(isText);
  const what = 'What answers at LLM_BASE_URL is no OpenAI-compatible API.';
  throw new AppError('upstream_unreachable', { message: `${what} ${completeness(baseUrl)}` });
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
