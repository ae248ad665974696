/**
 * The error class of the router, and the table from error codes to HTTP.
 *
 * Services throw `AppError`. `web/answers/respond.tsx` renders it: in OpenAI's shape on `/v1`, as problem+json on other JSON,
 * as a page or part for people. Its members have four readers: `message` is for the user, `hint` for the administrator,
 * `cause` for the log, `code` for programs.
 */
import { storageFault } from './storage-faults';

export interface CodeEntry {
  readonly status: number;
  /** OpenAI's `error.type`. */
  readonly type: string;
  /** OpenAI's `error.code`, if OpenAI has another name for it. */
  readonly openAiCode?: string;
  /** The message if the thrower gives none. Says what to do. */
  readonly message: string;
}

const entry = (status: number, type: string, message: string, openAiCode?: string): CodeEntry => {
  return { status, type, message, ...(openAiCode !== undefined && { openAiCode }) };
};

export const CODES = {
  invalid_request: entry(400, 'invalid_request_error', 'The request could not be understood.'),
  upstream_credentials_refused: entry(
    // Not 401: a runtime would think that its own key was refused, and pause for a minute, during which even a
    // corrected key does not help.
    400,
    'invalid_request_error',
    'The LLM API refused the credentials in Settings. Test them there.',
  ),
  loop_detected: entry(
    // Not 508: clients and runtimes retry that status, and each retry would go through the whole loop.
    400,
    'invalid_request_error',
    'LLM_BASE_URL leads back to this router, so the agent would call itself without end. Set the address of an LLM API in Settings.',
  ),
  signed_out: entry(
    401,
    'invalid_request_error',
    'Sign in, or send an API key as "Authorization: Bearer <key>".',
    // OpenAI's code for a missing, unknown or revoked key. Clients ask for another key when they see it.
    'invalid_api_key',
  ),
  wrong_credentials: entry(401, 'invalid_request_error', 'The e-mail address or the password is wrong.'),
  forbidden: entry(403, 'permission_error', 'You are not allowed to do this.'),
  not_found: entry(404, 'invalid_request_error', 'This does not exist, or you have no access to it.'),
  model_not_found: entry(404, 'invalid_request_error', 'No agent serves that model.'),
  method_not_allowed: entry(405, 'invalid_request_error', 'This method is not supported here.'),
  too_slow: entry(408, 'invalid_request_error', 'The body of the request came too slowly.'),
  conflict: entry(409, 'invalid_request_error', 'This conflicts with the current state.'),
  answer_running: entry(
    409,
    'invalid_request_error',
    'An answer is still being written. Wait for it, or stop it first.',
  ),
  too_large: entry(413, 'invalid_request_error', 'The request is too large.'),
  unsupported_media_type: entry(415, 'invalid_request_error', 'This content type is not supported.'),
  misdirected: entry(421, 'invalid_request_error', 'This address is not known to the router.'),
  invalid_fields: entry(422, 'invalid_request_error', 'Some fields are invalid.'),
  idempotency_key_reused: entry(
    422,
    'invalid_request_error',
    'This Idempotency-Key was used for another request. Send a new key with a new request.',
  ),
  credentials_missing: entry(422, 'invalid_request_error', 'This agent needs LLM credentials. Set them in Settings.'),
  too_many_runners: entry(429, 'rate_limit_error', 'You have reached the limit of busy runners. Stop one first.'),
  start_queue_timeout: entry(429, 'rate_limit_error', 'Too many agents are starting or busy. Try again in a moment.'),
  insufficient_quota: entry(429, 'insufficient_quota', 'The budget is used up.'),
  rate_limit_exceeded: entry(429, 'rate_limit_error', 'This API key is used too fast. Try again in a moment.'),
  too_much_at_once: entry(
    429,
    'rate_limit_error',
    'You have too many open requests. Try again when some of them have ended.',
  ),
  too_many_requests: entry(429, 'rate_limit_error', 'Too many attempts. Wait a little and try again.'),
  internal: entry(500, 'server_error', 'Something went wrong here. The details are in the log under the request id.'),
  runner_failed: entry(502, 'server_error', 'The agent could not be started.'),
  answer_too_large: entry(502, 'server_error', 'The answer exceeds the maximum length. Ask for a shorter answer.'),
  runner_lost: entry(502, 'server_error', 'The agent ended in the middle of its answer. Try again.'),
  upstream_unreachable: entry(502, 'server_error', 'The LLM API could not be reached. Check LLM_BASE_URL.'),
  backend_disabled: entry(503, 'server_error', 'This agent is switched off by the administrator.'),
  driver_unavailable: entry(503, 'server_error', 'The platform that runs this agent does not answer. Try again soon.'),
  storage_failed: entry(503, 'server_error', 'The router could not read or save this. Try again later.'),
  overloaded: entry(503, 'server_error', 'The router has too many open requests. Try again in a moment.'),
  shutting_down: entry(503, 'server_error', 'The router is restarting. Try again in a moment.'),
  start_timeout: entry(504, 'server_error', 'The agent took too long to start.'),
  first_byte_timeout: entry(504, 'server_error', 'The agent did not begin to answer in time. Try again.'),
  chunk_timeout: entry(504, 'server_error', 'The agent stopped sending in the middle of its answer. Try again.'),
  total_timeout: entry(504, 'server_error', 'The answer exceeded the time limit. Ask for a shorter answer.'),
} satisfies Record<string, CodeEntry>;

