/**
 * The one error of the router and the one table from its codes to HTTP.
 *
 * Services throw `AppError`; `http/respond.ts` renders it, in OpenAI's shape on `/v1`, as problem+json on other JSON
 * and as a page or part for people. Four audiences: `message` for the user, `hint` for the administrator, `cause` for
 * the log, `code` for machines.
 */

interface CodeEntry {
  readonly status: number;
  /** OpenAI's `error.type`. */
  readonly type: string;
  /** OpenAI's `error.code`, where OpenAI has another word for it. */
  readonly openAiCode?: string;
  /** Shown when the thrower gives no message. Says what to do. */
  readonly message: string;
}

const entry = (status: number, type: string, message: string, openAiCode?: string): CodeEntry => {
  return { status, type, message, ...(openAiCode !== undefined && { openAiCode }) };
};

export const CODES = {
  invalid_request: entry(400, 'invalid_request_error', 'The request could not be understood.'),
  upstream_credentials_refused: entry(
    // Not 401: a runtime would take it for its own key, and rest for a minute in which even a corrected one does not help.
    400,
    'invalid_request_error',
    'The LLM API does not accept what is set in Settings. Test the connection there.',
  ),
  loop_detected: entry(
    // Not 508, which clients and runtimes send again, each time through the whole circle.
    400,
    'invalid_request_error',
    'LLM_BASE_URL leads back to this router, so that the agent asks itself for ever. Set the address of an LLM API in Settings.',
  ),
  signed_out: entry(
    401,
    'invalid_request_error',
    'Sign in, or send an API key as "Authorization: Bearer <key>".',
    // What OpenAI says of a key that is missing, unknown or revoked: clients ask for another key by this word.
    'invalid_api_key',
  ),
  wrong_credentials: entry(401, 'invalid_request_error', 'That e-mail and password do not belong together.'),
  forbidden: entry(403, 'permission_error', 'You are not allowed to do this.'),
  not_found: entry(404, 'invalid_request_error', 'There is nothing here, or it is not yours.'),
  model_not_found: entry(404, 'invalid_request_error', 'No agent serves that model.'),
  method_not_allowed: entry(405, 'invalid_request_error', 'That method is not served here.'),
  conflict: entry(409, 'invalid_request_error', 'That conflicts with what is there.'),
  answer_running: entry(
    409,
    'invalid_request_error',
    'An answer is still being written. Wait for it, or stop it first.',
  ),
  too_large: entry(413, 'invalid_request_error', 'The request is too large.'),
  unsupported_media_type: entry(415, 'invalid_request_error', 'The body is of a kind that is not read here.'),
  misdirected: entry(421, 'invalid_request_error', 'This address is not known to the router.'),
  invalid_fields: entry(422, 'invalid_request_error', 'Some fields need another look.'),
  idempotency_key_reused: entry(
    422,
    'invalid_request_error',
    'That Idempotency-Key came with another request before. Send a new key with a new request.',
  ),
  credentials_missing: entry(422, 'invalid_request_error', 'This agent needs LLM credentials. Set them in Settings.'),
  too_many_runners: entry(429, 'rate_limit_error', 'You have as many runners at work as you may have. Stop one first.'),
  start_queue_timeout: entry(429, 'rate_limit_error', 'Too many agents start or are at work. Try again in a moment.'),
  insufficient_quota: entry(429, 'insufficient_quota', 'The budget is used up.'),
  rate_limit_exceeded: entry(429, 'rate_limit_error', 'This API key is used too fast. Try again in a moment.'),
  too_much_at_once: entry(
    429,
    'rate_limit_error',
    'You have as much under way as you may have. Try again when some of it has ended.',
  ),
  too_many_requests: entry(429, 'rate_limit_error', 'Too many attempts. Wait a little and try again.'),
  internal: entry(500, 'server_error', 'Something went wrong here. The details are in the log under the request id.'),
  runner_failed: entry(502, 'server_error', 'The agent could not be started.'),
  answer_too_large: entry(502, 'server_error', 'The answer is longer than one may be. Ask for less at once.'),
  runner_lost: entry(502, 'server_error', 'The agent ended in the middle of its answer. Send the message again.'),
  upstream_unreachable: entry(502, 'server_error', 'The LLM API could not be reached. Check LLM_BASE_URL in Settings.'),
  backend_disabled: entry(503, 'server_error', 'This agent is switched off by the administrator.'),
  driver_unavailable: entry(503, 'server_error', 'The platform that runs this agent does not answer. Try again soon.'),
  overloaded: entry(503, 'server_error', 'The router has as much under way as it can hold. Try again in a moment.'),
  shutting_down: entry(503, 'server_error', 'The router is restarting. Try again in a moment.'),
  start_timeout: entry(504, 'server_error', 'The agent took too long to start.'),
  first_byte_timeout: entry(504, 'server_error', 'The agent was asked and did not begin to answer. Try again.'),
  chunk_timeout: entry(504, 'server_error', 'The agent fell silent in the middle of its answer. Try again.'),
  total_timeout: entry(504, 'server_error', 'The answer took longer than one may. Ask for less at once.'),
} satisfies Record<string, CodeEntry>;

