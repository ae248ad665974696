/** How a chat's answer has ended: why it is incomplete, or failed. */
import { incompleteOf } from '../../../backends/shared/finishes';
import { errorIn, type UpstreamError } from '../../../backends/shared/upstream-errors';
import type { JsonObject } from '../../lib/json';
import type { Failure } from './objects';

/** Words of `/v1/responses` for why an answer is incomplete. */
export const REASONS = { length: 'max_output_tokens', content_filter: 'content_filter' } as const;
const NO_ANSWER = { message: 'The agent reported an error.', type: 'server_error', code: 'runner_error' };

/** Why the answer is incomplete; `undefined` if it is not. */
export function reasonOf(finish: unknown): string | undefined {
  const incomplete = incompleteOf(finish);
  return incomplete && REASONS[incomplete];
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
