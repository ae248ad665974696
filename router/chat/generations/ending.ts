/** How an answer ended, as it is stored. */
import { AppError } from '../../lib/errors';
import type { Ending } from '../../relay/relay';
import type { MessageFailure } from '../store/conversations';
import type { AnswerEnd } from '../store/turns';
import type { AnswerReader } from './answer-reader';

/** How an answer ended, without its text. */
export type End = Omit<AnswerEnd, 'text'>;

/** How the passing on of an answer ended. */
export interface Ended {
  readonly ending: Ending;
  readonly error: AppError | undefined;
}

/** @param reader has read all of the answer. */
export function endOf(
  reader: Pick<AnswerReader, 'calls' | 'failure' | 'incomplete' | 'steps' | 'tooLarge'>,
  { ending, error }: Ended,
  nowMs: number,
  isSeen: () => boolean,
): End {
  const why = reader.tooLarge ?? (ending === 'failed' ? (error ?? new AppError('runner_lost')) : undefined);
  const failure = reader.failure && !reader.tooLarge ? reader.failure : why && failureOf(why);
  // An error event inside a stream that closes properly is a failure all the same.
  const status = failure && ending === 'done' ? 'failed' : ending;
  const { calls, steps, incomplete } = reader;
  return {
    status,
    failure: status === 'failed' ? failure : undefined,
    incomplete: status === 'done' ? incomplete : undefined,
    calls: calls.all,
    steps: steps.all,
    nowMs,
    isSeen,
  };
}

/** An error as it is kept with the answer it ended. */
function failureOf(error: AppError): MessageFailure {
  return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}
