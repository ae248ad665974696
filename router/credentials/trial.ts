/** Determines the credentials for a connection test, before anything is saved. */
import { AppError } from '../lib/errors';
import { resolveValue, type Tiers } from './tiers';
import { valueProblem } from './values';

export interface TypedUpstream {
  readonly baseUrl: string;
  readonly apiKey: string;
}

/**
 * Returns the values typed into a scope's form, completed by the values that apply there. An empty key means the stored
 * key. It is sent only to the address that the same owner has stored for it (law 15): a shared key only to the shared
 * address, when nothing was typed. Throws `invalid_fields`.
 */
export function trialUpstream(typed: TypedUpstream, tiers: Tiers): TypedUpstream {
  const url = resolveValue('LLM_BASE_URL', tiers);
  const key = resolveValue('LLM_API_KEY', tiers);
  const typedUrl = typed.baseUrl.trim();
  const typedKey = typed.apiKey.trim();
  const isShared = url.source === 'shared';
  const isStoredAddress = typedUrl === '' || (!isShared && typedUrl === url.value);
  const baseUrl = typedUrl || (isShared && typedKey !== '' ? '' : (url.value ?? ''));
  const apiKey = typedKey || (isStoredAddress ? (key.value ?? '') : '');

  const fields: Record<string, string> = {};
  const urlProblem = baseUrl === '' ? 'Enter an address to try' : valueProblem('LLM_BASE_URL', baseUrl);
  const needsKey = isStoredAddress
    ? 'Enter a key to try'
    : 'Enter the key for this address: a stored one stays with its own';
  const keyProblem = apiKey === '' ? needsKey : valueProblem('LLM_API_KEY', apiKey);
  if (urlProblem) fields.LLM_BASE_URL = urlProblem;
  if (keyProblem && baseUrl !== '') fields.LLM_API_KEY = keyProblem;
  if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
  return { baseUrl, apiKey };
}
