/** Rules for the values that users may set: which are secret, how they are shown, and which are valid. */
import { lineProblem } from '../lib/text';
import { baseUrlProblem } from '../net/addresses';

const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD/;
const VALUE_LENGTH_MAX = 4096;
const MASK = '••••••••';
/** The last four characters of a secret shorter than this are not shown, because they would reveal too much of it. */
const LONG_SECRET_LENGTH = 20;

export function isSecret(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * Returns a value in a form that may be shown. A secret becomes a mask of fixed width, followed by its last four characters
 * if it is long and belongs to the reader. Other values are returned unchanged.
 */
export function mask(name: string, value: string, isOwn: boolean): string {
  if (!isSecret(name)) return value;
  return MASK + (isOwn && value.length >= LONG_SECRET_LENGTH ? value.slice(-4) : '');
}

/** Returns the problem of a value for this variable; undefined when it is valid. */
export function valueProblem(name: string, value: string): string | undefined {
  const problem = lineProblem(value, VALUE_LENGTH_MAX);
  if (problem) return problem;
  // A key is sent in an HTTP header, which allows only these characters.
  if (name === 'LLM_API_KEY' && /[^\u0020-\u00ff]/.test(value)) return 'Has characters that no key can have';
  if (name === 'LLM_BASE_URL') return baseUrlProblem(value);
  return undefined;
}
