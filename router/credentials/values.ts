/** The values that users may set for their backends: which are secret, how they are shown, and what they may be. */
import { lineProblem } from '../lib/text';
import { baseUrlProblem } from '../net/address-policy';

const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD/;
const VALUE_LENGTH_MAX = 4096;
const MASK = '••••••••';
/** A secret shorter than this would be half told by its end. */
const LONG_SECRET_LENGTH = 20;

export function isSecret(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * A value as it may be shown: a secret as a mask of one width, followed by its last four characters if it is long and
 * the reader's own; anything else in clear.
 */
export function mask(name: string, value: string, isOwn: boolean): string {
  if (!isSecret(name)) return value;
  return MASK + (isOwn && value.length >= LONG_SECRET_LENGTH ? value.slice(-4) : '');
}

/** What is wrong with a value for this variable, if anything. */
export function valueProblem(name: string, value: string): string | undefined {
  const problem = lineProblem(value, VALUE_LENGTH_MAX);
  if (problem) return problem;
  // A header has no others.
  if (name === 'LLM_API_KEY' && /[^\u0020-\u00ff]/.test(value)) return 'Has characters that no key can have';
  if (name === 'LLM_BASE_URL') return baseUrlProblem(value);
  return undefined;
}