export type Code = keyof typeof CODES;

/**
 * Codes whose status makes OpenAI's clients retry, although a retry is useless or harmful: a used-up budget or a
 * disabled agent stays so, a user who stopped an answer does not want it again, and an agent that was silent for its
 * whole limit may have done the work.
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

/** Statuses for which OpenAI's clients retry a request. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 409, 429]);
/** Codes of permanent refusals, whatever their status: OpenAI's names and those of gateways. */
const LASTING_WORDS: ReadonlySet<string | null> = new Set([
  ...['insufficient_quota', 'insufficient_credits', 'insufficient_balance', 'quota_exceeded', 'billing_not_active'],
  ...['billing_hard_limit_reached', 'access_terminated', 'account_deactivated', 'model_not_found', 'invalid_api_key'],
  ...['context_length_exceeded', 'content_policy_violation', 'invalid_prompt'],
]);

/** A refusal by an agent, or by the LLM behind it, that is passed on. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
}

/** Whether a retry of the refused request would be refused again. */
export function isLastingRefusal({ status, type, code }: Refusal): boolean {
  if (LASTING_WORDS.has(code) || LASTING_WORDS.has(type)) return true;
  return status >= 400 && status < 500 && !RETRIED_STATUSES.has(status);
}

interface AppErrorOptions {
  readonly message?: string;
  /** What the administrator can do. */
  readonly hint?: string | undefined;
  /**
   * The line of a longer hint that gives the reason. Programs show only the beginning of a message, so it comes first
   * there.
   */
  readonly reason?: string | undefined;
  /** Field name → problem, for forms. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The invalid member of the request: OpenAI's `param`. */
  readonly param?: string;
  readonly retryAfterSeconds?: number | undefined;
  /** Whether a retry would fail again, if the code alone does not say so. */
  readonly isLasting?: boolean;
  /** For `method_not_allowed`: the header `Allow`. */
  readonly allow?: readonly string[];
  /** The refusal that this error passes on, if the error is not the router's own. */
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
  readonly allow: readonly string[] | undefined;
  readonly refusal: Refusal | undefined;
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
    this.allow = options.allow;
    this.refusal = options.refusal;
    this.isLasting = options.isLasting ?? (options.refusal ? isLastingRefusal(options.refusal) : LASTING.has(code));
  }

  /** HTTP status of the refusal that is passed on, otherwise of this error's code. */
  get status(): number {
    return this.refusal?.status ?? CODES[this.code].status;
  }
}

/**
 * Turns any thrown value into an `AppError`. An error that is not ours shows no details to the client, except that the
 * database cannot be used.
 */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const fault = storageFault(thrown);
  if (!fault) return new AppError('internal', { cause: thrown });
  const message = `The router's database cannot be used: ${fault.what}.`;
  return new AppError('storage_failed', { message, hint: fault.remedy, cause: thrown });
}
