/** Errors as OpenAI's clients read them: in a body, and in an event of a stream. */
import { type AppError, CODES, type CodeEntry } from './errors';

/** OpenAI's error object. */
interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** OpenAI's error body, for `/v1`. */
export function toOpenAiError(error: AppError): { error: OpenAiError } {
  const { openAiCode, type }: CodeEntry = CODES[error.code];
  return {
    error: {
      message: [error.message, error.reason, error.hint].filter((part) => part !== undefined).reduce(followedBy),
      type: error.refusal?.type ?? type,
      param: error.param ?? null,
      code: error.refusal ? error.refusal.code : (openAiCode ?? error.code),
    },
  };
}

function followedBy(before: string, more: string): string {
  return `${before}${/[.!?]$/.test(before) ? '' : '.'} ${more}`;
}

/** An error in a stream, with the values that a response would have in its status and headers. */
interface StreamedError extends OpenAiError {
  /** The status of a refusal that is passed on. */
  readonly status?: number;
  /** Seconds, as in `Retry-After`. */
  readonly retry_after?: number;
  /** As in `x-should-retry`. */
  readonly should_retry?: false;
}

/** Returns OpenAI's error body for an error event, which has no status and no headers. */
export function toStreamedError(shown: AppError): { error: StreamedError } {
  const { error } = toOpenAiError(shown);
  const { refusal, retryAfterSeconds: seconds, isLasting } = shown;
  // OpenAI's own words: in a stream some clients read the wait from the message, because they see no header.
  const isSaid = isLasting || seconds === undefined || /try again in/i.test(error.message);
  const message = isSaid ? error.message : `${error.message} Please try again in ${seconds}s.`;
  return {
    error: {
      ...error,
      message,
      ...(refusal && { status: refusal.status }),
      ...(seconds !== undefined && { retry_after: seconds }),
      ...(isLasting && { should_retry: false }),
    },
  };
}
