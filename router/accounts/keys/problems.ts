/** Checks a new key. */
import { lineProblem } from '../../lib/text';
import type { Key, KeyScope } from './store';

export const KEY_SCOPES: readonly KeyScope[] = ['v1', 'agents', 'manage'];
const NAME_LENGTH_MAX = 80;
/** Entries of a key's list of backends or agents. */
const ALLOWED_MAX = 100;
const LIMIT_MAX = 1_000_000_000;
/** The end of the year 9999. Later years do not have four digits, and a `Date` cannot hold much later ones. */
const EXPIRES_AT_MAX_MS = Date.UTC(10_000, 0, 1);

/** What is wrong with a new key, by the member of the API's request. */
export function keyProblems(key: Key, nowMs: number): Record<string, string> {
  const fields: Record<string, string> = {};
  const nameProblem = lineProblem(key.name, NAME_LENGTH_MAX);
  if (key.name === '' || nameProblem) {
    fields.name = nameProblem ?? `Between 1 and ${NAME_LENGTH_MAX} characters`;
  }
  if (key.scopes.length === 0 || key.scopes.some((one) => !KEY_SCOPES.includes(one))) {
    fields.scopes = `At least one of ${KEY_SCOPES.join(', ')}`;
  } else if (key.scopes.some((one) => one !== 'v1') && key.backends.length + key.agents.length > 0) {
    fields.scopes = 'A key for some agents only opens /v1 only: the other scopes reach all of them';
  }
  if (key.backends.length > ALLOWED_MAX) fields.backends = `At most ${ALLOWED_MAX}`;
  if (key.agents.length > ALLOWED_MAX) fields.agents = `At most ${ALLOWED_MAX}`;
  if (key.expiresAtMs !== null && !(key.expiresAtMs > nowMs)) fields.expires_at = 'A moment that is still to come';
  else if (key.expiresAtMs !== null && key.expiresAtMs > EXPIRES_AT_MAX_MS) {
    fields.expires_at = 'Seconds since 1970, before the year 10000';
  }
  const limits = {
    requests_per_minute: key.requestsPerMinute,
    tokens_per_minute: key.tokensPerMinute,
    concurrent_requests: key.concurrentMax,
  };
  for (const [name, value] of Object.entries(limits)) {
    if (value !== null && !(Number.isInteger(value) && value >= 1 && value <= LIMIT_MAX)) {
      fields[name] = `A whole number from 1 to ${LIMIT_MAX.toLocaleString('en')}, or nothing`;
    }
  }
  return fields;
}