export type Code = keyof typeof CODES;

/**
 * Statuses of these codes say that they may pass, and OpenAI's clients send such a request again by themselves. Here that
 * only costs: what is used up or switched off stays so, who stopped an answer does not want it again, and an agent that
 * was silent for its whole limit may have done the work.
 */
const LASTING: ReadonlySet<Code> = new Set([
  'conflict',
  'insufficient_quota',
  'backend_disabled',
  'answer_too_large',
  'first_byte_timeout',
  'chunk_timeout',
  'total_timeout',
]);

/** Statuses that OpenAI's clients take as a reason to send the same request again. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 409, 429]);
/** What APIs call a refusal that stays, whatever its status says: OpenAI's names, and those of gateways. */
const LASTING_WORDS: ReadonlySet<string | null> = new Set([
  ...['insufficient_quota', 'insufficient_credits', 'insufficient_balance', 'quota_exceeded', 'billing_not_active'],
  ...['billing_hard_limit_reached', 'access_terminated', 'account_deactivated', 'model_not_found', 'invalid_api_key'],
  ...['context_length_exceeded', 'content_policy_violation', 'invalid_prompt'],
]);

/** What an agent, or the LLM behind it, has refused a request with: passed on as it is. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
}

/** Whether a refused request would only be refused again. */
export function isLastingRefusal({ status, type, code }: Refusal): boolean {
  if (LASTING_WORDS.has(code) || LASTING_WORDS.has(type)) return true;
  return status >= 400 && status < 500 && !RETRIED_STATUSES.has(status);
}

export interface AppErrorOptions {
  readonly message?: string;
  /** What the administrator can do. */
  readonly hint?: string | undefined;
  /** The line of a longer hint that tells why, for programs: they show the beginning of a message only. */
  readonly reason?: string | undefined;
  /** Field name → what is wrong with it, for forms. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Which request member is wrong: OpenAI's `param`. */
  readonly param?: string;
  readonly retryAfterSeconds?: number | undefined;
  /** The same request would only fail again, where that is more than the code says. */
  readonly isLasting?: boolean;
  /** Whose words these are, where they are not the router's own. */
  readonly refusal?: Refusal;
  readonly cause?: unknown;
}

export class AppError extends Error {
  override readonly name = 'AppError';
  readonly hint: string | undefined;
  readonly reason: string | undefined;
  readonly fields: Readonly<Record<string, string>> | undefined;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly refusal: Refusal | undefined;
  /** Whether the same request would only fail again, though its status says otherwise. */
  readonly isLasting: boolean;

  constructor(
    readonly code: Code,
    options: AppErrorOptions = {},
  ) {
    super(options.message ?? CODES[code].message, { cause: options.cause });
    this.hint = options.hint;
    this.reason = options.reason;
    this.fields = options.fields;
    this.param = options.param;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.refusal = options.refusal;
    const isLasting = options.refusal ? isLastingRefusal(options.refusal) : LASTING.has(code);
    this.isLasting = options.isLasting ?? isLasting;
  }

  /** HTTP status: that of the refusal that is passed on, else of this error's code. */
  get status(): number {
    return this.refusal?.status ?? CODES[this.code].status;
  }
}

/** Any thrown value as an `AppError`. What is not one of ours says nothing of itself to the client. */
export function toAppError(thrown: unknown): AppError {
  return thrown instanceof AppError ? thrown : new AppError('internal', { cause: thrown });
}

/** OpenAI's error object. */
export interface OpenAiError {
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

/** An error inside a stream, which also says what a response says by its status and its headers. */
export interface StreamedError extends OpenAiError {
  /** Of a refusal that is passed on. */
  readonly status?: number;
  /** Seconds, as in `Retry-After`. */
  readonly retry_after?: number;
  /** As in `x-should-retry`. */
  readonly should_retry?: false;
}

/** OpenAI's error body for an error event: there is no status and no header any more to say these in. */
export function toStreamedError(shown: AppError): { error: StreamedError } {
  const { error } = toOpenAiError(shown);
  const { refusal, retryAfterSeconds: seconds, isLasting } = shown;
  // OpenAI's own words: some clients read how long to wait out of the message, as they see no header.
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
