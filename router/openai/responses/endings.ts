/** How a chat's answer has ended: why it is incomplete, or failed. */
import { errorIn, type UpstreamError } from '../../../backends/shared/upstream-errors';
import { isJsonObject, type JsonObject } from '../../lib/json';
import type { Failure } from './objects';

const REASONS = new Map<unknown, string>([
  ['length', 'max_output_tokens'],
  ['content_filter', 'content_filter'],
]);
const NO_ANSWER = { message: 'The agent reported an error.', type: 'server_error', code: 'runner_error' };

/** Returns the `finish_reason`, if there is one. */
export function finishIn({ choices }: JsonObject): unknown {
  const [choice] = Array.isArray(choices) ? choices : [];
  return isJsonObject(choice) ? choice.finish_reason : undefined;
}

/** Why the answer is incomplete; `undefined` if it is not. */
export function reasonOf(finish: unknown): string | undefined {
  return REASONS.get(finish);
}

/** Why the answer failed; `undefined` if it did not. */
export function failureIn(body: JsonObject, finish: unknown): Failure | undefined {
  const error = errorIn(body);
  return error ? failureOf(error) : finish === 'error' ? NO_ANSWER : undefined;
}

export function failureOf(error: UpstreamError | undefined): Failure {
  const { message, type, code } = NO_ANSWER;
  return { message: error?.message ?? message, type: error?.type ?? type, code: error?.code ?? code };
}
