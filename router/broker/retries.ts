/** Which calls to an upstream are tried again, and when. */
import { isLastingRefusal } from '../lib/errors';
import type { Soon } from '../lib/lookup';
import { bodyOf, readText } from '../net/body';
import { ConnectTimeoutError } from '../net/connect-timeout';
import { type OutgoingAnswer, UnreachableError } from '../net/outgoing';
import { retryAfterMs } from '../net/retry-after';
import { refusalIn } from '../runners/refusals';
import { REFUSAL_BYTES_MAX } from './refusals';

const BACK_OFF_MS = 400;
/** The upstream did no work, or a gateway reports that it could not reach the upstream. */
const RETRIED = new Set([429, 502, 503]);
const utf8 = new TextEncoder();

interface Answered {
  readonly response: OutgoingAnswer;
}

interface Outcome<Answer> {
  readonly outcome: Answer;
  readonly isLasting: boolean;
}

/**
 * Reads the body of a refusal that may be temporary by its status, and returns the answer with that body in its place.
 * `isLasting`: its words say that it is not temporary, such as a quota that is used up, which is also a 429.
 */
export function readOutcome<Answer extends Answered>(
  answer: Answer | UnreachableError,
): Soon<Outcome<Answer | UnreachableError>> {
  const isRefusal = !(answer instanceof UnreachableError) && RETRIED.has(answer.response.status);
  return isRefusal ? readRefusal(answer) : { outcome: answer, isLasting: false };
}

async function readRefusal<Answer extends Answered>(answer: Answer): Promise<Outcome<Answer>> {
  const { status, headers, body } = answer.response;
  const text = await readText(body, REFUSAL_BYTES_MAX);
  const isLasting = headers.get('x-should-retry') === 'false' || isLastingRefusal(refusalIn(status, text));
  const response = { status, headers, body: bodyOf(utf8.encode(text)) };
  return { outcome: { ...answer, response }, isLasting };
}

/** Milliseconds until the next try; `undefined` where there must be none. */
export function retryDelayMs(outcome: Answered | UnreachableError, tryNumber: number): number | undefined {
  // Jittered, so that calls that failed together do not come back together.
  const backOffMs = BACK_OFF_MS * 2 ** (tryNumber - 1) * (0.5 + Math.random() / 2);
  if (outcome instanceof UnreachableError) {
    // A connection that timed out has already taken as long as all tries together may take.
    const isSilent = outcome.cause instanceof ConnectTimeoutError;
    return outcome.mayHaveArrived || isSilent ? undefined : backOffMs;
  }
  const { status, headers } = outcome.response;
  if (!RETRIED.has(status)) return undefined;
  const waitMs = retryAfterMs(headers);
  return waitMs === undefined ? backOffMs : Math.max(waitMs, backOffMs);
}
