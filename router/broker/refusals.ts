/** Turns an upstream's refusal into a sentence for the person who set its credentials. */

import { readRefusal } from '../../backends/shared/upstream-errors';
import type { Upstream } from '../credentials/credentials';
import { AppError } from '../lib/errors';
import { codeOf } from '../lib/system-errors';
import { readText } from '../net/body';
import { CONNECT_MS, CONNECT_TIMEOUT } from '../net/connect-timeout';
import { type OutgoingAnswer, UnreachableError } from '../net/outgoing';
import { addressHint } from './address-hint';

export const REFUSAL_BYTES_MAX = 16_384;
const WORDS_LENGTH_MAX = 300;

/** The error for an upstream that did not answer. Its message says what to change, where the cause is known. */
export function unreachable(cause: unknown): AppError {
  const reason = cause instanceof UnreachableError ? cause.cause : cause;
  const code = codeOf(reason);
  const silent = `LLM_BASE_URL does not answer: there was no connection within ${CONNECT_MS / 1000} s. Check its host and port.`;
  const certificate = `The LLM API could not be reached: the certificate at LLM_BASE_URL is not valid (${code}).`;
  const message = code === CONNECT_TIMEOUT ? silent : /CERT|TLS|SSL|SIGNATURE/.test(code) ? certificate : undefined;
  return new AppError('upstream_unreachable', { cause, ...(message !== undefined && { message }) });
}

/** The error for an answer that is a refusal. Reads the body. */
export async function refusalOf(
  response: OutgoingAnswer,
  { baseUrl, apiKey }: Pick<Upstream, 'baseUrl' | 'apiKey'>,
): Promise<AppError> {
  const { status } = response;
  const words = readRefusal(await refusalText(response, apiKey))?.message.slice(0, WORDS_LENGTH_MAX);
  const said = words === undefined ? `It answered ${status}.` : `It says: ${words}`;
  if (status === 401 || status === 403) {
    const message = `The LLM API refused the credentials in Settings: check LLM_API_KEY. ${said}`;
    return new AppError('upstream_credentials_refused', { message });
  }
  const what = 'LLM_BASE_URL does not answer as an OpenAI-compatible API does.';
  return new AppError('upstream_unreachable', { message: `${what} ${completeness(baseUrl)} ${said}` });
}

/** Returns the body of a refusal, or its beginning, without the key. */
export async function refusalText(response: OutgoingAnswer, apiKey: string): Promise<string> {
  return (await readText(response.body, REFUSAL_BYTES_MAX)).replaceAll(apiKey, '[key]');
}

/** The question whether the base URL is complete, with what to change in it where something looks wrong. */
export function completeness(baseUrl: string): string {
  const hint = addressHint(baseUrl);
  return `Is it complete, such as https://api.openai.com/v1?${hint === undefined ? '' : ` ${hint}`}`;
}
