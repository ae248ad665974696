/** Refusals of runners, which are answers with an error status: how they are passed on, and the errors that they become. */
import { readRefusal } from '../../backends/shared/upstream-errors';
import { AppError, type Refusal } from '../lib/errors';
import { jsonObject } from '../lib/json';
import { toOpenAiError } from '../lib/openai-errors';
import { bodyOf, readText } from '../net/body';
import type { AnswerHeaders, OutgoingAnswer } from '../net/outgoing';
import { retryAfterMs } from '../net/retry-after';
import type { Recorder } from '../relay/relay';
import type { RunnerAnswer, RunnerRequest } from './call';
import { withoutInsides } from './redact';
import type { RunnersService } from './runners';
import type { Lease } from './slots/hold';

/** Bytes of a refusal that are read: enough to find its message. */
const REFUSAL_BYTES_MAX = 16_384;
/** Bytes of a UTF-8 character that may be missing at the end of a cut text. */
const CHARACTER_BYTES_MAX = 4;
/** Characters of a refusal that was too long to be passed on whole. */
const WORDS_LENGTH_MAX = 1_000;
const utf8 = new TextEncoder();

/**
 * The text of a refusal without the keys, names and addresses of its runner, but with those that its owner has set. A body
 * that is not text is passed on unchanged.
 */
export async function refusalBody(
  { headers, body }: OutgoingAnswer,
  runners: Pick<RunnersService, 'ownHosts'>,
  { agent, backend }: Pick<RunnerRequest, 'agent' | 'backend'>,
  { runner }: Lease,
) {
  const type = headers.get('content-type') ?? '';
  if (!/json|^text\/(?!event-stream)/i.test(type)) return { headers, body };
  const read = await readText(body, REFUSAL_BYTES_MAX);
  const redacted = withoutInsides(read, runner.url, await runners.ownHosts(agent, backend));
  // A cut JSON text is not valid JSON, so its text becomes the message of a JSON error.
  const isWhole = Buffer.byteLength(read) < REFUSAL_BYTES_MAX - CHARACTER_BYTES_MAX;
  const isCut = !isWhole && /json/i.test(type) && jsonObject(read) === undefined;
  const bytes = utf8.encode(isCut ? JSON.stringify(shortened(redacted)) : redacted);
  const get = (name: string) => (name === 'content-length' ? String(bytes.length) : headers.get(name));
  return { headers: { get }, body: bodyOf(bytes) };
}

function shortened(message: string): object {
  return toOpenAiError(new AppError('runner_lost', { message: `${message.slice(0, WORDS_LENGTH_MAX)}…` }));
}

/**
 * Turns a runner's refusal into an `AppError`, with the runner's message where it has one. Ends the lease; never
 * throws.
 */
export async function refusalOf(
  answer: Pick<RunnerAnswer, 'status' | 'headers' | 'body' | 'lease'>,
): Promise<AppError> {
  const text = await readText(answer.body, REFUSAL_BYTES_MAX);
  answer.lease.end();
  return refusal(answer, text);
}

/** Makes a recorder for a refusal: the body is not text of the answer, but the reason why there is no answer. */
export function recordRefusal(recorder: Recorder, answer: Pick<RunnerAnswer, 'status' | 'headers'>): Recorder {
  const decoder = new TextDecoder();
  let text = '';
  return {
    chunk(bytes) {
      if (text.length < REFUSAL_BYTES_MAX) text += decoder.decode(bytes, { stream: true });
    },
    end(ending, error) {
      if (ending === 'stopped') return recorder.end(ending);
      return recorder.end('failed', error ?? refusal(answer, text));
    },
  };
}

/** @param text the body of the answer, or its beginning. */
function refusal({ status, headers }: Pick<RunnerAnswer, 'status' | 'headers'>, text: string): AppError {
  const { message, type, code, param } = readRefusal(text) ?? {};
  const usualType = status < 500 ? 'invalid_request_error' : 'server_error';
  return new AppError('runner_lost', {
    message: message ?? `The agent answered ${status}.`,
    refusal: { status, type: type ?? (status === 429 ? 'rate_limit_error' : usualType), code: code ?? null },
    ...(param !== undefined && { param }),
    retryAfterSeconds: retryAfterSeconds(headers),
  });
}

/** Reads from a whole refusal the values that become headers of the answer. */
export function refusalIn(status: number, text: string): Refusal {
  const { type = '', code = null } = readRefusal(text) ?? {};
  return { status, type, code };
}

/** At least one second, because the header is sent on in whole seconds. */
function retryAfterSeconds(headers: AnswerHeaders): number | undefined {
  const ms = retryAfterMs(headers);
  return ms === undefined ? undefined : Math.max(1, Math.ceil(ms / 1000));
}
